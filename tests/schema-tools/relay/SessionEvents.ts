import { graphql } from "relay-runtime";

export const sessionEvents = graphql`
  subscription SessionEventsSubscription {
    sessionEvents {
      kind
      session {
        id
        status
        invalidationReason
      }
    }
  }
`;

import { graphql } from "relay-runtime";

export const devices = graphql`
  query DeviceListQuery {
    viewer {
      id
      ...DeviceList_account
    }
  }
`;

export const fragment = graphql`
  fragment DeviceList_account on Account @argumentDefinitions(status: { type: "SessionStatus", defaultValue: ACTIVE }) {
    username
    sessions(first: 100, status: $status) @connection(key: "DeviceList_sessions") {
      edges {
        node {
          id
          current
          lastSeenAt
          connectionInfo {
            browser
            operatingSystem
            deviceKind
          }
        }
      }
    }
  }
`;

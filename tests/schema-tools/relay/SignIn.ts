import { graphql } from "relay-runtime";

export const signIn = graphql`
  mutation SignInMutation($input: SignInInput!) {
    signIn(input: $input) {
      account {
        ...DeviceList_account
      }
      session {
        id
        metadata
      }
      tokens {
        accessToken
      }
    }
  }
`;

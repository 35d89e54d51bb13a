import { graphql } from "relay-runtime";

export const accounts = graphql`
  query AccountListQuery($by: AccountBy!) {
    account(by: $by) {
      username
    }
    ...AccountList_query
  }
`;

// Relay refetches a fragment where it can: here, on Query.
export const fragment = graphql`
  fragment AccountList_query on Query
  @refetchable(queryName: "AccountListPaginationQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" }) {
    accounts(first: $count, after: $cursor) @connection(key: "AccountList_accounts") {
      edges {
        node {
          id
          email
          createdAt
        }
      }
      totalCount
    }
  }
`;

// Apollo Client 4, by its recipe.

import { gql } from "@apollo/client";

import { connect } from "./build/out/apollo.js";
import { QUERY, flows } from "./support/flows.js";

const document = gql(QUERY);

flows("Apollo Client", {
  connect: (session, endpoint) => {
    const client = connect(session, endpoint);
    return {
      client,
      query: async (first) => (await client.query({ query: document, variables: { first }, fetchPolicy: "network-only" })).data.viewer,
      forbidden: () => client.mutate({ mutation: gql("mutation { invalidateSessions(input: { mode: ALL }) }") }),
      cached: () => JSON.stringify(client.extract()),
    };
  },
});

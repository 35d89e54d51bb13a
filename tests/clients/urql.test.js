// urql, by its recipe.

import { connect } from "./build/out/urql.js";
import { QUERY, flows } from "./support/flows.js";

flows("urql", {
  repeats: 1,
  connect: (session, endpoint) => {
    const current = connect(session, endpoint);
    const answer = async (result) => {
      const { data, error } = await result.toPromise();
      if (error) {
        throw error;
      }
      return data.viewer;
    };
    return {
      query: (first) => answer(current.client.query(QUERY, { first }, { requestPolicy: "network-only" })),
      cached: async () => JSON.stringify((await current.client.query(QUERY, { first: 1 }, { requestPolicy: "cache-only" }).toPromise()).data ?? null),
      forbidden: () => answer(current.client.mutation("mutation { invalidateSessions(input: { mode: ALL }) }", {})),
    };
  },
});

// urql, by its recipes: with a `fetch` that knows the session, and with `authExchange`.

import { connect, create } from "./build/out/urql.js";
import { create as createWithAuthExchange } from "./build/out/urql-auth-exchange.js";
import { QUERY, flows } from "./support/flows.js";

const client = (createNext) => (session, endpoint) => {
  const current = connect(session, endpoint, createNext);
  const answer = async (result) => {
    const { data, error } = await result.toPromise();
    if (error) {
      throw error;
    }
    return data.viewer;
  };
  return {
    query: (first) => answer(current.client.query(QUERY, { first }, { requestPolicy: "network-only" })),
    forbidden: () => answer(current.client.mutation("mutation { invalidateSessions(input: { mode: ALL }) }", {})),
    cached: async () => {
      const { data } = await current.client.query(QUERY, { first: 1 }, { requestPolicy: "cache-only" }).toPromise();
      return JSON.stringify(data ?? null);
    },
  };
};

flows("urql", { connect: client(create) });
flows("urql with authExchange", { connect: client(createWithAuthExchange), repeats: 1 });

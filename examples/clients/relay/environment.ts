import { Environment, Network, RecordSource, Store, type GraphQLResponse } from "relay-runtime";
import type { ClientSession } from "sessiongraph-client";

export function createEnvironment(session: ClientSession, endpoint: string) {
  const network = Network.create(async ({ text: query }, variables) => {
    const body = JSON.stringify({ query, variables });
    const headers = { "content-type": "application/json" };
    const response = await session.fetch(endpoint, { method: "POST", headers, body });
    return (await response.json()) as GraphQLResponse;
  });
  return new Environment({ network, store: new Store(new RecordSource()) });
}

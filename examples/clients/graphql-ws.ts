import { createClient } from "graphql-ws";
import type { ClientSession } from "sessiongraph-client";
import { renewing } from "sessiongraph-client/graphql-ws";

export function connect(session: ClientSession, endpoint: string) {
  const url = endpoint.replace(/^http/, "ws");
  const client = createClient({ url, connectionParams: session.headers, retryAttempts: 0 });
  return { ...client, ...renewing(session, client) };
}

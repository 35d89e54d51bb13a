import { createClient } from "graphql-sse";
import type { ClientSession } from "sessiongraph-client";
import { renewing } from "sessiongraph-client/graphql-sse";

export function connect(session: ClientSession, endpoint: string) {
  const { headers, credentials } = session;
  const client = createClient({ url: endpoint, headers, credentials, retryAttempts: 0 });
  return { ...client, ...renewing(session, client) };
}

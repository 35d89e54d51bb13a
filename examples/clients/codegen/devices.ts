import type { ClientSession } from "sessiongraph-client";

import { graphql } from "./generated/gql";
import type { TypedDocumentString } from "./generated/graphql";

/** Sends a typed document. */
export async function send<Result, Variables>(
  session: ClientSession,
  endpoint: string,
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
) {
  const response = await session.fetch(endpoint, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: document.toString(), variables }),
  });
  return (await response.json()) as { data?: Result | null; errors?: { message: string }[] };
}

const Devices = graphql(`
  query Devices($first: Int!) {
    viewer {
      sessions(status: ACTIVE, first: $first) {
        nodes { id current lastSeenAt connectionInfo { browser operatingSystem deviceKind } }
      }
    }
  }
`);

export async function devices(session: ClientSession, endpoint: string) {
  const { data } = await send(session, endpoint, Devices, { first: 20 });
  return data?.viewer?.sessions?.nodes ?? [];
}

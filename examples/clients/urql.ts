import { cacheExchange, createClient, fetchExchange } from "@urql/core";
import type { ClientSession } from "sessiongraph-client";

export const create = (session: ClientSession, url: string) =>
  createClient({ url, fetch: session.fetch, preferGetMethod: false, exchanges: [cacheExchange, fetchExchange] });

/** `current.client` is another one when somebody has signed out: urql's cache is cleared with its client. */
export function connect(session: ClientSession, endpoint: string, createNext = create) {
  const current = { client: createNext(session, endpoint) };
  session.listen(({ kind }) => {
    if (kind === "SIGNED_OUT") {
      current.client = createNext(session, endpoint);
    }
  });
  return current;
}

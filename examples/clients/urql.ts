import { cacheExchange, createClient, fetchExchange } from "@urql/core";
import { authExchange } from "@urql/exchange-auth";
import type { ClientSession } from "sessiongraph-client";
import { sessionAuth } from "sessiongraph-client/urql";

const create = (session: ClientSession, url: string) =>
  createClient({
    url,
    preferGetMethod: false,
    exchanges: [cacheExchange, authExchange(sessionAuth(session)), fetchExchange],
  });

/** `current.client` is another one when somebody has signed out: urql's cache is cleared with its client. */
export function connect(session: ClientSession, endpoint: string) {
  const current = { client: create(session, endpoint) };
  session.listen(({ kind }) => {
    if (kind === "SIGNED_OUT") {
      current.client = create(session, endpoint);
    }
  });
  return current;
}

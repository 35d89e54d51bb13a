import { cacheExchange, createClient, fetchExchange } from "@urql/core";
import { authExchange } from "@urql/exchange-auth";
import type { ClientSession } from "sessiongraph-client";
import { sessionAuth } from "sessiongraph-client/urql";

export const create = (session: ClientSession, url: string) =>
  createClient({
    url,
    preferGetMethod: false,
    exchanges: [cacheExchange, authExchange(sessionAuth(session)), fetchExchange],
  });

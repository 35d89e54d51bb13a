// GraphiQL's requests: as whoever is selected, timed, subscriptions over WebSockets.

import { createGraphiQLFetcher, type Fetcher } from "@graphiql/toolkit";
import { type Client, createClient } from "graphql-ws";

import { ENDPOINT, requestInit } from "../api/client";
import { connectionParams, webSocketUrl } from "../api/events";
import { editorCredentials } from "../state/select";
import { getState } from "../state/store";

export interface Timing {
  status: number;
  milliseconds: number;
  bytes: number;
}

/** A fetcher that tells how long each answer took, from the request to the last byte of it. */
export function createFetcher(timed: (timing: Timing | null) => void): Fetcher {
  const timedFetch: typeof fetch = async (input, init) => {
    const own = requestInit(editorCredentials(getState()));
    // What the reader has written into the headers goes before.
    const headers = new Headers(own.headers);
    new Headers(init?.headers).forEach((value, name) => headers.set(name, value));
    const begun = performance.now();
    timed(null);
    const response = await fetch(input, { ...init, headers, credentials: own.credentials });
    const body = await response.blob();
    timed({ status: response.status, milliseconds: performance.now() - begun, bytes: body.size });
    return new Response(body, response);
  };
  return createGraphiQLFetcher({
    url: ENDPOINT,
    fetch: timedFetch,
    enableIncrementalDelivery: false,
    wsClient: subscriptions(),
  });
}

/** A connection for each subscription: who it is for is fixed when it is opened. */
function subscriptions(): Client {
  const open = () =>
    createClient({ url: webSocketUrl(), retryAttempts: 0, connectionParams: () => connectionParams(editorCredentials(getState())) });
  return {
    ...open(),
    subscribe: (payload, sink) => open().subscribe(payload, sink),
    iterate: (payload) => open().iterate(payload),
  };
}

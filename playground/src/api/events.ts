// sessionEvents over a WebSocket, and how its ends are to be understood.

import { createClient, MessageType, stringifyMessage } from "graphql-ws";

import { EventsDocument, type EventsSubscription } from "../generated/page/graphql";
import type { Credentials } from "./client";
import { ENDPOINT } from "./client";

/** Close codes of the server's. */
const TOKEN_EXPIRED = 4401;
const SESSION_OVER = 4403;

export type FeedEnd = "expired" | "over" | "failed";

export interface Feed {
  /** Hands the connection a fresh token of the same session, so that it goes on. */
  renew(token: string): void;
  stop(): void;
}

export function webSocketUrl(): string {
  const url = new URL(ENDPOINT, window.location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** What a connection is opened with; cookies are sent by the browser itself. */
export function connectionParams(credentials: Credentials): Record<string, string> {
  return credentials.kind === "bearer" ? { Authorization: `Bearer ${credentials.token}` } : {};
}

/** Listens until it is stopped or there is no more to hear. Broken connections are opened again. */
export function listen(
  credentials: () => Credentials,
  to: {
    live: () => void;
    waiting: () => void;
    event: (event: EventsSubscription["sessionEvents"]) => void;
    end: (how: FeedEnd) => void;
  },
): Feed {
  let socket: WebSocket | null = null;
  let stopped = false;
  const client = createClient({
    url: webSocketUrl(),
    connectionParams: () => connectionParams(credentials()),
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: async (retries) => {
      to.waiting();
      await new Promise((resolve) => setTimeout(resolve, Math.min(5_000, 500 * (retries + 1))));
    },
    shouldRetry: () => true,
    on: {
      connected: (opened) => {
        socket = opened as WebSocket;
        to.live();
      },
      closed: () => {
        socket = null;
      },
    },
  });
  const end = (how: FeedEnd) => {
    if (!stopped) {
      stopped = true;
      void client.dispose();
      to.end(how);
    }
  };
  client.subscribe<EventsSubscription>(
    { query: EventsDocument.toString() },
    {
      next: ({ data }) => {
        if (data) {
          to.event(data.sessionEvents);
        }
      },
      error: (reason) => {
        const code = (reason as { code?: number } | null)?.code;
        end(code === TOKEN_EXPIRED ? "expired" : code === SESSION_OVER ? "over" : "failed");
      },
      complete: () => end("over"),
    },
  );
  return {
    renew: (token) => {
      if (socket?.readyState === WebSocket.OPEN) {
        socket.send(stringifyMessage({ type: MessageType.Ping, payload: { Authorization: `Bearer ${token}` } }));
      }
    },
    stop: () => {
      stopped = true;
      void client.dispose();
    },
  };
}

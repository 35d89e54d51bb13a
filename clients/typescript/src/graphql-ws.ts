import type { Client } from "graphql-ws";

import { endless } from "./live.js";
import type { ClientSession } from "./session.js";

const MARGIN_MS = 10_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Subscriptions without an end of their own, over a WebSocket that is kept: it gets a fresh token by `ping` before the
 * old one expires. Where that is not possible (the tokens are in cookies, the network was away) it is opened again.
 */
export function renewing(session: ClientSession, client: Client): Pick<Client, "subscribe"> {
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const schedule = async () => {
    clearTimeout(timer);
    const left = await session.expiresIn();
    if (socket && left !== null) {
      const wait = Math.max(1_000, left - Math.min(MARGIN_MS, left / 4));
      timer = setTimeout(() => void session.credential().then(session.refresh), Math.min(wait, LONGEST_TIMER_MS));
    }
  };
  const renew = async () => {
    const payload = await session.headers();
    if (payload.Authorization && socket?.readyState === socket?.OPEN) {
      socket?.send(JSON.stringify({ type: "ping", payload }));
    }
  };

  client.on("connected", (opened) => {
    socket = opened as WebSocket;
    void schedule();
  });
  client.on("closed", () => {
    socket = null;
    clearTimeout(timer);
  });
  session.listen(({ kind }) => {
    if (kind === "REFRESHED") {
      void renew();
      void schedule();
    } else if (kind === "SIGNED_IN") {
      // A connection belongs to one session.
      client.terminate();
    }
  });
  return {
    subscribe: (payload, sink) => endless(session, (each) => client.subscribe(payload, each), sink as Parameters<typeof endless>[2]),
  };
}

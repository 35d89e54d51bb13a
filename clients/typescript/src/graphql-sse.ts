import type { Client } from "graphql-sse";

import { endless } from "./live.js";
import type { ClientSession } from "./session.js";

/**
 * Subscriptions without an end of their own, over a client in distinct connections mode: a stream that ends with its
 * token is opened again with the next one. What happens in between is missed.
 */
export function renewing(session: ClientSession, client: Pick<Client, "subscribe">): Pick<Client, "subscribe"> {
  return {
    subscribe: (request, sink) => endless(session, (each) => client.subscribe(request, each), sink as Parameters<typeof endless>[2]),
  };
}

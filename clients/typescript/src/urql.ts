import { makeOperation, type Operation } from "@urql/core";
import type { AuthConfig, AuthUtilities } from "@urql/exchange-auth";

import { actionOf } from "./errors.js";
import { headersOf, type ClientSession, type Credential } from "./session.js";

declare module "@urql/core" {
  interface OperationContext {
    /** What the operation was sent with. */
    sessiongraph?: Credential;
  }
}

/** What `authExchange` is to do. It stands before `fetchExchange`, and behind `cacheExchange`. */
export function sessionAuth(session: ClientSession): (utilities: AuthUtilities) => Promise<AuthConfig> {
  return async (utilities) => {
    // urql asks for it synchronously, so it is read ahead; an operation that comes in the middle of that waits.
    let held = await session.credential();
    session.listen(() => void read());
    const read = async () => {
      held = await session.credential();
    };
    let failed: Credential | null = null;
    return {
      willAuthError: () => held.epoch !== session.epoch,
      addAuthToOperation: (operation) =>
        withCredential(utilities.appendHeaders(operation, headersOf(held)), held, session.credentials),
      didAuthError: ({ graphQLErrors }, { context }) => {
        const action = actionOf(graphQLErrors)?.action;
        const sent = context.sessiongraph ?? held;
        if (action === "SIGN_IN") {
          void session.recover(sent, graphQLErrors);
        }
        failed = action === "REFRESH" ? sent : failed;
        return action === "REFRESH";
      },
      refreshAuth: async () => {
        if (failed) {
          await session.refresh(failed);
          failed = null;
        }
        await read();
      },
    };
  };
}

function withCredential(operation: Operation, sessiongraph: Credential, credentials: RequestCredentials): Operation {
  const { fetchOptions } = operation.context;
  const options = typeof fetchOptions === "function" ? fetchOptions() : fetchOptions;
  return makeOperation(operation.kind, operation, {
    ...operation.context,
    sessiongraph,
    fetchOptions: { ...options, credentials },
  });
}

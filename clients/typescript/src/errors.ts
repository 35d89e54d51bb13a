/** What an error asks of the client: `extensions.action`. */
export type Action = "REFRESH" | "SIGN_IN" | "RETRY";

/** A GraphQL error, as far as it concerns the session. */
export interface SessionError {
  readonly message: string;
  readonly extensions?: {
    readonly code?: string;
    readonly reason?: string;
    readonly action?: string;
    /** Seconds to wait, with `RETRY`. */
    readonly retryAfter?: number;
  };
}

const ACTIONS: readonly string[] = ["REFRESH", "SIGN_IN", "RETRY"] satisfies Action[];

/** The first error that asks for something, and what it asks for. */
export function actionOf(errors: unknown): { action: Action; error: SessionError } | undefined {
  for (const error of Array.isArray(errors) ? (errors as SessionError[]) : []) {
    const action = error?.extensions?.action;
    if (typeof action === "string" && ACTIONS.includes(action)) {
      return { action: action as Action, error };
    }
  }
  return undefined;
}

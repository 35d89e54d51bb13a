// The two requests that this package makes by itself.

import { actionOf, type SessionError } from "./errors.js";
import type { Tokens } from "./tokens.js";

const REFRESH = `mutation RefreshTokens($input: RefreshTokensInput) {
  refreshTokens(input: $input) {
    refreshOutcome
    session { refreshedAt }
    tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt }
  }
}`;
const LOGOUT = "mutation Logout($input: LogoutInput) { logout(input: $input) }";

const ATTEMPTS = 3;
const TIMEOUT_MS = 15_000;
/** Who has to wait for longer is told so instead. */
const LONGEST_WAIT_S = 5;

export interface Refreshed {
  /** Null where they are in cookies. */
  tokens: Tokens | null;
  /** When it was, by the server's clock; null when that was an earlier moment than this. */
  at: number | null;
}

export type Exchange = { kind: "refreshed"; refreshed: Refreshed } | { kind: "over"; error: SessionError } | { kind: "failed" };

export interface Endpoint {
  url: string;
  fetch: typeof fetch;
  credentials: RequestCredentials;
}

/**
 * Exchanges a refresh token, or with null the refresh cookie. Presenting it again is safe: a refresh whose answer was
 * lost gives the same tokens again.
 */
export async function exchange(endpoint: Endpoint, refreshToken: string | null): Promise<Exchange> {
  for (let attempt = 1; ; attempt++) {
    let wait = attempt / 2;
    try {
      const { data, errors } = await ask(endpoint, REFRESH, refreshToken === null ? null : { refreshToken });
      const answer = (data as RefreshData | null | undefined)?.refreshTokens;
      if (answer) {
        const at = answer.refreshOutcome === "CONVERGED" ? null : Date.parse(answer.session.refreshedAt);
        return { kind: "refreshed", refreshed: { tokens: answer.tokens, at } };
      }
      const demand = actionOf(errors);
      if (demand?.action === "SIGN_IN") {
        return { kind: "over", error: demand.error };
      }
      wait = demand?.action === "RETRY" ? (demand.error.extensions?.retryAfter ?? wait) : Infinity;
    } catch {
      // The network, or what stands between; nothing is known of the session.
    }
    if (attempt === ATTEMPTS || wait > LONGEST_WAIT_S) {
      return { kind: "failed" };
    }
    await new Promise((resolve) => setTimeout(resolve, wait * 1_000));
  }
}

/** Ends the session of a token, or with null that of the cookies. */
export async function logout(endpoint: Endpoint, token: string | null): Promise<void> {
  await ask(endpoint, LOGOUT, token === null ? null : { token });
}

interface RefreshData {
  refreshTokens: { refreshOutcome: string; session: { refreshedAt: string }; tokens: Tokens | null };
}

async function ask(endpoint: Endpoint, query: string, input: object | null): Promise<{ data?: unknown; errors?: unknown }> {
  const response = await endpoint.fetch(endpoint.url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ query, variables: { input } }),
    credentials: endpoint.credentials,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  return (await response.json()) as { data?: unknown; errors?: unknown };
}

// What the page does with the server. Each action changes the state, and throws what went wrong for whoever asked.

import type { Credentials } from "../api/client";
import { execute, NOBODY, RequestFailed } from "../api/client";
import {
  EndSessionsDocument,
  ExchangeDocument,
  LogOutDocument,
  OpenAccountDocument,
  OpenSessionDocument,
  OwnSessionDocument,
  OwnSessionsDocument,
} from "../generated/page/graphql";
import type { InvalidateSessionsMode, InvalidationReason, TokenTransport } from "../generated/page/graphql";
import { exchanged, forgotten, heldChanged, knows, opened } from "./changes";
import type { Login } from "./model";
import { callerFor, credentialsOf, liveHeld } from "./select";
import { change, getState } from "./store";

export interface SignUpForm {
  username: string;
  email: string;
  password: string;
  transport: TokenTransport;
}

/** With cookies the answer can set some, and a session whose cookies came along is replaced. */
const opening = (transport: TokenTransport): Credentials => (transport === "COOKIE" ? { kind: "cookies" } : NOBODY);

export async function signUp({ username, email, password, transport }: SignUpForm): Promise<Login> {
  const input = { username: username || null, email: email || null, password, transport };
  const { login } = await execute(OpenAccountDocument, { input }, opening(transport));
  return open(login);
}

export async function signIn(identifier: string, password: string, transport: TokenTransport): Promise<Login> {
  const { login } = await execute(OpenSessionDocument, { input: { identifier, password, transport } }, opening(transport));
  return open(login);
}

async function open(login: Login): Promise<Login> {
  if (!login.tokens) {
    // The browser has one pair of cookies: whatever they named before is over.
    const before = liveHeld(getState()).filter((id) => !getState().held[id]?.tokens);
    change(opened, login);
    before.forEach((id) => id !== login.session.id && change(forgotten, id));
  } else {
    change(opened, login);
  }
  await readSessions(login.session.account.id);
  return login;
}

/** Takes up a session that this browser has cookies of. */
export async function adoptCookies(): Promise<void> {
  const { session } = await execute(OwnSessionDocument, {}, { kind: "cookies" });
  if (session && !getState().held[session.id]) {
    await open({ session, tokens: null, refreshOutcome: null });
  }
}

/** Exchanges a refresh token (or what is in the cookies) without keeping what comes of it. */
export async function exchange(refreshToken: string | null, headers: Record<string, string> = {}): Promise<Login> {
  const variables = { input: refreshToken === null ? {} : { refreshToken } };
  const credentials: Credentials = refreshToken === null ? { kind: "cookies" } : NOBODY;
  return (await execute(ExchangeDocument, variables, credentials, headers)).login;
}

const refreshing = new Map<string, Promise<void>>();

/** Refreshes a session that the page holds; who asks while it does waits for the same answer. */
export function refresh(sessionId: string): Promise<void> {
  const running = refreshing.get(sessionId) ?? refreshOnce(sessionId).finally(() => refreshing.delete(sessionId));
  refreshing.set(sessionId, running);
  return running;
}

async function refreshOnce(sessionId: string): Promise<void> {
  const tokens = getState().held[sessionId]?.tokens;
  try {
    change(exchanged, await exchange(tokens?.refreshToken ?? null));
  } catch (error) {
    change(heldChanged, sessionId, { last: { text: describe(error), failed: true } });
    await learnFrom(sessionId, error);
    throw error;
  }
}

/** A refusal may mean that the session is over. Why, another one of the account may know, or its stream tells. */
async function learnFrom(sessionId: string, error: unknown): Promise<void> {
  const { code, reason } = (error instanceof RequestFailed && error.error.extensions) || {};
  if (code === "REFRESH_TOKEN_REUSED") {
    endedHere([sessionId], code);
  } else if (reason === "INVALIDATED") {
    endedHere([sessionId], null);
  }
  const accountId = getState().sessions[sessionId]?.account.id;
  if (accountId) {
    await readSessions(accountId, sessionId).catch(() => {});
  }
}

export async function logOut(sessionId: string): Promise<void> {
  await execute(LogOutDocument, {}, credentials(sessionId));
  endedHere([sessionId], "LOGOUT");
}

/** Ends sessions as one that the page holds. */
export async function endSessions(caller: string, mode: InvalidateSessionsMode, target?: string): Promise<number> {
  const input = { mode, ...(target === undefined ? {} : { sessionId: target }) };
  const { invalidateSessions } = await execute(EndSessionsDocument, { input }, credentials(caller));
  const accountId = getState().sessions[caller]?.account.id;
  const ended = Object.values(getState().sessions)
    .filter(({ id, account }) => account.id === accountId && (mode === "ALL" || (mode === "ONE" ? id === target : id !== caller)))
    .map(({ id }) => id);
  endedHere(ended, "REQUESTED");
  return invalidateSessions;
}

/** The event says the same a moment later; not everybody has a stream that is live. */
function endedHere(ids: string[], invalidationReason: InvalidationReason | null): void {
  const { sessions } = getState();
  const over = ids.flatMap((id) => (sessions[id]?.status === "ACTIVE" ? [sessions[id]] : []));
  const at = new Date().toISOString();
  change(knows, over.map((session) => ({ ...session, status: "INVALIDATED" as const, invalidatedAt: at, invalidationReason })));
}

/** Reads an account's sessions, those of other devices included. */
export async function readSessions(accountId: string, but?: string): Promise<void> {
  const caller = callerFor(getState(), accountId, Date.now(), but);
  if (caller) {
    const { viewer } = await execute(OwnSessionsDocument, {}, credentials(caller));
    change(knows, viewer?.sessions?.nodes ?? []);
  }
}

function credentials(sessionId: string): Credentials {
  return credentialsOf(getState(), sessionId) ?? NOBODY;
}

/** A failure in a few words. */
export function describe(error: unknown): string {
  return error instanceof RequestFailed ? `${error.code}: ${error.message}` : String(error);
}

// What is read from the state.

import type { Credentials } from "../api/client";
import { NOBODY } from "../api/client";
import type { Session, State } from "./model";

/** What the page can show the server to act as a session it holds. */
export function credentialsOf(state: State, sessionId: string): Credentials | null {
  const held = state.held[sessionId];
  if (!held) {
    return null;
  }
  return held.tokens ? { kind: "bearer", token: held.tokens.accessToken } : { kind: "cookies" };
}

/** Who the editor's requests come from. */
export function editorCredentials(state: State): Credentials {
  switch (state.identity.kind) {
    case "session":
      return credentialsOf(state, state.identity.sessionId) ?? NOBODY;
    case "serviceKey":
      return state.serviceKey ? { kind: "bearer", token: state.serviceKey } : NOBODY;
    case "nobody":
      return NOBODY;
  }
}

/** The ids of the sessions that the page holds and that are not over, oldest first. */
export function liveHeld(state: State): string[] {
  return Object.keys(state.held)
    .filter((id) => state.sessions[id]?.status === "ACTIVE")
    .sort((a, b) => created(state, a) - created(state, b));
}

function created(state: State, id: string): number {
  return Date.parse(state.sessions[id]?.createdAt ?? "");
}

export interface AccountGroup {
  id: string;
  name: string;
  /** Held ones first, then newest first. None without a held one: nobody here could know of the others any more. */
  active: Session[];
  over: Session[];
}

/** The accounts in which the page holds a session, in the order of their first one here. */
export function accounts(state: State): AccountGroup[] {
  const ids = new Set(Object.keys(state.held).map((id) => state.sessions[id]?.account.id));
  const groups = [...ids].filter((id) => id !== undefined).map((id) => {
    const sessions = Object.values(state.sessions)
      .filter(({ account }) => account.id === id)
      .sort((a, b) => rank(state, a) - rank(state, b) || Date.parse(b.createdAt) - Date.parse(a.createdAt));
    return {
      id,
      name: accountName(sessions[0]),
      active: isOpen(state, sessions) ? sessions.filter(({ status }) => status === "ACTIVE") : [],
      over: sessions.filter(({ status }) => status !== "ACTIVE"),
    };
  });
  return groups.sort((a, b) => a.name.localeCompare(b.name));
}

function isOpen(state: State, sessions: Session[]): boolean {
  return sessions.some(({ id, status }) => status === "ACTIVE" && state.held[id]);
}

function rank(state: State, { id }: Session): number {
  return state.held[id] ? 0 : 1;
}

export function accountName(session: Session | undefined): string {
  return session?.account.username ?? session?.account.email ?? session?.account.id ?? "?";
}

/** A session that can act on others of the account: end them, list them, hear of them. */
export function callerFor(state: State, accountId: string, now: number, but?: string): string | null {
  const candidates = liveHeld(state).filter((id) => id !== but && state.sessions[id]?.account.id === accountId);
  const isFresh = (id: string) => {
    const tokens = state.held[id]?.tokens;
    return !tokens || Date.parse(tokens.accessTokenExpiresAt) > now;
  };
  return candidates.find(isFresh) ?? candidates[0] ?? null;
}

/** Distinguishes sessions on the screen: the end of their id, which is the random part. */
export function shortId(id: string): string {
  return id.slice(-4);
}

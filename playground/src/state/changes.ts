// What can happen to the state, each as a function of what was.

import type { EventLine, Held, Login, Session, State } from "./model";
import { EMPTY } from "./model";
import { credentialsOf, liveHeld } from "./select";

const MOST_EVENTS = 200;
const MOST_SPENT = 5;

/** Signed up, signed in, or opened by a service. The editor acts as the newest one. */
export function opened(state: State, login: Login): State {
  const { session, tokens } = login;
  return {
    ...knows(state, [session]),
    held: { ...state.held, [session.id]: { tokens: tokens ?? null, spent: [], last: null, paused: false } },
    identity: { kind: "session", sessionId: session.id },
  };
}

/** New tokens of a session that the page holds. */
export function exchanged(state: State, login: Login): State {
  const { session, tokens } = login;
  const known = state.held[session.id];
  if (!known) {
    return knows(state, [session]);
  }
  const same = known.tokens?.refreshToken === tokens?.refreshToken;
  const spent = known.tokens && !same ? [known.tokens, ...known.spent].slice(0, MOST_SPENT) : known.spent;
  const held: Held = {
    ...known,
    tokens: tokens ?? null,
    spent,
    last: { text: login.refreshOutcome ?? "ROTATED", failed: false },
  };
  return { ...knows(state, [session]), held: { ...state.held, [session.id]: held } };
}

/** Sessions as the server has just described them. */
export function knows(state: State, sessions: Session[]): State {
  const described = Object.fromEntries(sessions.map((session) => [session.id, newer(state.sessions[session.id], session)]));
  return { ...state, sessions: { ...state.sessions, ...described } };
}

/** Answers overtake each other; what is over stays over. */
function newer(known: Session | undefined, told: Session): Session {
  if (!known) {
    return told;
  }
  const isOlder =
    (known.status !== "ACTIVE" && told.status === "ACTIVE") ||
    (known.status === told.status && Date.parse(told.refreshedAt) < Date.parse(known.refreshedAt));
  return isOlder ? known : told;
}

export function happened(state: State, event: Omit<EventLine, "id">): State {
  const id = (state.events[0]?.id ?? 0) + 1;
  return { ...knows(state, [event.session]), events: [{ ...event, id }, ...state.events].slice(0, MOST_EVENTS) };
}

export function heldChanged(state: State, sessionId: string, change: Partial<Held>): State {
  const known = state.held[sessionId];
  return known ? { ...state, held: { ...state.held, [sessionId]: { ...known, ...change } } } : state;
}

/** The page lets go of a session: its tokens are forgotten, whatever the server thinks of them. */
export function forgotten(state: State, sessionId: string): State {
  const { [sessionId]: _, ...held } = state.held;
  const accountId = state.sessions[sessionId]?.account.id;
  const next = withIdentity({ ...state, held }, sessionId);
  const isLast = !Object.keys(held).some((id) => state.sessions[id]?.account.id === accountId);
  if (!isLast) {
    return next;
  }
  const sessions = Object.fromEntries(Object.entries(next.sessions).filter(([, { account }]) => account.id !== accountId));
  const events = next.events.filter(({ session }) => session.account.id !== accountId);
  return { ...next, sessions, events };
}

function withIdentity(state: State, gone: string): State {
  if (state.identity.kind !== "session" || state.identity.sessionId !== gone) {
    return state;
  }
  const [other] = liveHeld(state);
  return { ...state, identity: other ? { kind: "session", sessionId: other } : { kind: "nobody" } };
}

/** What may be kept over a reload; cookies keep themselves. */
export function kept(state: State): string {
  const held = Object.entries(state.held)
    .filter(([id]) => credentialsOf(state, id)?.kind === "bearer")
    .map(([id, { tokens }]) => ({ tokens, session: state.sessions[id] }));
  return JSON.stringify({ version: 1, held, serviceKey: state.serviceKey, renews: state.renews });
}

/** What was kept, if it can be read; never throws. */
export function restored(text: string | null): State {
  try {
    const { version, held, serviceKey, renews } = JSON.parse(text ?? "null") as {
      version: number;
      held: { tokens: Held["tokens"]; session: Session }[];
      serviceKey: string | null;
      renews: boolean;
    };
    if (version !== 1) {
      return EMPTY;
    }
    const logins = held.map(({ tokens, session }) => ({ tokens, session, refreshOutcome: null }));
    return { ...logins.reduce(opened, EMPTY), serviceKey, renews, keeps: true };
  } catch {
    return EMPTY;
  }
}

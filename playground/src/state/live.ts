// What runs by itself: one stream of events for each account, and refreshes before access tokens expire.

import type { Feed } from "../api/events";
import { listen } from "../api/events";
import { readSessions, refresh } from "./actions";
import { happened } from "./changes";
import type { FeedStatus, State } from "./model";
import { accounts, callerFor, credentialsOf } from "./select";
import { change, getState, store } from "./store";
import { NOBODY } from "../api/client";

/** How long before an access token expires it is renewed. */
const AHEAD = 20_000;
const TICK = 1_000;
/** How long a stream that ended is left alone. */
const REST = 5_000;

interface Running {
  feed: Feed;
  sessionId: string;
  token: string | null;
}

/** Begins; the result ends it. */
export function live(): () => void {
  const feeds = new Map<string, Running>();
  const resting = new Map<string, number>();
  const stop = (accountId: string) => {
    feeds.get(accountId)?.feed.stop();
    feeds.delete(accountId);
  };
  const follow = () => {
    const state = getState();
    const present = new Set(accounts(state).map(({ id }) => id));
    [...feeds.keys()].filter((id) => !present.has(id)).forEach(stop);
    for (const accountId of present) {
      followAccount(state, accountId);
    }
  };

  function followAccount(state: State, accountId: string): void {
    const running = feeds.get(accountId);
    if (running) {
      const token = tokenOf(state, running.sessionId);
      if (!state.held[running.sessionId]) {
        stop(accountId);
      } else if (token && token !== running.token) {
        running.token = token;
        running.feed.renew(token);
      }
      return;
    }
    const sessionId = callerFor(state, accountId, Date.now());
    if (sessionId && (resting.get(sessionId) ?? 0) > Date.now()) {
      return;
    }
    if (sessionId && isFresh(state, sessionId)) {
      start(accountId, sessionId);
    } else {
      status(accountId, sessionId ? "expired" : "closed");
    }
  }

  function start(accountId: string, sessionId: string): void {
    status(accountId, "connecting");
    // Its callbacks come later, when this one is in its place.
    const mine = (): boolean => feeds.get(accountId)?.feed === feed;
    const feed = listen(() => credentialsOf(getState(), sessionId) ?? NOBODY, {
      live: () => {
        if (mine()) {
          status(accountId, "live");
          // What happened before is in no stream.
          readSessions(accountId).catch(() => {});
        }
      },
      waiting: () => mine() && status(accountId, "waiting"),
      event: ({ refreshOutcome = null, ...event }) => mine() && change(happened, { ...event, refreshOutcome }),
      end: (how) => {
        if (!mine()) {
          return;
        }
        feeds.delete(accountId);
        resting.set(sessionId, Date.now() + REST);
        status(accountId, how === "expired" ? "expired" : "closed");
        if (how === "over") {
          // Another session of the account may go on listening, and knows how this one ended.
          void readSessions(accountId, sessionId).catch(() => {}).finally(follow);
        } else if (how === "expired" && getState().renews && tokenOf(getState(), sessionId) === null) {
          // Nobody saw it coming: the token is in a cookie.
          void refresh(sessionId).catch(() => {});
        }
      },
    });
    feeds.set(accountId, { feed, sessionId, token: tokenOf(getState(), sessionId) });
  }

  const unsubscribe = store.subscribe(follow);
  const timer = setInterval(() => {
    renewDue(Date.now());
    follow();
  }, TICK);
  follow();
  return () => {
    unsubscribe();
    clearInterval(timer);
    [...feeds.keys()].forEach(stop);
  };
}

function status(accountId: string, is: FeedStatus): void {
  if (getState().feeds[accountId] !== is) {
    store.setState(({ feeds }) => ({ feeds: { ...feeds, [accountId]: is } }));
  }
}

function tokenOf(state: State, sessionId: string): string | null {
  return state.held[sessionId]?.tokens?.accessToken ?? null;
}

function isFresh(state: State, sessionId: string): boolean {
  const tokens = state.held[sessionId]?.tokens;
  return !tokens || Date.parse(tokens.accessTokenExpiresAt) > Date.now();
}

/** The sessions whose access token is about to expire, and which nobody has told to stand still. */
export function due(state: State, now: number): string[] {
  if (!state.renews) {
    return [];
  }
  return Object.entries(state.held)
    .filter(([id, { tokens, paused, last }]) => {
      const isOpen = state.sessions[id]?.status === "ACTIVE" && !paused && !last?.failed;
      return isOpen && tokens && Date.parse(tokens.accessTokenExpiresAt) - AHEAD <= now;
    })
    .map(([id]) => id);
}

function renewDue(now: number): void {
  // A refusal is shown on the session's card.
  due(getState(), now).forEach((id) => void refresh(id).catch(() => {}));
}

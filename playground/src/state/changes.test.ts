import { describe, expect, test } from "vitest";

import { exchanged, forgotten, happened, heldChanged, kept, knows, opened, restored } from "./changes";
import { due } from "./live";
import type { Login, Session, State } from "./model";
import { EMPTY } from "./model";
import { accounts, callerFor, credentialsOf, editorCredentials, liveHeld } from "./select";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const at = (seconds: number) => new Date(NOW + seconds * 1000).toISOString();

function session(id: string, more: Partial<Session> = {}): Session {
  return {
    id,
    status: "ACTIVE",
    account: { id: "account-ada", username: "ada", email: null },
    connectionInfo: { ip: "127.0.0.1", userAgent: "test", browser: "Firefox", operatingSystem: "Linux", deviceKind: "DESKTOP" },
    createdAt: at(0),
    refreshedAt: at(0),
    lastSeenAt: at(0),
    expiresAt: at(7 * 86400),
    absoluteExpiresAt: at(90 * 86400),
    invalidatedAt: null,
    invalidationReason: null,
    ...more,
  };
}

function login(id: string, generation = 0, more: Partial<Session> = {}): Login {
  return {
    session: session(id, more),
    refreshOutcome: generation === 0 ? null : "ROTATED",
    tokens: {
      accessToken: `access-${id}-${generation}`,
      accessTokenExpiresAt: at(300),
      refreshToken: `refresh-${id}-${generation}`,
      refreshTokenExpiresAt: at(7 * 86400),
    },
  };
}

const two = () => opened(opened(EMPTY, login("a", 0, { createdAt: at(0) })), login("b", 0, { createdAt: at(1) }));

describe("sessions that are opened", () => {
  test("the newest is acted as", () => {
    const state = two();
    expect(liveHeld(state)).toEqual(["a", "b"]);
    expect(editorCredentials(state)).toEqual({ kind: "bearer", token: "access-b-0" });
  });

  test("with cookies there is no token to read", () => {
    const state = opened(EMPTY, { ...login("c"), tokens: null });
    expect(credentialsOf(state, "c")).toEqual({ kind: "cookies" });
    expect(kept(state)).not.toContain("access");
  });
});

describe("tokens that are exchanged", () => {
  test("the successor takes their place, and they are remembered as spent", () => {
    const state = exchanged(two(), login("a", 1, { refreshedAt: at(10) }));
    expect(state.held.a).toMatchObject({ tokens: { refreshToken: "refresh-a-1" }, last: { text: "ROTATED", failed: false } });
    expect(state.held.a?.spent.map(({ refreshToken }) => refreshToken)).toEqual(["refresh-a-0"]);
    expect(state.held.b).toEqual(two().held.b);
  });

  test("the same successor again spends nothing", () => {
    const once = exchanged(two(), login("a", 1));
    const again = exchanged(once, { ...login("a", 1), refreshOutcome: "CONVERGED" });
    expect(again.held.a?.spent).toHaveLength(1);
    expect(again.held.a?.last?.text).toBe("CONVERGED");
  });

  test("of a session that the page does not hold, only the session is taken", () => {
    const state = exchanged(EMPTY, login("x", 3));
    expect(state.held).toEqual({});
    expect(state.sessions.x?.id).toBe("x");
  });

  test("a few spent ones are enough", () => {
    const state = Array.from({ length: 20 }, (_, index) => login("a", index + 1)).reduce(exchanged, two());
    expect(state.held.a?.spent).toHaveLength(5);
    expect(state.held.a?.spent[0]?.refreshToken).toBe("refresh-a-19");
  });
});

describe("what the server tells", () => {
  test("what is over stays over, whichever answer comes last", () => {
    const over = session("a", { status: "INVALIDATED", invalidationReason: "REQUESTED", invalidatedAt: at(5) });
    const state = knows(knows(two(), [over]), [session("a")]);
    expect(state.sessions.a).toEqual(over);
    expect(liveHeld(state)).toEqual(["b"]);
  });

  test("the later of two descriptions counts", () => {
    const state = knows(knows(EMPTY, [session("a", { refreshedAt: at(20) })]), [session("a", { refreshedAt: at(10) })]);
    expect(state.sessions.a?.refreshedAt).toBe(at(20));
  });

  test("why a session ended replaces a guess", () => {
    const guess = session("a", { status: "INVALIDATED", invalidationReason: null });
    const told = session("a", { status: "INVALIDATED", invalidationReason: "REFRESH_TOKEN_REUSED" });
    expect(knows(knows(EMPTY, [guess]), [told]).sessions.a?.invalidationReason).toBe("REFRESH_TOKEN_REUSED");
  });

  test("events are listed newest first, change their session, and are bounded", () => {
    const ended = session("a", { status: "INVALIDATED" });
    const event = (kind: "REFRESHED" | "INVALIDATED", of: Session) => ({ kind, at: at(1), refreshOutcome: null, session: of });
    let state = happened(two(), event("REFRESHED", session("a")));
    state = happened(state, event("INVALIDATED", ended));
    expect(state.events.map(({ kind }) => kind)).toEqual(["INVALIDATED", "REFRESHED"]);
    expect(new Set(state.events.map(({ id }) => id)).size).toBe(2);
    expect(state.sessions.a?.status).toBe("INVALIDATED");
    for (let index = 0; index < 300; index += 1) {
      state = happened(state, event("REFRESHED", session("b")));
    }
    expect(state.events).toHaveLength(200);
  });
});

describe("accounts", () => {
  const elsewhere = session("z", { createdAt: at(50) });

  test("sessions held here come first, those of other browsers after them", () => {
    const [ada] = accounts(knows(two(), [elsewhere]));
    expect(ada?.name).toBe("ada");
    expect(ada?.active.map(({ id }) => id)).toEqual(["b", "a", "z"]);
  });

  test("without a session here nobody knows of the others", () => {
    const over = ["a", "b"].map((id) => session(id, { status: "INVALIDATED" }));
    const [ada] = accounts(knows(two(), [elsewhere, ...over]));
    expect(ada?.active).toEqual([]);
    expect(ada?.over).toHaveLength(2);
  });

  test("a session whose access token is good acts for the account", () => {
    const stale = login("a");
    const state = opened(opened(EMPTY, { ...stale, tokens: { ...stale.tokens!, accessTokenExpiresAt: at(-1) } }), login("b"));
    expect(callerFor(state, "account-ada", NOW)).toBe("b");
    expect(callerFor(state, "account-ada", NOW, "b")).toBe("a");
    expect(callerFor(state, "another", NOW)).toBeNull();
  });

  test("the last session that is forgotten takes its account with it", () => {
    const event = { kind: "CREATED" as const, at: at(0), refreshOutcome: null, session: session("a") };
    const one = forgotten(happened(two(), event), "b");
    expect(one.identity).toEqual({ kind: "session", sessionId: "a" });
    expect(one.events).toHaveLength(1);
    const none = forgotten(one, "a");
    expect(none).toMatchObject({ held: {}, sessions: {}, events: [], identity: { kind: "nobody" } });
  });
});

describe("what is kept over a reload", () => {
  test("comes back as it was", () => {
    const state: State = { ...two(), serviceKey: "sgk_x", keeps: true };
    const back = restored(kept(state));
    expect(back.held.a?.tokens).toEqual(state.held.a?.tokens);
    expect(back).toMatchObject({ serviceKey: "sgk_x", keeps: true, renews: true });
    expect(liveHeld(back)).toEqual(["a", "b"]);
  });

  test.each([null, "", "{", "[]", '{"version":2}', '{"version":1}', "7"])("%s is nothing", (text) => {
    expect(restored(text)).toEqual(EMPTY);
  });
});

describe("refreshes by itself", () => {
  const soon = NOW + 285_000;

  test("what is about to expire", () => {
    expect(due(two(), NOW)).toEqual([]);
    expect(due(two(), soon)).toEqual(["a", "b"]);
  });

  test("not what stands still, has failed, is over or in cookies, and nothing when it is switched off", () => {
    expect(due(heldChanged(two(), "a", { paused: true }), soon)).toEqual(["b"]);
    expect(due(heldChanged(two(), "a", { last: { text: "no", failed: true } }), soon)).toEqual(["b"]);
    expect(due(knows(two(), [session("a", { status: "INVALIDATED" })]), soon)).toEqual(["b"]);
    expect(due(opened(EMPTY, { ...login("c"), tokens: null }), soon)).toEqual([]);
    expect(due({ ...two(), renews: false }, soon)).toEqual([]);
  });
});

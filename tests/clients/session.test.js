// What `ClientSession` does when the network, the server or the user come in between.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ClientSession, memoryTokens } from "./build/node_modules/sessiongraph-client/dist/index.js";
import { refreshesOf, signUp, signUpExpired, startWorld } from "./support/world.js";

describe("a session", () => {
  let world;
  let expired;
  before(async () => {
    world = await startWorld({ flags: ["--refresh-limit", "3/1m"] });
    expired = await Promise.all(Array.from({ length: 5 }, () => signUpExpired(world)));
  });
  after(() => world?.stop());

  function open({ tokens }, { endpoint = world.endpoint, fetch } = {}) {
    const prompts = [];
    const store = memoryTokens();
    store.set(tokens);
    const onSignedOut = (ending) => prompts.push(ending);
    const session = new ClientSession({ endpoint, tokens: store, onSignedOut, ...(fetch && { fetch }) });
    return { session, store, prompts };
  }
  const ask = async (session, query = "{ viewer { username } }", endpoint = world.endpoint) => {
    const body = JSON.stringify({ query });
    const response = await session.fetch(endpoint, { method: "POST", headers: { "content-type": "application/json" }, body });
    return response.json();
  };
  const isRefresh = (init) => typeof init?.body === "string" && init.body.includes("refreshTokens");

  test("an answer to a refresh that is lost is asked for again", async () => {
    const account = expired.pop();
    let lost = 0;
    const { session, prompts } = open(account, {
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (isRefresh(init) && lost++ === 0) {
          await response.text();
          throw new TypeError("the connection broke");
        }
        return response;
      },
    });
    const counted = await refreshesOf(world, async () => {
      assert.equal((await ask(session)).data.viewer.username, account.username);
    });
    assert.deepEqual(counted, { ROTATED: 1, CONVERGED: 1 });
    assert.deepEqual(prompts, []);
  });

  test("no network at all: the operation has its own error, and the session stays", async () => {
    const account = expired.pop();
    let away = true;
    const { session, store, prompts } = open(account, {
      fetch: (input, init) => (away && isRefresh(init) ? Promise.reject(new TypeError("no network")) : fetch(input, init)),
    });
    const { errors } = await ask(session);
    assert.equal(errors[0].extensions.reason, "TOKEN_EXPIRED");
    assert.deepEqual([prompts, store.get()], [[], account.tokens]);
    away = false;
    assert.equal((await ask(session)).data.viewer.username, account.username);
  });

  test("a refresh that is to be repeated much later is not waited for, and ends nothing", async () => {
    const account = expired.pop();
    // Three within a minute, and the session has had its fill.
    for (let round = 0; round < 3; round++) {
      await world.client.refresh(account.tokens.refreshToken, { headers: { "user-agent": undefined } });
    }
    const { session, prompts } = open(account);
    const started = Date.now();
    const { errors } = await ask(session);
    assert.equal(errors[0].extensions.reason, "TOKEN_EXPIRED");
    assert.ok(Date.now() - started < 10_000);
    assert.deepEqual(prompts, []);
  });

  test("who signs out while a refresh is under way stays signed out", async () => {
    const account = expired.pop();
    const { session, store, prompts } = open(account);
    const [answer] = await Promise.all([ask(session), session.signOut()]);
    assert.equal(answer.data?.viewer ?? null, null);
    assert.deepEqual([store.get(), prompts], [null, ["SIGNED_OUT"]]);
    const { nodes } = await devicesOf(account);
    assert.deepEqual(nodes.filter(({ id }) => id === account.session).map(({ status, invalidationReason }) => [status, invalidationReason]), [["INVALIDATED", "LOGOUT"]]);
  });

  test("who signs in while a refresh is under way keeps the new session", async () => {
    const account = expired.pop();
    const next = await signUp(world);
    let begun;
    const refreshing = new Promise((resolve) => (begun = resolve));
    let finish;
    const gate = new Promise((resolve) => (finish = resolve));
    const { session, store } = open(account, {
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (isRefresh(init)) {
          begun();
          await gate;
        }
        return response;
      },
    });
    const answer = ask(session);
    await refreshing;
    await session.signedIn(next.tokens);
    finish();
    assert.equal((await answer).data.viewer.username, next.username);
    assert.deepEqual(store.get(), next.tokens);
  });

  test("signing out without a network: it is over here, and the caller is told", async () => {
    const account = await signUp(world);
    const { session, store, prompts } = open(account, { fetch: () => Promise.reject(new TypeError("no network")) });
    await assert.rejects(session.signOut(), /no network/);
    assert.deepEqual([store.get(), prompts], [null, ["SIGNED_OUT"]]);
    assert.equal((await world.client.data("{ session { id } }", { token: account.tokens.accessToken })).session.id, account.session);
  });

  test("a token goes to the endpoint and nowhere else", async () => {
    const sent = [];
    const { session } = open(await signUp(world), {
      fetch: async (input, init) => {
        const request = new Request(input, init);
        sent.push([new URL(request.url).pathname, request.headers.has("authorization")]);
        return fetch(request);
      },
    });
    await session.fetch(`${world.endpoint}?operationName=Other&query=%7Bviewer%7Bid%7D%7D`);
    await session.fetch(`${world.direct}/health/live`);
    assert.deepEqual(sent, [["/graphql", true], ["/health/live", false]]);
  });

  async function devicesOf({ username }) {
    const { accessToken } = await world.client.signIn(username);
    const query = "{ viewer { sessions(first: 100) { nodes { id status invalidationReason } } } }";
    return (await world.client.data(query, { token: accessToken })).viewer.sessions;
  }
});

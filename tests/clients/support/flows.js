// What every GraphQL client has to stand, whichever it is.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { ClientSession, memoryTokens } from "../build/node_modules/sessiongraph-client/dist/index.js";
import { PASSWORD } from "../../gateways/support/client.js";
import { endSessions, refreshesOf, signUp, signUpExpired, startWorld } from "./world.js";

const THIRTY = Array.from({ length: 30 }, (_, index) => index + 1);

/** Each client sends `query(n)`, another one for each `n`, and resolves to the viewer or rejects. */
export const QUERY = "query Sessions($first: Int!) { viewer { username sessions(first: $first) { totalCount } } }";

/**
 * `connect(session, endpoint)` gives `query(first)`, which resolves to the viewer, and where there is a cache `cached()`,
 * what is in it; `repeats` is how often a client sends an operation again that cannot succeed.
 */
export function flows(name, { connect, repeats = 0 }) {
  describe(name, () => {
    const { fetch } = globalThis;
    let world;
    let requests;
    let prompts;
    let session;
    let endpoint;
    let expired;
    before(async () => {
      world = await startWorld();
      endpoint = `${world.endpoint}?by=${encodeURIComponent(name)}`;
      expired = await Promise.all([1, 2, 3].map(() => signUpExpired(world)));
    });
    after(() => world?.stop());
    beforeEach(() => {
      [requests, prompts] = [[], []];
      globalThis.fetch = async (input, init) => {
        const request = new Request(input, init);
        // What the test itself asks does not count.
        if (request.url === endpoint) {
          requests.push(await request.clone().text());
        }
        return fetch(request);
      };
    });
    afterEach(() => (globalThis.fetch = fetch));

    /** Somebody who is signed in, and the client. */
    async function open({ tokens }) {
      const store = memoryTokens();
      store.set(tokens);
      session = new ClientSession({ endpoint, tokens: store, onSignedOut: (ending) => prompts.push(ending) });
      return connect(session, endpoint);
    }
    const settle = (client) => Promise.allSettled(THIRTY.map((first) => client.query(first)));

    test("thirty operations with an expired token: one refresh, and all of them are answered", async () => {
      const account = expired.pop();
      const client = await open(account);
      const counted = await refreshesOf(world, async () => {
        const viewers = await Promise.all(THIRTY.map((first) => client.query(first)));
        assert.deepEqual(viewers.map(({ username }) => username), THIRTY.map(() => account.username));
      });
      assert.deepEqual(counted, { ROTATED: 1 });
      assert.equal(requests.length, 61);
      assert.deepEqual(prompts, []);
    });

    test("a refresh while others are under way: who comes late does not refresh again", async () => {
      const client = await open(expired.pop());
      const counting = globalThis.fetch;
      // The first half of the operations is answered only when the others have been through with everything.
      let let_go;
      const gate = new Promise((resolve) => (let_go = resolve));
      globalThis.fetch = async (input, init) => {
        const request = new Request(input, init);
        const text = await request.clone().text();
        const response = await counting(request);
        if (request.url === endpoint && JSON.parse(text).variables.first <= 15 && requests.length <= 30) {
          await gate;
        }
        return response;
      };
      const counted = await refreshesOf(world, async () => {
        const answers = THIRTY.map((first) => client.query(first));
        await Promise.all(answers.slice(15));
        let_go();
        await Promise.all(answers);
      });
      assert.deepEqual(counted, { ROTATED: 1 });
    });

    for (const [state, make, told] of [
      ["and the token has expired", () => expired.pop(), "INVALID_SESSION"],
      ["and the token would hold", () => signUp(world), "UNAUTHENTICATED"],
    ]) {
      test(`the session has ended, ${state}: one prompt, and no loop`, async () => {
        const account = await make();
        const client = await open(account);
        await endSessions(world, account.username);
        requests.length = 0;
        const outcomes = await settle(client);
        assert.ok(outcomes.every(({ status }) => status === "rejected"));
        assert.deepEqual(prompts.map(({ extensions }) => extensions.code), [told]);
        assert.ok(requests.length <= 31 + 30 * repeats, `${requests.length} requests`);
        assert.equal(requests.filter((body) => body.includes("refreshTokens")).length, told === "INVALID_SESSION" ? 1 : 0);

        // Nobody has signed in yet: nothing is asked of the user again, and nothing refreshed.
        await settle(client);
        assert.equal(prompts.length, 1);
        assert.ok(requests.length <= 61 + 30 * repeats, `${requests.length} requests`);
        assert.deepEqual(await session.headers(), {});

        // A new session, and its end is told as well.
        const { signIn } = await world.client.data(
          `mutation ($input: SignInInput!) {
            signIn(input: $input) { tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt } }
          }`,
          { variables: { input: { identifier: account.username, password: PASSWORD } } },
        );
        await session.signedIn(signIn.tokens);
        assert.equal((await client.query(1)).username, account.username);
        await endSessions(world, account.username);
        await settle(client);
        assert.equal(prompts.length, 2);
      });
    }

    test("nobody is signed in: one prompt for all operations", async () => {
      const client = await open({ tokens: null });
      await Promise.all(THIRTY.map((first) => client.query(first)));
      assert.deepEqual(prompts, []);
      await settle({ query: () => client.forbidden() });
      assert.deepEqual(prompts.map(({ extensions }) => extensions.reason), ["MISSING_TOKEN"]);
    });

    test("logout ends the session, clears the cache, and asks to sign in once", async () => {
      const account = await signUp(world);
      const client = await open(account);
      await client.query(1);
      assert.ok(client.cached === undefined || (await client.cached()).includes(account.username));
      await session.signOut();
      assert.deepEqual(prompts, ["SIGNED_OUT"]);
      assert.ok(client.cached === undefined || !(await client.cached()).includes(account.username));
      const { errors } = await world.client.send("{ session { id } }", { token: account.tokens.accessToken });
      assert.equal(errors[0].extensions.reason, "INVALID_SESSION");
    });
  });
}

// What clients do through a gateway, whichever it is. Each flow is a test.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { SignJWT, generateKeyPair } from "jose";

import { ORIGIN, PASSWORD, USER_AGENT, advice, cookieHeader, cookies, decode } from "./client.js";
import { eventually } from "./process.js";
import { startStack } from "./stack.js";

const ACCESS = "__Host-sessiongraph_access";
const REFRESH = "__Host-sessiongraph_refresh";
const SESSION = "{ session { id account { id username } } }";
const ADD_POST = "mutation ($title: String!) { addPost(title: $title) { title author { username } } }";
const SIGN_IN_WITH_COOKIES = `mutation ($identifier: String!, $password: String!) {
  signIn(input: { identifier: $identifier, password: $password, transport: COOKIE }) { session { id } tokens { tokenType } }
}`;

/**
 * Runs the flows through a gateway. With `setup.verifies` it verifies tokens itself and hands the claims on; `more` adds
 * tests of what it alone does.
 */
export function flows(name, setup, more = () => {}) {
  describe(name, () => {
    let stack;
    let gateway;
    before(async () => {
      stack = await startStack(setup);
      ({ gateway } = stack);
    });
    after(() => stack?.stop());

    let people = 0;
    const signUp = () => gateway.signUp(`person_${(people += 1)}`);

    /** A token of the account's that was good, and is no longer. */
    async function expired({ username }) {
      const session = await stack.shortLived.client.signIn(username);
      const { exp } = decode(session.accessToken, 1);
      await sleep(Math.max(0, exp * 1000 - Date.now()) + 20);
      return session;
    }

    test("sign up, sign in, and a query across the subgraphs", async () => {
      const { id, username } = await signUp();
      const { accessToken: token, session } = await gateway.signIn(username);

      const { addPost } = await gateway.data(ADD_POST, { token, variables: { title: "Notes" } });
      assert.deepEqual(addPost, { title: "Notes", author: { username } });

      const query = "{ session { id current account { id username posts { title author { id email username } } } } }";
      assert.deepEqual((await gateway.data(query, { token })).session, {
        id: session,
        current: true,
        account: { id, username, posts: [{ title: "Notes", author: { id, email: null, username } }] },
      });
    });

    test("the server sees the end user's address and user agent", async () => {
      const { accessToken: token } = await signUp();
      const query = "{ session { connectionInfo { ip userAgent browser } } }";
      const info = async (token) => (await gateway.data(query, { token })).session.connectionInfo;
      assert.deepEqual(await info(token), { ip: "127.0.0.1", userAgent: USER_AGENT, browser: "Firefox" });

      // Behind one more proxy, which is trusted too: the address that it reports counts, none further left.
      const proxied = { "x-forwarded-for": "198.51.100.1, 203.0.113.7", "user-agent": "curl/8.5.0" };
      const { username } = (await gateway.data("{ viewer { username } }", { token })).viewer;
      const answer = await gateway.data(
        `mutation ($identifier: String!, $password: String!) {
          signIn(input: { identifier: $identifier, password: $password }) {
            session { connectionInfo { ip userAgent } }
          }
        }`,
        { headers: proxied, variables: { identifier: username, password: PASSWORD } },
      );
      assert.deepEqual(answer.signIn.session.connectionInfo, { ip: "203.0.113.7", userAgent: "curl/8.5.0" });
    });

    // Other systems have one loopback address only.
    test("nobody gets away with an address of their own choice", { skip: process.platform !== "linux" }, async () => {
      const { username } = await signUp();
      const answer = await gateway.sendFrom("127.0.0.2", {
        query: `mutation ($identifier: String!, $password: String!) {
          signIn(input: { identifier: $identifier, password: $password }) { session { connectionInfo { ip } } }
        }`,
        variables: { identifier: username, password: PASSWORD },
        headers: { "x-forwarded-for": "203.0.113.7" },
      });
      assert.equal(answer.data.signIn.session.connectionInfo.ip, "127.0.0.2");
    });

    test("an empty Authorization header is no token", async () => {
      const { username } = await signUp();
      for (const authorization of ["", "Bearer", "Bearer "]) {
        const headers = { authorization };
        assert.deepEqual(await gateway.data(SESSION, { headers }), { session: null });
        const answer = await gateway.data(
          "mutation ($input: SignInInput!) { signIn(input: $input) { account { username } } }",
          { headers, variables: { input: { identifier: username, password: PASSWORD } } },
        );
        assert.deepEqual(answer.signIn, { account: { username } });
      }
    });

    test("what an expired access token gets says what to do", async () => {
      const person = await signUp();
      const { accessToken: token } = await expired(person);
      const answer = await gateway.send("{ session { id } posts { id } }", { token });
      assert.equal(answer.status, 200);
      // The rest of the query is answered.
      assert.equal(answer.data.session, null);
      assert.ok(Array.isArray(answer.data.posts));
      assert.equal(answer.errors.length, 1);
      const [error] = answer.errors;
      assert.deepEqual(error.path, ["session"]);
      assert.deepEqual(advice(error), { code: "UNAUTHENTICATED", reason: "TOKEN_EXPIRED", action: "REFRESH" });
    });

    test("refresh with an expired access token in the header", async () => {
      const person = await signUp();
      const { accessToken: token, refreshToken, session } = await expired(person);
      const refreshed = await gateway.refresh(refreshToken, { token });
      assert.equal(refreshed.outcome, "ROTATED");
      // The other tab.
      const again = await gateway.refresh(refreshToken, { token });
      assert.equal(again.outcome, "CONVERGED");
      assert.equal(again.refreshToken, refreshed.refreshToken);
      assert.equal((await gateway.data(SESSION, { token: refreshed.accessToken })).session.id, session);
    });

    test("logout, and the token is worth nothing at once", async () => {
      const { accessToken: token } = await signUp();
      assert.deepEqual(await gateway.data("mutation { logout }", { token }), { logout: true });
      const { data, errors } = await gateway.send(SESSION, { token });
      assert.equal(data.session, null);
      assert.deepEqual(errors.map(advice), [
        { code: "UNAUTHENTICATED", reason: "INVALID_SESSION", action: "SIGN_IN" },
      ]);
      assert.deepEqual(await gateway.data("mutation { logout }", { token }), { logout: false });
    });

    test("logout with an expired access token", async () => {
      const person = await signUp();
      const { accessToken: token, refreshToken } = await expired(person);
      assert.deepEqual(await gateway.data("mutation { logout }", { token }), { logout: true });
      const { errors } = await gateway.send(
        "mutation ($input: RefreshTokensInput!) { refreshTokens(input: $input) { refreshOutcome } }",
        { variables: { input: { refreshToken } } },
      );
      assert.deepEqual(errors.map(advice), [{ code: "INVALID_SESSION", reason: "INVALIDATED", action: "SIGN_IN" }]);
    });

    test("two accounts do not see each other's private fields", async () => {
      const [ada, bob] = [await signUp(), await signUp()];
      for (const { username, accessToken: token } of [ada, bob]) {
        await gateway.data(ADD_POST, { token, variables: { title: `By ${username}` } });
      }
      // At the same time, in case a gateway joins what looks alike.
      const query = "{ posts { title author { id username createdAt sessions { totalCount } posts { title } } } }";
      const answers = await Promise.all(
        [ada, bob, ada, bob].map(({ accessToken: token }) => gateway.data(query, { token })),
      );
      for (const [index, me] of [ada, bob, ada, bob].entries()) {
        for (const { author, title } of answers[index].posts) {
          assert.ok(author.posts.some((post) => post.title === title));
          if (author.id === me.id) {
            assert.equal(author.username, me.username);
            assert.deepEqual(author.sessions, { totalCount: 1 });
          } else {
            const { id, posts, ...hidden } = author;
            assert.deepEqual(hidden, { username: null, createdAt: null, sessions: null });
          }
        }
        assert.ok(answers[index].posts.some(({ author }) => author.id === me.id));
      }
      const { data, errors } = await gateway.send("query ($id: ID!) { account(by: { id: $id }) { username } }", {
        token: ada.accessToken,
        variables: { id: bob.id },
      });
      assert.equal(data.account, null);
      assert.deepEqual(errors.map(advice), [{ code: "FORBIDDEN", reason: undefined, action: undefined }]);
    });

    test("cookies reach the client, each in a header of its own, and come back", async () => {
      const { username } = await signUp();
      const variables = { identifier: username, password: PASSWORD };
      const headers = { origin: ORIGIN };
      const signedIn = await gateway.send(SIGN_IN_WITH_COOKIES, { headers, variables });
      assert.equal(signedIn.errors, undefined);
      assert.equal(signedIn.data.signIn.tokens, null);
      assert.equal(signedIn.cookies.length, 2);
      assert.deepEqual(Object.keys(cookies(signedIn)).sort(), [ACCESS, REFRESH]);
      for (const { attributes } of Object.values(cookies(signedIn))) {
        for (const attribute of ["httponly", "secure", "samesite=lax", "path=/"]) {
          assert.ok(attributes.includes(attribute), `${attribute} in ${attributes}`);
        }
      }

      const { session } = signedIn.data.signIn;
      const cookie = cookieHeader(signedIn);
      const seen = await gateway.data(SESSION, { headers: { ...headers, cookie } });
      assert.equal(seen.session.id, session.id);

      // A foreign page, or none that is known: the cookies do not count.
      for (const origin of ["https://evil.example.test", undefined]) {
        assert.deepEqual(await gateway.data(SESSION, { headers: { origin, cookie } }), { session: null });
      }

      const refreshed = await gateway.send(
        "mutation { refreshTokens { refreshOutcome session { id } tokens { tokenType } } }",
        { headers: { ...headers, cookie } },
      );
      assert.deepEqual(refreshed.data.refreshTokens, { refreshOutcome: "ROTATED", session, tokens: null });
      assert.equal(refreshed.cookies.length, 2);
      assert.notEqual(cookies(refreshed)[REFRESH].value, cookies(signedIn)[REFRESH].value);

      const left = await gateway.send("mutation { logout }", { headers: { ...headers, cookie: cookieHeader(refreshed) } });
      assert.deepEqual(left.data, { logout: true });
      assert.deepEqual(Object.keys(cookies(left)).sort(), [ACCESS, REFRESH]);
      for (const { value, attributes } of Object.values(cookies(left))) {
        assert.equal(value, "");
        assert.ok(attributes.includes("max-age=0"), attributes);
      }
    });

    test("a query whose access cookie is gone is renewed on the way", async () => {
      const { username } = await signUp();
      const headers = { origin: ORIGIN };
      const signedIn = await gateway.send(SIGN_IN_WITH_COOKIES, {
        headers,
        variables: { identifier: username, password: PASSWORD },
      });
      const cookie = cookieHeader(signedIn, (name) => name === REFRESH);
      const renewed = await gateway.send(SESSION, { headers: { ...headers, cookie } });
      assert.equal(renewed.errors, undefined);
      assert.equal(renewed.data.session.id, signedIn.data.signIn.session.id);
      assert.deepEqual(Object.keys(cookies(renewed)).sort(), [ACCESS, REFRESH]);
      const seen = await gateway.data(SESSION, { headers: { ...headers, cookie: cookieHeader(renewed) } });
      assert.equal(seen.session.id, signedIn.data.signIn.session.id);
    });

    test(`the gateway ${setup.verifies ? "hands verified claims" : "leaves verifying"} to the subgraphs`, async () => {
      const { id, accessToken: token } = await signUp();
      const verified = { verifiedByGateway: setup.verifies ? id : null };
      assert.deepEqual(await gateway.data("{ verifiedByGateway }", { token }), verified);
      assert.deepEqual(await gateway.data("{ verifiedByGateway }"), { verifiedByGateway: null });
    });

    test("a token that does not hold is answered by the server", async () => {
      const { accessToken } = await signUp();
      const [header, payload] = accessToken.split(".");
      const foreign = `${header}.${payload}.${"A".repeat(86)}`;
      for (const token of ["garbage", foreign]) {
        const { status, data, errors } = await gateway.send("{ session { id } posts { id } verifiedByGateway }", { token });
        assert.equal(status, 200);
        assert.equal(data.session, null);
        assert.ok(Array.isArray(data.posts));
        assert.equal(data.verifiedByGateway, null);
        assert.deepEqual(errors.map(advice), [
          { code: "UNAUTHENTICATED", reason: "TOKEN_VERIFICATION_FAILED", action: "SIGN_IN" },
        ]);
      }
    });

    test("a token whose key is not known any longer is answered with REFRESH", async () => {
      const { accessToken, refreshToken } = await signUp();
      const { privateKey } = await generateKeyPair("ES256");
      const token = await new SignJWT(decode(accessToken, 1))
        .setProtectedHeader({ ...decode(accessToken, 0), kid: "retired" })
        .sign(privateKey);
      const { status, data, errors } = await gateway.send("{ session { id } posts { id } verifiedByGateway }", { token });
      assert.equal(status, 200);
      assert.equal(data.session, null);
      assert.ok(Array.isArray(data.posts));
      assert.equal(data.verifiedByGateway, null);
      assert.deepEqual(errors.map(advice), [
        { code: "UNAUTHENTICATED", reason: "TOKEN_VERIFICATION_FAILED", action: "REFRESH" },
      ]);
      assert.equal((await gateway.refresh(refreshToken, { token })).outcome, "ROTATED");
    });

    test("claims in the body are never trusted", async () => {
      const [victim, attacker] = [await signUp(), await signUp()];
      const claims = decode(victim.accessToken, 1);
      const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
      const unsigned = `${none}.${victim.accessToken.split(".")[1]}.`;
      const forged = {
        jwt: { payload: claims, token: { value: unsigned, prefix: "Bearer" } },
        extensions: { jwt: { payload: claims } },
      };
      assert.deepEqual(await gateway.data("{ verifiedByGateway }", { extensions: forged }), { verifiedByGateway: null });
      for (const client of [stack.sessiongraph.client, gateway]) {
        assert.deepEqual(await client.data(SESSION, { extensions: forged }), { session: null });
        const { data, errors } = await client.send("query ($id: ID!) { account(by: { id: $id }) { username } }", {
          extensions: forged,
          variables: { id: victim.id },
        });
        assert.equal(data.account, null);
        assert.deepEqual(errors.map(advice), [
          { code: "UNAUTHENTICATED", reason: "MISSING_TOKEN", action: "SIGN_IN" },
        ]);
        const { session } = await client.data(SESSION, { extensions: forged, token: attacker.accessToken });
        assert.equal(session.account.username, attacker.username);
      }
    });

    test("a back end's service key passes", async () => {
      const { id, username } = await signUp();
      const token = await stack.command("service-key", "create", "--name", "backend", "--scope", "accounts:read");
      const query = "query ($id: ID!) { session { id } account(by: { id: $id }) { username } }";
      assert.deepEqual(await gateway.data(query, { token, variables: { id } }), {
        session: null,
        account: { username },
      });
    });

    test("no request fails while signing keys change", async () => {
      const people = [await signUp(), await signUp()];
      const kids = new Set();
      let goOn = true;
      let requests = 0;

      // Each renews its tokens and uses the new one, and the one before it, on both subgraphs.
      async function busy({ id, refreshToken, accessToken, session }) {
        for (let earlier = accessToken; goOn; earlier = accessToken) {
          ({ refreshToken, accessToken } = await gateway.refresh(refreshToken, { token: earlier }));
          kids.add(decode(accessToken, 0).kid);
          for (const token of [accessToken, earlier]) {
            const answer = await gateway.data("{ session { id } verifiedByGateway }", { token });
            assert.equal(answer.session.id, session);
            assert.equal(answer.verifiedByGateway, setup.verifies ? id : null);
            await gateway.data(ADD_POST, { token, variables: { title: "While keys change" } });
          }
          requests += 5;
          await sleep(25);
        }
      }
      const work = Promise.all(people.map(busy)).finally(() => (goOn = false));
      // It is awaited below.
      work.catch(() => {});
      try {
        const changed = (count) => eventually(() => !goOn || kids.size >= count);
        await changed(1);
        // The standby has been published for long enough; the next one is taken before it has.
        await stack.command("signing-key", "rotate");
        await changed(2);
        await stack.command("signing-key", "rotate", "--now");
        await changed(3);
        await eventually(() => !goOn || requests > 50);
      } finally {
        goOn = false;
      }
      await work;
      assert.equal(kids.size, 3);
    });

    more(() => ({ ...stack, signUp, expired }));
  });
}

// What a page of another origin can do to somebody who is signed in: nothing, and read nothing. With a real browser, so
// that what it sends is what browsers send.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";

import { eventually } from "../gateways/support/process.js";
import { attacks, overSocket } from "./support/attacks.js";
import { startBrowser, startServer, startSite } from "./support/world.js";

const PASSWORD = "correct horse battery staple";
const input = (name) => `input: { identifier: "${name}", password: "${PASSWORD}", transport: COOKIE }`;
const WHO = "{ session { id } viewer { username } }";
const STATE = "{ session { id } viewer { username sessions { nodes { id status invalidationReason } } } }";
const LOGOUT = "mutation { logout }";

/** What an attacker would like to have done. */
const WISHES = {
  "read who is there": WHO,
  "sign them out": LOGOUT,
  "end all their sessions": "mutation { invalidateSessions(input: { mode: ALL }) }",
  "refresh their session": "mutation { refreshTokens { refreshOutcome } }",
  "sign them in as somebody else": `mutation { signIn(${input("mallory")}) { session { id } } }`,
};

const PLACES = [
  { name: "another port, Secure cookies", host: "localhost", attacker: "localhost", friend: "localhost", site: "same-site", secure: true },
  { name: "another site, Secure cookies", host: "localhost", attacker: "127.0.0.1", friend: "localhost", site: "cross-site", secure: true },
  { name: "a sibling domain, plain HTTP", host: "auth.test", attacker: "evil.auth.test", friend: "app.auth.test", site: "same-site", secure: false },
  { name: "another site, plain HTTP", host: "auth.test", attacker: "attacker.test", friend: "app.auth.test", site: "cross-site", secure: false },
];

let browser;
before(async () => (browser = await startBrowser()));
after(() => browser?.close());

for (const place of PLACES) {
  describe(`a page of ${place.name}`, () => {
    let server;
    let attacker;
    let context;
    let own;

    before(async () => {
      const flags = place.secure ? [] : ["--cookie-secure", "false"];
      server = await startServer(place.host, place.friend, ...flags);
      attacker = await startSite(place.attacker);
      context = await browser.newContext();
      own = await context.newPage();
      await own.goto(`${server.origin}/health/live`);
      for (const name of ["mallory", "ada"]) {
        const answer = await ask(own, `mutation { signUp(${input(name).replace("identifier", "username")}) { session { id } } }`);
        assert.equal(answer.errors, undefined);
      }
    });
    // An attack that succeeds fails its own test and no other.
    beforeEach(async () => {
      if ((await ask(own, WHO)).data.viewer?.username !== "ada") {
        await ask(own, `mutation { signIn(${input("ada")}) { session { id } } }`);
      }
    });
    after(async () => {
      await context?.close();
      await attacker?.stop();
      await server?.stop();
    });

    const ask = (page, query) => page.evaluate(send, { endpoint: `${server.origin}/graphql`, body: { query } });
    const cookies = async () => (await context.cookies(server.origin)).map(({ name, value }) => `${name}=${value}`).sort();
    /** All that an attack must not change: what the server says, and what the browser holds. */
    const standing = async () => ({ state: await ask(own, STATE), cookies: await cookies() });

    async function attack(name, wish) {
      const { run, parameters, arrives, cookies: when = "same-site", navigates = false, origin } = attacks[name];
      const page = await context.newPage();
      await page.goto(attacker.origin);
      server.line.forget();
      const body = { query: WISHES[wish] };
      const loaded = navigates && page.waitForURL(`${server.origin}/graphql`);
      const read = await page.evaluate(run, { endpoint: `${server.origin}/graphql`, body, ...parameters });
      await loaded;
      await eventually(server.line.answered, 5_000);
      const seen = server.line.requests();
      await page.close();
      assert.equal(read, null, `${name} has read something`);
      const methods = seen.map(({ method }) => method);
      assert.deepEqual([...new Set(methods)], [arrives], `${name}: ${methods}`);
      const sent = place.site === "same-site" ? when !== "never" : when === "navigation";
      assert.deepEqual([...new Set(seen.map((request) => request.cookies))], [sent], `${name}: cookies sent`);
      if (origin) {
        assert.deepEqual([...new Set(seen.map(({ headers }) => headers.origin))], [origin]);
      }
    }

    for (const name of Object.keys(attacks)) {
      test(name, async () => {
        const before = await standing();
        assert.equal(before.state.data.viewer.username, "ada");
        // What is no POST executes no mutation at all: one stands for them.
        const all = Object.keys(WISHES);
        for (const wish of attacks[name].arrives === "POST" ? all : all.slice(0, 2)) {
          await attack(name, wish);
          assert.deepEqual(await standing(), before, wish);
        }
      });
    }

    test("WebSocket", async () => {
      const before = await standing();
      const page = await context.newPage();
      await page.goto(attacker.origin);
      const over = (query) => page.evaluate(overSocket, { endpoint: `${server.origin}/graphql`, body: { query } });
      server.line.forget();
      assert.deepEqual(await over(WHO), { data: { session: null, viewer: null } });
      const [upgrade] = server.line.requests();
      assert.equal(upgrade.headers.origin, attacker.origin);
      assert.equal(upgrade.cookies, place.site === "same-site", "cookies sent");
      assert.deepEqual(await over(LOGOUT), { data: { logout: false } });
      for (const [query, code] of [
        [WISHES["end all their sessions"], "UNAUTHENTICATED"],
        [WISHES["refresh their session"], "INVALID_TOKENS"],
        [WISHES["sign them in as somebody else"], "BAD_USER_INPUT"],
        ["subscription { sessionEvents { kind } }", "UNAUTHENTICATED"],
      ]) {
        const { errors } = await over(query).then((answer) => (Array.isArray(answer) ? { errors: answer } : answer));
        assert.equal(errors[0].extensions.code, code, query);
      }
      await page.close();
      assert.deepEqual(await standing(), before);
    });

    test("the playground in a frame", async () => {
      const page = await context.newPage();
      await page.goto(attacker.origin);
      const refused = page.waitForEvent("console", { predicate: (message) => /frame-ancestors/.test(message.text()) });
      await page.evaluate((url) => {
        const frame = document.createElement("iframe");
        frame.src = url;
        document.body.append(frame);
      }, `${server.origin}/playground`);
      await refused;
      await page.close();
    });

    if (place.name.startsWith("a sibling")) {
      test("a cookie planted for all siblings", async () => {
        const before = await cookies();
        const page = await context.newPage();
        await page.goto(attacker.origin);
        const mallory = await fetch(server.direct, {
          method: "POST",
          headers: { "content-type": "application/json", "user-agent": "test/1" },
          body: JSON.stringify({ query: `mutation { signIn(${input("mallory").replace("COOKIE", "BODY")}) { tokens { accessToken } } }` }),
        }).then((answer) => answer.json());
        const token = mallory.data.signIn.tokens.accessToken;
        await page.evaluate((token) => (document.cookie = `sessiongraph_access=${token}; Domain=auth.test; Path=/`), token);
        await page.close();
        // Twice is as good as none: nobody is there, and not mallory. What is left is renewed or asks to be.
        server.line.forget();
        const answer = await ask(own, WHO);
        const [{ cookie }] = server.line.requests();
        assert.equal(cookie.split("sessiongraph_access=").length, 3, "both came");
        assert.notEqual(answer.data.viewer?.username, "mallory");
        assert.doesNotMatch(JSON.stringify(answer), /mallory/);
        await context.clearCookies({ domain: ".auth.test" });
        assert.ok((await cookies()).length >= before.length);
        assert.equal((await ask(own, WHO)).data.viewer.username, "ada");
      });
    }

    test("what is allowed: the own page, and one of an allowed origin", async () => {
      const friend = await context.newPage();
      await friend.goto(server.friend);
      for (const page of [own, friend]) {
        const answer = await ask(page, WHO);
        assert.equal(answer.data.viewer.username, "ada");
        assert.deepEqual(await page.evaluate(overSocket, { endpoint: `${server.origin}/graphql`, body: { query: WHO } }), answer);
      }
      const before = await cookies();
      assert.deepEqual(await ask(friend, WISHES["refresh their session"]), { data: { refreshTokens: { refreshOutcome: "ROTATED" } } });
      assert.notDeepEqual(await cookies(), before);
      assert.deepEqual(await ask(friend, LOGOUT), { data: { logout: true } });
      assert.deepEqual(await cookies(), []);
      assert.deepEqual(await ask(own, WHO), { data: { session: null, viewer: null } });
      assert.equal((await ask(friend, WISHES["sign them in as somebody else"])).errors, undefined);
      assert.equal((await ask(own, WHO)).data.viewer.username, "mallory");
      assert.deepEqual(await ask(own, LOGOUT), { data: { logout: true } });
    });
  });
}

/** What an honest page does. Runs in the page. */
async function send({ endpoint, body }) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(endpoint, { method: "POST", credentials: "include", headers, body: JSON.stringify(body) });
  return answer.json();
}

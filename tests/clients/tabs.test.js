// Two tabs of one browser with one session, Apollo Client in one of them and urql in the other, by the recipes. With and without Web Locks, with header and cookies.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { startBrowser, startSite } from "../csrf/support/world.js";
import { PASSWORD } from "../gateways/support/client.js";
import { eventually } from "../gateways/support/process.js";
import { SHORT_MS, endSessions, refreshesOf, signUp, startWorld } from "./support/world.js";

const bundle = readFileSync(new URL("build/out/page.js", import.meta.url), "utf8");

// A page that is not secure has no Web Locks, and cookies that are Secure do not reach it.
const PLACES = [
  { name: "tokens in cookies", host: "localhost", kind: "cookieSession", transport: "COOKIE", locks: true },
  { name: "tokens in the header", host: "localhost", kind: "headerSession", transport: "BODY", locks: true },
  { name: "tokens in the header, without Web Locks", host: "app.test", kind: "headerSession", transport: "BODY", locks: false },
];

// Most of their time is waiting.
describe("two tabs", { concurrency: true }, () => {
  let browser;
  before(async () => (browser = await startBrowser()));
  after(() => browser?.close());

  for (const { name, host, kind, transport, locks } of PLACES) {
    describe(name, { concurrency: 1 }, () => {
      let site;
      let world;
      before(async () => {
        site = await startSite(host);
        world = await startWorld({ host, allowedOrigin: site.origin });
      });
      after(async () => {
        await world?.stop();
        await site?.stop();
      });

      /** Two tabs in a browser of their own in which somebody has signed in, at a server of this world's. */
      async function open(work, server = world) {
        const account = await signUp(world);
        const context = await browser.newContext();
        try {
          const first = await openTab(context, server.endpoint);
          await signIn(first, account);
          await work({ account, context, tabs: [first, await openTab(context, server.endpoint)] });
        } finally {
          await context.close();
        }
      }

      async function openTab(context, endpoint) {
        const page = await context.newPage();
        await page.goto(site.origin);
        await page.addScriptTag({ content: bundle });
        assert.equal(await page.evaluate(() => "locks" in navigator), locks);
        await page.evaluate(
          ({ kind, endpoint }) => {
            const { session, apollo, urql } = globalThis.recipes;
            globalThis.prompts = [];
            globalThis.lockName = kind === "cookieSession" ? endpoint : "sessiongraph";
            globalThis.session = session[kind](endpoint, () => globalThis.prompts.push(location.href));
            globalThis.client = apollo.connect(globalThis.session, endpoint);
            globalThis.urql = urql.connect(globalThis.session, endpoint);
          },
          { kind, endpoint },
        );
        return page;
      }

      const signIn = (page, { username }) =>
        page.evaluate((input) => globalThis.recipes.apollo.signIn(globalThis.client, globalThis.session, input), {
          identifier: username,
          password: PASSWORD,
          transport,
        });
      /** Fifteen mutations at once, none of which the server renews by itself; how many succeed. */
      const burst = (page, tab) =>
        page.evaluate(async (isUrql) => {
          const mutation = "mutation { invalidateSessions(input: { mode: OTHERS }) }";
          const send = async () => {
            const { error } = isUrql
              ? await globalThis.urql.client.mutation(mutation, {}).toPromise()
              : await globalThis.client.mutate({ mutation: globalThis.recipes.gql(mutation) });
            return error === undefined;
          };
          const outcomes = await Promise.allSettled(Array.from({ length: 15 }, send));
          return outcomes.filter(({ value }) => value === true).length;
        }, tab === 1);
      const viewer = (page) =>
        page.evaluate(async () => {
          const query = globalThis.recipes.gql("{ viewer { id username } }");
          return (await globalThis.client.query({ query, fetchPolicy: "network-only" })).data.viewer?.username;
        });
      const prompts = (page) => page.evaluate(() => globalThis.prompts.length);
      const cached = (page) => page.evaluate(() => JSON.stringify(globalThis.client.extract()));
      const both = (tabs, ask) => Promise.all(tabs.map(ask));

      test("both refresh at once, and both go on", async () => {
        // Signed in where tokens are short-lived; from then on at the other server, with the same session.
        await open(async ({ account, context }) => {
          const tabs = [await openTab(context, world.endpoint), await openTab(context, world.endpoint)];
          await sleep(SHORT_MS + 100);
          const counted = await refreshesOf(world, async () => assert.deepEqual(await both(tabs, burst), [15, 15]));
          // Another tab's refresh may be heard of too late: one more converges, or with cookies rotates.
          const { ROTATED, CONVERGED = 0 } = counted;
          assert.ok(ROTATED >= 1 && ROTATED + CONVERGED <= 2, JSON.stringify(counted));
          assert.ok(ROTATED === 1 || kind === "cookieSession", JSON.stringify(counted));
          assert.deepEqual(await both(tabs, viewer), [account.username, account.username]);
          assert.deepEqual(await both(tabs, prompts), [0, 0]);
        }, world.shortLived);
      });

      if (locks) {
        test("a tab waits for another one that is at it", async () => {
          await open(async ({ tabs }) => {
            await sleep(SHORT_MS + 100);
            // Holds the lock as a refresh does that takes its time.
            await tabs[0].evaluate(async () => {
              const name = `sessiongraph ${globalThis.lockName}`;
              await new Promise((begun) => {
                void navigator.locks.request(name, () => new Promise((release) => {
                  globalThis.release = release;
                  begun();
                }));
              });
            });
            let done = false;
            const answers = burst(tabs[1]).then((count) => {
              done = true;
              return count;
            });
            await sleep(1_000);
            assert.equal(done, false);
            await tabs[0].evaluate(() => globalThis.release());
            assert.equal(await answers, 15);
          }, world.shortLived);
        });
      }

      test("signing out in one asks to sign in once in each, and clears both caches", async () => {
        await open(async ({ account, tabs }) => {
          await both(tabs, viewer);
          assert.ok((await cached(tabs[1])).includes(account.username));
          await tabs[0].evaluate(() => globalThis.session.signOut());
          await eventually(async () => (await both(tabs, prompts)).join() === "1,1");
          for (const tab of tabs) {
            assert.ok(!(await cached(tab)).includes(account.username));
            assert.equal(await viewer(tab), undefined);
          }
          assert.deepEqual(await both(tabs, burst), [0, 0]);
          assert.deepEqual(await both(tabs, prompts), [1, 1]);

          // Whoever signs in does so for both.
          await signIn(tabs[1], account);
          await eventually(async () => (await both(tabs, viewer)).join() === `${account.username},${account.username}`);
        });
      });

      test("a session that is ended elsewhere: one prompt in each, and no loop", async () => {
        await open(async ({ account, context, tabs }) => {
          await endSessions(world, account.username);
          let requests = 0;
          context.on("request", (request) => (requests += request.method() === "POST" ? 1 : 0));
          assert.deepEqual(await both(tabs, burst), [0, 0]);
          await eventually(async () => (await both(tabs, prompts)).join() === "1,1");
          await sleep(300);
          assert.deepEqual(await both(tabs, prompts), [1, 1]);
          assert.equal(requests, 30);
        });
      });

      test("a subscription in each outlives the tokens, over a WebSocket and as server-sent events", async () => {
        await open(async ({ account, tabs }) => {
          for (const [index, tab] of tabs.entries()) {
            await tab.evaluate(
              ({ endpoint, transport }) => {
                globalThis.kinds = [];
                globalThis.recipes[transport].connect(globalThis.session, endpoint).subscribe(
                  { query: "subscription { sessionEvents { kind } }" },
                  { next: ({ data }) => globalThis.kinds.push(data.sessionEvents.kind), error: console.error, complete: () => {} },
                );
              },
              { endpoint: world.shortLived.endpoint, transport: ["webSocket", "eventStream"][index] },
            );
          }
          const created = () => both(tabs, (tab) => tab.evaluate(() => globalThis.kinds.filter((kind) => kind === "CREATED").length));
          const heard = async () => {
            const before = await created();
            await eventually(async () => {
              // At the same server: another one would hear of it some seconds later.
              await world.shortLived.client.signIn(account.username);
              await sleep(200);
              return (await created()).every((count, tab) => count > before[tab]);
            });
          };
          await heard();
          await sleep(2 * SHORT_MS);
          await heard();
          assert.deepEqual(await both(tabs, prompts), [0, 0]);
        }, world.shortLived);
      });
    });
  }
});

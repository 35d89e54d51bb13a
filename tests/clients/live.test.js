// Subscriptions over graphql-ws and graphql-sse, by their recipes, with tokens that live for seconds.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { ApolloClient, gql, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient, subscriptionExchange } from "@urql/core";
import WebSocket from "ws";

import { connect as connectEventStream } from "./build/out/graphql-sse.js";
import { connect as connectWebSocket } from "./build/out/graphql-ws.js";
import { ClientSession, memoryTokens } from "./build/node_modules/sessiongraph-client/dist/index.js";
import { eventually } from "../gateways/support/process.js";
import { endSessions, signUp, signUpExpired, startWorld } from "./support/world.js";

// Browsers have one, and Node.js from version 22 on.
globalThis.WebSocket ??= WebSocket;

const EVENTS = "subscription { sessionEvents { kind session { id current } } }";

// Most of their time is waiting.
describe("subscriptions", { concurrency: true }, () => {
  // A subscription that nobody stops goes on for ever.
  const stops = [];
  let world;
  before(async () => (world = await startWorld()));
  after(async () => {
    stops.forEach((stop) => stop());
    await world?.stop();
  });

  function open({ tokens }, { endpoint, fetch = globalThis.fetch } = world.shortLived) {
    const store = memoryTokens();
    store.set(tokens);
    const prompts = [];
    const session = new ClientSession({ endpoint, tokens: store, fetch, onSignedOut: (ending) => prompts.push(ending) });
    return { session, endpoint, prompts };
  }

  /** Subscribes, and notes what comes. */
  function follow(client, payload = { query: EVENTS }) {
    const noted = { events: [], errors: [], completed: 0 };
    noted.stop = client.subscribe(payload, {
      next: ({ data }) => noted.events.push(data.sessionEvents),
      error: (error) => noted.errors.push(error),
      complete: () => (noted.completed += 1),
    });
    stops.push(noted.stop);
    noted.kinds = (kind) => noted.events.filter((event) => event.kind === kind).length;
    return noted;
  }

  /** Signs in elsewhere, at the same server, until that is heard of: then the subscription is up. */
  const heard = (noted, { username }, { client } = world) => {
    const before = noted.kinds("CREATED");
    return eventually(async () => {
      await client.signIn(username);
      await sleep(150);
      return noted.kinds("CREATED") > before;
    });
  };

  describe("over a WebSocket", { concurrency: true }, () => {
    const connections = (client) => {
      const counted = { opened: 0, closed: [] };
      client.on("connected", () => (counted.opened += 1));
      client.on("closed", ({ code }) => counted.closed.push(code));
      return counted;
    };

    test("a connection outlives its tokens", async () => {
      // A second would be too little for a machine that is busy.
      const server = await world.serve({ more: ["--access-token-ttl", "6s"] });
      const account = await signUp(server);
      const { session, endpoint, prompts } = open(account, server);
      const client = connectWebSocket(session, endpoint);
      const counted = connections(client);
      const noted = follow(client);
      await heard(noted, account, server);
      await eventually(() => noted.kinds("REFRESHED") >= 2);
      // The first token has expired by now.
      await sleep(2_000);
      await heard(noted, account, server);
      assert.deepEqual(counted, { opened: 1, closed: [] });

      await session.signOut();
      assert.deepEqual([noted.completed, noted.errors, prompts], [1, [], ["SIGNED_OUT"]]);
      await sleep(500);
      assert.equal(counted.opened, 1);
    });

    test("a token that has expired before is renewed first", async () => {
      const account = await signUpExpired(world);
      const { session, endpoint } = open(account, world);
      const client = connectWebSocket(session, endpoint);
      const counted = connections(client);
      const noted = follow(client);
      await heard(noted, account);
      assert.deepEqual(counted, { opened: 1, closed: [4401] });
      noted.stop();
      await eventually(() => counted.closed.length === 2);
      await sleep(500);
      assert.equal(counted.opened, 1);
    });

    test("a session that is ended elsewhere: one prompt, and no more connections", async () => {
      const account = await signUp(world);
      const { session, endpoint, prompts } = open(account, world);
      const client = connectWebSocket(session, endpoint);
      const counted = connections(client);
      const noted = [follow(client), follow(client)];
      await heard(noted[1], account);
      await endSessions(world, account.username);
      await eventually(() => noted.every(({ completed }) => completed === 1));
      // Its end is the last event of each.
      const ends = noted.map(({ events }) => events.filter(({ kind, session: { id } }) => kind === "INVALIDATED" && id === account.session));
      assert.deepEqual(ends.map(({ length }) => length), [1, 1]);
      await sleep(1_000);
      assert.deepEqual(noted.map(({ completed, errors }) => [completed, errors]), [[1, []], [1, []]]);
      assert.equal(prompts.length, 1);
      assert.equal(counted.opened, 1);
    });

    test("nobody is signed in: one prompt", async () => {
      const { session, endpoint, prompts } = open({ tokens: null }, world);
      const noted = follow(connectWebSocket(session, endpoint));
      await eventually(() => noted.completed === 1);
      assert.equal(prompts.length, 1);
    });

    test("the next one to sign in has a connection of their own", async () => {
      const [ada, grace] = [await signUp(world), await signUp(world)];
      const { session, endpoint } = open(ada, world);
      const noted = follow(connectWebSocket(session, endpoint));
      await heard(noted, ada);
      await session.signedIn(grace.tokens);
      await heard(noted, grace);
    });

    test("a document that the server refuses is an error, once", async () => {
      const { session, endpoint, prompts } = open(await signUp(world), world);
      const noted = follow(connectWebSocket(session, endpoint), { query: "subscription { nothing }" });
      await eventually(() => noted.errors.length > 0);
      await sleep(500);
      assert.equal(noted.errors.length, 1);
      assert.equal(noted.errors[0][0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
      assert.deepEqual(prompts, []);
    });

    test("urql's subscriptionExchange takes the client as it is", async () => {
      const account = await signUp(world.shortLived);
      const { session, endpoint } = open(account);
      const live = connectWebSocket(session, endpoint);
      const forwardSubscription = (payload) => ({ subscribe: (sink) => ({ unsubscribe: live.subscribe(payload, sink) }) });
      const client = createClient({ url: endpoint, preferGetMethod: false, exchanges: [subscriptionExchange({ forwardSubscription })] });
      const events = [];
      const { unsubscribe } = client.subscription(EVENTS, {}).subscribe(({ data }) => events.push(data.sessionEvents.kind));
      stops.push(unsubscribe);
      await eventually(() => events.filter((kind) => kind === "REFRESHED").length >= 2);
    });

    test("a server that is started anew is found again", async () => {
      const account = await signUp(world);
      const server = await world.serve();
      const { session, endpoint, prompts } = open(account, server);
      const noted = follow(connectWebSocket(session, endpoint));
      await heard(noted, account, server);
      await server.program.stop();
      const next = await world.serve({ port: server.port });
      await heard(noted, account, next);
      assert.deepEqual([noted.completed, noted.errors, prompts], [0, [], []]);
    });

    test("signing out without a network ends the subscriptions all the same", async () => {
      const account = await signUp(world);
      const { session, endpoint } = open(account, { endpoint: world.endpoint, fetch: () => Promise.reject(new TypeError("no network")) });
      const noted = follow(connectWebSocket(session, endpoint));
      await heard(noted, account);
      await assert.rejects(session.signOut(), /no network/);
      assert.equal(noted.completed, 1);
      const { length } = noted.events;
      await world.client.signIn(account.username);
      await sleep(500);
      assert.deepEqual([noted.events.length, noted.completed], [length, 1]);
    });

    test("Apollo Client's GraphQLWsLink takes the client as it is", async () => {
      const account = await signUp(world.shortLived);
      const { session, endpoint } = open(account);
      const link = new GraphQLWsLink(connectWebSocket(session, endpoint));
      const client = new ApolloClient({ link, cache: new InMemoryCache() });
      const events = [];
      const subscription = client.subscribe({ query: gql(EVENTS) }).subscribe(({ data }) => events.push(data.sessionEvents.kind));
      stops.push(() => subscription.unsubscribe());
      await eventually(() => events.filter((kind) => kind === "REFRESHED").length >= 2);
    });
  });

  describe("as server-sent events", { concurrency: true }, () => {
    test("a stream is opened again with the next token, and ends with the session", async () => {
      const account = await signUp(world.shortLived);
      const { session, endpoint, prompts } = open(account);
      const noted = follow(connectEventStream(session, endpoint));
      await heard(noted, account, world.shortLived);
      const { token } = await session.credential();
      await eventually(async () => (await session.credential()).token !== token);
      await heard(noted, account, world.shortLived);
      await endSessions(world, account.username);
      await eventually(() => noted.completed === 1);
      assert.deepEqual([noted.errors, prompts.length], [[], 1]);
    });

    test("nobody is signed in: one prompt", async () => {
      const { session, endpoint, prompts } = open({ tokens: null }, world);
      const noted = follow(connectEventStream(session, endpoint));
      await eventually(() => noted.completed === 1);
      assert.equal(prompts.length, 1);
    });
  });
});

// A computer whose clock is wrong by ten minutes: that its tokens seem to be over, or to hold for ever, must not matter.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import WebSocket from "ws";

import { connect } from "./build/out/graphql-ws.js";
import { ClientSession, memoryTokens } from "./build/node_modules/sessiongraph-client/dist/index.js";
import { eventually } from "../gateways/support/process.js";
import { refreshesOf, signUp, startWorld } from "./support/world.js";

globalThis.WebSocket ??= WebSocket;

describe("a clock that is wrong", () => {
  const { now } = Date;
  const stops = [];
  let world;
  before(async () => (world = await startWorld()));
  after(async () => {
    Date.now = now;
    stops.forEach((stop) => stop());
    await world?.stop();
  });

  async function subscribe(server) {
    const { username, tokens } = await signUp(server);
    const store = memoryTokens();
    store.set(tokens);
    const session = new ClientSession({ endpoint: server.endpoint, tokens: store, onSignedOut: assert.fail });
    const client = connect(session, server.endpoint);
    const noted = { username, opened: 0, created: 0 };
    client.on("connected", () => (noted.opened += 1));
    const stop = client.subscribe(
      { query: "subscription { sessionEvents { kind } }" },
      { next: ({ data }) => (noted.created += data.sessionEvents.kind === "CREATED"), error: assert.fail, complete: assert.fail },
    );
    stops.push(stop);
    return noted;
  }

  test("fast: one refresh too many, and no more", async () => {
    Date.now = () => now() + 600_000;
    const counted = await refreshesOf(world, async () => {
      const noted = await subscribe(world);
      await eventually(() => noted.opened === 1);
      await sleep(4_000);
    });
    assert.deepEqual(counted, { ROTATED: 1 });
  });

  test("slow: one connection too many, and then none", async () => {
    Date.now = () => now() - 600_000;
    const server = await world.serve({ more: ["--access-token-ttl", "6s"] });
    const noted = await subscribe(server);
    await eventually(() => noted.opened === 2);
    await sleep(7_000);
    assert.equal(noted.opened, 2);
    await server.client.signIn(noted.username);
    await eventually(() => noted.created === 1);
  });
});

// The recipes with typed documents, with tokens that have expired: what is generated is also what the server answers.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ClientSession, memoryTokens } from "./build/node_modules/sessiongraph-client/dist/index.js";
import { devices } from "./build/out/codegen/devices.js";
import { createEnvironment } from "./build/out/relay/environment.js";
import { viewer } from "./build/out/relay/viewer.js";
import { refreshesOf, signUpExpired, startWorld } from "./support/world.js";

describe("typed documents", { concurrency: false }, () => {
  let world;
  let accounts;
  before(async () => {
    world = await startWorld();
    accounts = await Promise.all([signUpExpired(world), signUpExpired(world)]);
  });
  after(() => world?.stop());

  function open({ tokens }) {
    const store = memoryTokens();
    store.set(tokens);
    return new ClientSession({ endpoint: world.endpoint, tokens: store, onSignedOut: assert.fail });
  }

  test("graphql-codegen's client preset", async () => {
    const account = accounts.pop();
    const counted = await refreshesOf(world, async () => {
      const nodes = await devices(open(account), world.endpoint);
      assert.deepEqual(nodes.map(({ id, current }) => ({ id, current })), [{ id: account.session, current: true }]);
      assert.equal(typeof nodes[0].lastSeenAt, "string");
      assert.ok("browser" in nodes[0].connectionInfo);
    });
    assert.deepEqual(counted, { ROTATED: 1 });
  });

  test("Relay", async () => {
    const account = accounts.pop();
    const counted = await refreshesOf(world, async () => {
      const answer = await viewer(createEnvironment(open(account), world.endpoint));
      assert.deepEqual({ ...answer.viewer }, { id: account.id, username: account.username });
    });
    assert.deepEqual(counted, { ROTATED: 1 });
  });
});

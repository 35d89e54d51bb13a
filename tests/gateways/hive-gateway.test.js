// Hive Gateway with its JWT plugin, as examples/gateways/hive-gateway/gateway.config.js sets it up.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { PASSWORD } from "./support/client.js";
import { flows } from "./support/flows.js";

const cli = fileURLToPath(new URL("node_modules/@graphql-hive/gateway/dist/bin.js", import.meta.url));

const setup = {
  recipe: "hive-gateway/gateway.config.js",
  composition: "@theguild/federation-composition",
  command: (file) => [cli, "supergraph", "--host", "127.0.0.1", "--config-path", file],
  verifies: true,
};

flows("@graphql-hive/gateway", setup, (stack) => {
  // Why the recipe says what it says. Should this fail, the gateway has changed, and docs/gateways.md with it.
  test("without the recipe's settings, the client does not learn what to do", async () => {
    const { startGateway, signUp, expired } = stack();
    const strict = await startGateway("strict.config.js", (recipe) =>
      edit(recipe, {
        "invalidToken: false": "invalidToken: true",
        'createInlineSigningKeyProvider("no key"),': "",
        "clockTolerance: 5": "clockTolerance: 0",
      }),
    );
    const { accessToken, refreshToken } = await expired(await signUp());
    const [header, payload, signature] = accessToken.split(".");
    const unknown = Buffer.from(JSON.stringify({ alg: "ES256", typ: "at+jwt", kid: "retired" })).toString("base64url");
    const cases = [
      { token: accessToken, status: 401 },
      { token: `${unknown}.${payload}.${signature}`, status: 500 },
      { token: `${header}.${payload}.${"A".repeat(86)}`, status: 401 },
      { token: "garbage", status: 400 },
      { headers: { authorization: "" }, status: 400 },
    ];
    for (const { token, headers, status } of cases) {
      for (const query of [
        "{ session { id } }",
        "{ posts { id } }",
        "mutation ($token: String) { refreshTokens(input: { refreshToken: $token }) { refreshOutcome } }",
      ]) {
        const answer = await strict.send(query, { token, headers, variables: { token: refreshToken } });
        assert.equal(answer.status, status);
        assert.equal(answer.data ?? null, null);
        assert.equal(answer.errors[0].extensions?.action, undefined);
      }
    }
    // So clients behind such a gateway refresh without the header.
    assert.equal((await strict.refresh(refreshToken)).outcome, "ROTATED");
  });

  test("with the plugin's own settings, nobody can sign in", async () => {
    const { startGateway, signUp } = stack();
    const closed = await startGateway("closed.config.js", (recipe) =>
      edit(recipe, {
        "missingToken: false": "missingToken: true",
        'algorithms: ["ES256"]': 'algorithms: ["RS256", "HS256"]',
      }),
    );
    const { username, accessToken: token } = await signUp();
    const signIn = `mutation { signIn(input: { identifier: "${username}", password: "${PASSWORD}" }) { session { id } } }`;
    assert.equal((await closed.send(signIn)).status, 401);
    // And a good token is none.
    assert.deepEqual(await closed.data("{ verifiedByGateway }", { token }), { verifiedByGateway: null });
  });
});

function edit(text, changes) {
  return Object.entries(changes).reduce((edited, [from, to]) => {
    assert.ok(edited.includes(from), `the recipe has ${from}`);
    return edited.replace(from, to);
  }, text);
}

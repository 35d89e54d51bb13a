import { buildSchema, parse, validate } from "graphql";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { EMPTY, type State } from "../state/model";
import { menu, withCurrentTokens } from "./menu";

const schema = buildSchema(readFileSync(new URL("../../../schema.graphql", import.meta.url), "utf8"));

const tokens = (generation: number) => ({
  accessToken: `access-${generation}`,
  accessTokenExpiresAt: "",
  refreshToken: `refresh-${generation}`,
  refreshTokenExpiresAt: "",
});

const STATE: State = {
  ...EMPTY,
  identity: { kind: "session", sessionId: "s" },
  sessions: { s: { id: "s", account: { id: "a", username: "ada", email: null } } as State["sessions"][string] },
  held: { s: { tokens: tokens(2), spent: [tokens(1), tokens(0)], last: null, paused: false } },
};

describe("the menu", () => {
  test("has a document for every field of the roots, and each is valid", () => {
    const items = menu(STATE);
    const fields = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].flatMap((type) =>
      Object.keys(type?.getFields() ?? {}),
    );
    expect(items.map(({ name }) => name).sort()).toEqual(fields.sort());
    for (const { name, query } of items) {
      expect(validate(schema, parse(query)), name).toEqual([]);
    }
  });

  test("fills in the selected session", () => {
    const variables = Object.fromEntries(menu(STATE).map((item) => [item.name, item.variables]));
    expect(JSON.parse(variables.refreshTokens ?? "")).toEqual({ input: { refreshToken: "refresh-2" } });
    expect(JSON.parse(variables.invalidateSessions ?? "")).toEqual({ input: { mode: "ONE", sessionId: "s" } });
    expect(JSON.parse(variables.signIn ?? "")).toMatchObject({ input: { identifier: "ada" } });
  });

  test("for nobody there is something to start from", () => {
    expect(menu(EMPTY).every(({ query }) => query !== "")).toBe(true);
  });
});

test("tokens that have been exchanged since give way to the current ones, others stay", () => {
  const text = '{"a": "refresh-0", "b": "access-1", "c": "refresh-2", "d": "stranger"}';
  expect(JSON.parse(withCurrentTokens(text, STATE))).toEqual({ a: "refresh-2", b: "access-2", c: "refresh-2", d: "stranger" });
});

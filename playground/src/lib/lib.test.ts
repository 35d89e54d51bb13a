import { describe, expect, test } from "vitest";

import { claims, generation } from "./claims";
import { linkTo, placeOf } from "./link";
import { ago, left, share } from "./time";

const part = (value: object) => btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const TOKEN = `${part({ alg: "ES256", typ: "at+jwt", kid: "k" })}.${part({ sub: "ada", jti: "x.y.12", exp: 1767225600, scope: "", plan: { seats: 2 } })}.sig`;

describe("claims", () => {
  test("each with what it means, times as times", () => {
    const all = claims(TOKEN);
    expect(all.map(({ name }) => name)).toEqual(["alg", "typ", "kid", "sub", "jti", "exp", "scope", "plan"]);
    expect(all.find(({ name }) => name === "exp")).toMatchObject({ value: "2026-01-01T00:00:00Z", meaning: "expires", in: "payload" });
    expect(all.find(({ name }) => name === "plan")).toMatchObject({ value: '{"seats":2}', meaning: "added by a hook" });
  });

  test("the generation is behind the last dot of the id", () => {
    expect(generation(TOKEN)).toBe(12);
    expect(generation(`${part({})}.${part({ jti: "none" })}.x`)).toBeNull();
  });

  test.each(["", "a.b.c", "sgr_abc"])("%s is no token", (text) => {
    expect(claims(text)).toEqual([]);
    expect(generation(text)).toBeNull();
  });
});

describe("links", () => {
  const PAGE = "https://auth.example.com/playground#sessions";

  test("lead back to the document", () => {
    const link = linkTo(PAGE, "query A($a: Int) { a }", '{"a": 1}');
    expect(new URL(link).pathname).toBe("/playground");
    expect(placeOf(new URL(link).hash)).toEqual({ view: "editor", query: "query A($a: Int) { a }", variables: '{"a": 1}' });
  });

  test("have no secret in them", () => {
    const refreshToken = `sgr_${"aB3-_".repeat(14)}`;
    const variables = JSON.stringify({ input: { refreshToken, password: 'with "quotes"', currentPassword: "x", identifier: "ada" }, jwt: TOKEN });
    const place = placeOf(new URL(linkTo(PAGE, `{ a(token: "${refreshToken}", key: "sgk_abc-def") }`, variables)).hash);
    expect(`${place.query} ${place.variables}`).not.toMatch(/sgr_|sgk_|eyJ|quotes|"x"/);
    expect(JSON.parse(place.variables ?? "").input).toEqual({ refreshToken: "…", password: "…", currentPassword: "…", identifier: "ada" });
  });

  test.each([
    ["", "sessions"],
    ["#", "sessions"],
    ["#sessions", "sessions"],
    ["#editor", "editor"],
    ["#nonsense=1", "sessions"],
    ["#query=%7Ba%7D", "editor"],
  ])("%s leads to %s", (fragment, view) => {
    expect(placeOf(fragment).view).toBe(view);
  });
});

describe("times", () => {
  test.each([
    [-1, "0:00"],
    [247_000, "4:07"],
    [86_352_000, "23:59:12"],
    [604_799_000, "6 d 23:59"],
  ])("%i ms left", (duration, text) => {
    expect(left(duration)).toBe(text);
  });

  test.each([
    [0, "now"],
    [12_500, "12 s ago"],
    [4 * 60_000, "4 min ago"],
    [3 * 3_600_000, "3 h ago"],
    [50 * 3_600_000, "2 d ago"],
  ])("%i ms ago", (duration, text) => {
    expect(ago(duration)).toBe(text);
  });

  test("a share is between nothing and all", () => {
    const [from, to] = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z"];
    expect(share(from, to, Date.parse(from) + 2500)).toBe(0.75);
    expect(share(from, to, Date.parse(to) + 1)).toBe(0);
    expect(share(from, to, Date.parse(from) - 1)).toBe(1);
    expect(share(to, from, Date.parse(from))).toBe(0);
  });
});

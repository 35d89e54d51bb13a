import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { account, cards, events, eventually, openPage, signIn, signUp, startBrowser, startServer } from "./support/playground.js";

describe("sessions", () => {
  let server;
  let browser;
  before(async () => {
    [server, browser] = await Promise.all([startServer(), startBrowser()]);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const button = (within, name) => within.getByRole("button", { name, exact: true });

  test("sign up, look at the token, refresh", async () => {
    const { page, done } = await openPage(browser, server);
    await page.getByRole("heading", { name: "See a session live" }).waitFor();
    const name = await signUp(page);
    const card = cards(page).first();
    await account(page, name).getByText("events live").waitFor();
    await eventually(async () => assert.equal(await card.locator(".generation").textContent(), "0"));
    await eventually(async () => assert.match(await card.getByRole("listitem").filter({ hasText: "Access token" }).textContent(), /5:00|4:5\d/));
    await card.getByText("What the access token says").click();
    const claim = (of) => card.getByRole("row").filter({ has: page.getByRole("rowheader", { name: of, exact: true }) });
    await eventually(async () => assert.match(await claim("typ").textContent(), /at\+jwt/));
    await eventually(async () => assert.match(await claim("iss").textContent(), new RegExp(server.origin)));

    const before = await card.locator(".tokens code").first().textContent();
    await button(card, "Refresh").click();
    await card.getByText("ROTATED").waitFor();
    await eventually(async () => assert.equal(await card.locator(".generation").textContent(), "1"));
    await eventually(async () => assert.notEqual(await card.locator(".tokens code").first().textContent(), before));
    await events(page).filter({ hasText: "REFRESHED" }).filter({ hasText: "ROTATED" }).waitFor();

    await card.getByRole("button", { name: /^Copy the refresh token/ }).click();
    await eventually(async () => assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^sgr_[\w-]{72}$/));
    await done();
  });

  test("end others from a second browser, and see it happen in the first", async () => {
    const first = await openPage(browser, server);
    const name = await signUp(first.page);
    await account(first.page, name).getByText("events live").waitFor();

    const second = await openPage(browser, server);
    await signIn(second.page, name);
    // The first browser sees the second one's session come.
    await cards(first.page).filter({ hasText: "elsewhere" }).waitFor();
    const own = cards(second.page).filter({ has: second.page.getByRole("button", { name: "End others" }) });
    await button(own, "End others").click();

    await events(first.page).filter({ hasText: "INVALIDATED" }).filter({ hasText: "REQUESTED" }).waitFor();
    await account(first.page, name).getByText("No session of this account is open in this page").waitFor();
    await eventually(async () => assert.equal(await cards(first.page).count(), 0));
    await eventually(async () => assert.equal(await cards(second.page).count(), 1));
    await first.done();
    await second.done();
  });

  test("several accounts and sessions, ended one by one and all at once", async () => {
    const { page, done } = await openPage(browser, server);
    const ada = await signUp(page);
    await button(account(page, ada), "Open another session").click();
    await cards(page).nth(1).waitFor();
    await button(page, "Sign up another account").click();
    const grace = await signUp(page);
    await eventually(async () => assert.equal(await account(page, ada).getByRole("article").count(), 2));
    await eventually(async () => assert.equal(await account(page, grace).getByRole("article").count(), 1));

    await button(account(page, ada).getByRole("article").first(), "Log out").click();
    await events(page).filter({ hasText: "LOGOUT" }).waitFor();
    await eventually(async () => assert.equal(await account(page, ada).getByRole("article").count(), 1));
    await button(account(page, ada), "Open another session").click();
    await account(page, ada).getByRole("article").nth(1).waitFor();
    await button(account(page, ada), "End all").click();
    await account(page, ada).getByText("3 sessions are over").waitFor();
    await eventually(async () => assert.equal(await account(page, grace).getByRole("article").count(), 1));
    await done();
  });

  test("one session of another browser is ended from here", async () => {
    const here = await openPage(browser, server);
    const name = await signUp(here.page);
    await account(here.page, name).getByText("events live").waitFor();
    const there = await openPage(browser, server);
    await signIn(there.page, name);
    await account(there.page, name).getByText("events live").waitFor();
    await button(cards(here.page).filter({ hasText: "elsewhere" }), "End it").click();
    await account(there.page, name).getByText("REQUESTED").waitFor();
    await eventually(async () => assert.equal(await cards(here.page).count(), 1));
    await here.done();
    await there.done();
  });

  test("cookie mode: no script sees a token, and it all works", async () => {
    const { page, context, done } = await openPage(browser, server);
    const name = await signUp(page, { cookies: true });
    const card = cards(page).first();
    await account(page, name).getByText("events live").waitFor();
    await eventually(async () => assert.equal(await card.getByRole("button", { name: /token/ }).count(), 0));
    assert.equal(await page.evaluate(() => document.cookie), "");
    const cookies = async () => Object.fromEntries((await context.cookies()).map((cookie) => [cookie.name, cookie]));
    const before = await cookies();
    assert.deepEqual(Object.keys(before).sort(), ["__Host-sessiongraph_access", "__Host-sessiongraph_refresh"]);
    assert.ok(Object.values(before).every(({ httpOnly, secure }) => httpOnly && secure));

    await button(card, "Refresh").click();
    await card.getByText("ROTATED").waitFor();
    await eventually(async () => assert.notEqual((await cookies())["__Host-sessiongraph_refresh"].value, before["__Host-sessiongraph_refresh"].value));

    // The browser keeps them, whatever becomes of the page.
    await page.reload();
    await account(page, name).waitFor();
    await button(cards(page).first(), "Log out").click();
    await account(page, name).getByText("LOGOUT", { exact: true }).waitFor();
    await eventually(async () => assert.deepEqual(await cookies(), {}));
    await done();
  });

  test("tokens are in memory, and in sessionStorage only if that is wanted", async () => {
    const { page, done } = await openPage(browser, server);
    const stored = () => page.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)]));
    const name = await signUp(page);
    await eventually(async () => assert.equal(await stored(), "[[],[]]"));
    const keep = page.getByRole("switch", { name: /Keep tokens/ });
    await keep.check();
    await eventually(async () => {
      const [local, session] = JSON.parse(await stored());
      assert.deepEqual(local, []);
      assert.match(JSON.stringify(session), /sgr_/);
    });
    await page.reload();
    await account(page, name).waitFor();
    await button(cards(page).first(), "Refresh").click();
    await cards(page).first().getByText("ROTATED").waitFor();
    await keep.uncheck();
    await eventually(async () => assert.equal(await stored(), "[[],[]]"));
    await page.reload();
    await page.getByRole("heading", { name: "See a session live" }).waitFor();
    await done();
  });

  test("what the server refuses is said where it was asked for", async () => {
    const { page, done } = await openPage(browser, server);
    const form = page.locator("form.sign-in");
    await form.getByLabel("User name").fill("admin");
    await form.getByRole("button", { name: "Sign up" }).click();
    await page.getByRole("alert").filter({ hasText: "BAD_USER_INPUT" }).waitFor();
    await form.getByRole("radio", { name: "Sign in" }).check();
    await form.getByLabel("User name or e-mail").fill("nobody_here");
    await form.getByLabel("Password").fill("wrong horse");
    await form.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "AUTHENTICATION_FAILED" }).waitFor();
    await done();
  });
});

describe("a server that stops", () => {
  test("is missed, without a fuss", async () => {
    const [server, browser] = await Promise.all([startServer(), startBrowser()]);
    try {
      const { page } = await openPage(browser, server);
      const name = await signUp(page);
      await account(page, name).getByText("events live").waitFor();
      await server.stop();
      await account(page, name).getByText("connection lost, trying again").waitFor();
      await cards(page).first().getByRole("button", { name: "Refresh", exact: true }).click();
      await page.getByRole("alert").filter({ hasText: "The server does not answer" }).waitFor();
    } finally {
      await browser.close();
      await server.stop();
    }
  });
});

describe("short-lived tokens", () => {
  test("are refreshed by themselves, unless that is switched off", async () => {
    const [server, browser] = await Promise.all([startServer("--access-token-ttl", "22s"), startBrowser()]);
    try {
      const { page, done } = await openPage(browser, server);
      await signUp(page);
      await cards(page).first().getByText("ROTATED").waitFor();
      await page.getByRole("switch", { name: /Refresh by itself/ }).uncheck();
      const count = cards(page).first().locator(".generation");
      const before = await count.textContent();
      await page.waitForTimeout(4_000);
      assert.equal(await count.textContent(), before);
      await done();
    } finally {
      await browser.close();
      await server.stop();
    }
  });
});

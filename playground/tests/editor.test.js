import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { account, cards, eventually, openPage, signUp, startBrowser, startServer } from "./support/playground.js";

const SCOPES = ["accounts:read", "accounts:write", "sessions:read", "sessions:write"];

describe("editor", () => {
  let server;
  let browser;
  before(async () => {
    [server, browser] = await Promise.all([startServer(), startBrowser()]);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const editor = (page) => page.locator(".editor");
  const timing = (page) => page.getByLabel("Last answer");

  async function openEditor(page) {
    await page.getByRole("tab", { name: "Editor" }).click();
    await editor(page).locator(".graphiql-query-editor .view-lines").waitFor();
  }

  const choose = (page, name) => page.getByRole("combobox", { name: "Document" }).selectOption(name);

  /** Monaco writes spaces that do not break. */
  const text = async (locator) => (await locator.innerText()).replaceAll("\u00a0", " ");
  const response = (page) => editor(page).locator(".graphiql-response .view-lines");

  async function run(page) {
    await editor(page).getByRole("button", { name: /^Execute query/ }).click();
  }

  async function answer(page) {
    await run(page);
    await page.waitForFunction(() => document.querySelector(".timing")?.textContent);
    await response(page).filter({ hasText: /"(data|errors)"/ }).waitFor();
    return text(response(page));
  }

  test("a query as the selected session, as nobody, and how long it took", async () => {
    const { page, done } = await openPage(browser, server);
    const name = await signUp(page);
    await openEditor(page);
    await run(page);
    await response(page).filter({ hasText: new RegExp(`"username":\\s*"${name}"`) }).waitFor();
    await eventually(async () => assert.match(await timing(page).textContent(), /^200 · [\d.]+ ms · \d+ B$/));
    await page.getByRole("combobox", { name: "Act as" }).selectOption("nobody");
    await run(page);
    await response(page).filter({ hasText: /"session":\s*null/ }).waitFor();
    await done();
  });

  test("a subscription sees what happens in the other part of the page", async () => {
    const { page, done } = await openPage(browser, server);
    await signUp(page);
    await openEditor(page);
    await choose(page, "sessionEvents");
    const subscribed = page.waitForEvent("websocket").then((socket) =>
      socket.waitForEvent("framesent", ({ payload }) => String(payload).includes('"subscribe"')),
    );
    await run(page);
    await subscribed;
    // The server does not acknowledge it: it is there a moment later.
    await page.waitForTimeout(500);
    await page.getByRole("tab", { name: "Sessions" }).click();
    await cards(page).first().getByRole("button", { name: "Refresh", exact: true }).click();
    await cards(page).first().getByText("ROTATED").waitFor();
    await page.getByRole("tab", { name: "Editor" }).click();
    await response(page).filter({ hasText: "REFRESHED" }).waitFor();
    await done();
  });

  test("every document of the menu runs, with variables of the moment", async () => {
    const key = await server.command("service-key", "create", "--name", "editor", ...SCOPES.flatMap((scope) => ["--scope", scope]));
    const { page, done } = await openPage(browser, server);
    await signUp(page);
    await openEditor(page);
    const menu = page.getByRole("combobox", { name: "Document" });
    const names = await menu.locator("option").evaluateAll((options) => options.map(({ value }) => value).filter(Boolean));
    const asService = await menu.locator('optgroup[label="For service keys"] option').evaluateAll((options) => options.map(({ value }) => value));
    assert.equal(names.length, 14);
    // The last two end the session.
    const last = ["logout", "invalidateSessions", "sessionEvents"];
    const asUser = names.filter((name) => !asService.includes(name) && !last.includes(name));
    const fine = async (name) => {
      await choose(page, name);
      const said = await answer(page);
      assert.doesNotMatch(said, /"errors"/, `${name}: ${said}`);
    };
    for (const name of asUser) {
      await fine(name);
    }
    const identity = await page.getByRole("combobox", { name: "Act as" }).inputValue();
    await page.getByRole("combobox", { name: "Act as" }).selectOption("serviceKey");
    await page.locator(".bar").getByRole("textbox", { name: "Key" }).fill(key);
    for (const name of asService) {
      await fine(name);
    }
    await page.getByRole("combobox", { name: "Act as" }).selectOption(identity);
    await fine("invalidateSessions");
    await fine("logout");
    await done();
  });

  test("a link opens its document, and a link that is made has no secret in it", async () => {
    const query = "query Linked($first: Int) { viewer { sessions(first: $first) { totalCount } } }";
    const fragment = `#${new URLSearchParams({ query, variables: '{"first": 3}' })}`;
    const { page, done } = await openPage(browser, server, { fragment });
    await editor(page).locator(".graphiql-query-editor .view-lines").filter({ hasText: "Linked" }).waitFor();
    await eventually(async () => assert.match(await text(editor(page).locator(".graphiql-editor-tool .view-lines").first()), /"first": 3/));
    await page.getByRole("tab", { name: "Sessions" }).click();
    await signUp(page);
    await page.getByRole("tab", { name: "Editor" }).click();
    await choose(page, "refreshTokens");
    await editor(page).locator(".graphiql-editor-tool .view-lines").first().filter({ hasText: "sgr_" }).waitFor();
    await page.getByRole("button", { name: /^Copy link/ }).click();
    const link = await eventually(async () => {
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      assert.match(copied, /#query=/);
      return copied;
    });
    assert.match(decodeURIComponent(link), /refreshTokens\(input/);
    assert.doesNotMatch(link, /sgr_|eyJ/);
    await done();
  });

  test("what is typed is completed from the schema, and stored nowhere", async () => {
    const { page, done } = await openPage(browser, server);
    await openEditor(page);
    await editor(page).locator(".graphiql-query-editor .view-lines").click();
    await page.keyboard.press("Control+A");
    await page.keyboard.type("{ vie");
    await page.keyboard.press("Control+Space");
    await editor(page).locator(".suggest-widget").getByText("viewer").first().waitFor();
    assert.equal(await page.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)])), "[[],[]]");
    await done();
  });

  test("what has not been refreshed in the variables is, when asked", async () => {
    const { page, done } = await openPage(browser, server);
    const name = await signUp(page);
    await openEditor(page);
    await choose(page, "refreshTokens");
    const variables = editor(page).locator(".graphiql-editor-tool .view-lines").first();
    // The editor shows its lines one by one: what is looked at is the token.
    const token = async () => {
      await variables.filter({ hasText: "sgr_" }).waitFor();
      return (await text(variables)).match(/sgr_[\w-]+/)[0];
    };
    const before = await token();
    await page.getByRole("tab", { name: "Sessions" }).click();
    await account(page, name).getByRole("button", { name: "Refresh", exact: true }).click();
    await cards(page).first().getByText("ROTATED").waitFor();
    await page.getByRole("tab", { name: "Editor" }).click();
    assert.equal(await token(), before);
    await page.getByRole("button", { name: "Update tokens" }).click();
    await page.waitForFunction((old) => {
      const [shown] = document.querySelector(".graphiql-editor-tool .view-lines").innerText.match(/sgr_[\w-]+/) ?? [];
      return shown !== undefined && shown !== old;
    }, before);
    await done();
  });
});

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

import { account, cards, events, eventually, openPage, signUp, startBrowser, startServer } from "./support/playground.js";

const SCOPES = ["accounts:read", "accounts:write", "sessions:read", "sessions:write"];

describe("what if", () => {
  let server;
  let browser;
  before(async () => {
    // So that a lost answer need not be waited for.
    [server, browser] = await Promise.all([startServer("--refresh-grace", "2s", "--clock-skew", "0s"), startBrowser()]);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const experiment = (page, title) => page.locator("details.experiment").filter({ hasText: title });

  async function begin(page, title) {
    const it = experiment(page, title);
    await it.locator("summary").click();
    await it.getByRole("button", { name: `Try it: ${title}` }).click();
    return it;
  }

  const outcomes = (it) => it.locator(".steps strong").allTextContents();

  test("two tabs refresh at once: CONVERGED", async () => {
    const { page, done } = await openPage(browser, server);
    await signUp(page);
    const it = await begin(page, "Two tabs refresh at once");
    await it.getByText("two happy tabs").waitFor();
    await eventually(async () => assert.deepEqual((await outcomes(it)).sort(), ["CONVERGED", "ROTATED"]));
    await eventually(async () => assert.equal(await cards(page).first().locator(".generation").textContent(), "1"));
    await done();
  });

  test("an answer is lost: RECOVERED, and CONVERGED before the grace is over", async () => {
    const { page, done } = await openPage(browser, server);
    const name = await signUp(page);
    await account(page, name).getByText("events live").waitFor();
    const it = await begin(page, "The answer is lost on the way");
    await it.getByRole("timer").waitFor();
    // Nothing of what was thrown away is on the card.
    await eventually(async () => assert.equal(await cards(page).first().locator(".generation").textContent(), "0"));
    const again = it.getByRole("button", { name: "Present it now" });
    await again.click();
    await it.getByText("Still within the grace").waitFor();
    await page.waitForTimeout(2_200);
    await again.click();
    await it.getByText("The phone is back").waitFor();
    await eventually(async () => assert.deepEqual(await outcomes(it), ["ROTATED", "CONVERGED", "RECOVERED"]));
    await events(page).filter({ hasText: "RECOVERED" }).waitFor();
    // It goes on from there.
    await cards(page).first().getByRole("button", { name: "Refresh", exact: true }).click();
    await cards(page).first().getByText("ROTATED").waitFor();
    await done();
  });

  test("a token is stolen: REFRESH_TOKEN_REUSED, and the session ends", async () => {
    const { page, done } = await openPage(browser, server);
    const name = await signUp(page);
    await account(page, name).getByText("events live").waitFor();
    const it = await begin(page, "Somebody has stolen a refresh token");
    await it.getByText("You refresh once more").waitFor();
    await eventually(async () => assert.deepEqual(await outcomes(it), ["ROTATED", "ROTATED", "REFRESH_TOKEN_REUSED", "INVALID_SESSION · INVALIDATED"]));
    await events(page).filter({ hasText: "INVALIDATED" }).filter({ hasText: "REFRESH_TOKEN_REUSED" }).waitFor();
    await account(page, name).getByText("No session of this account is open in this page").waitFor();
    await done();
  });

  test("another browser presents the token: AGENT_CHANGED, with a service key", async () => {
    const key = await server.command("service-key", "create", "--name", "playground", ...SCOPES.flatMap((scope) => ["--scope", scope]));
    const { page, done } = await openPage(browser, server);
    const name = await signUp(page);
    const title = "Another browser presents the token";
    const it = experiment(page, title);
    await it.locator("summary").click();
    const button = it.getByRole("button", { name: `Try it: ${title}` });
    await eventually(async () => assert.ok(await button.isDisabled()));
    await it.getByRole("textbox", { name: "Service key" }).fill(key);
    await button.click();
    await it.getByText("goes on with its own token").waitFor();
    await eventually(async () => assert.deepEqual(await outcomes(it), ["INVALID_SESSION · AGENT_CHANGED", "ROTATED"]));
    // Both sessions are as they were.
    await eventually(async () => assert.equal(await account(page, name).getByRole("article").count(), 2));
    await done();
  });

  test("another browser presents the token: AGENT_CHANGED, with the command for curl", async () => {
    const { page, done } = await openPage(browser, server);
    await signUp(page);
    const it = experiment(page, "Another browser presents the token");
    await it.locator("summary").click();
    await it.getByRole("button", { name: "Copy curl" }).click();
    const command = await eventually(async () => {
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      assert.match(copied, /^curl /);
      return copied;
    });
    const { stdout } = await promisify(execFile)("sh", ["-c", command]);
    const [{ extensions }] = JSON.parse(stdout).errors;
    assert.deepEqual([extensions.code, extensions.reason], ["INVALID_SESSION", "AGENT_CHANGED"]);
    await cards(page).first().getByRole("button", { name: "Refresh", exact: true }).click();
    await cards(page).first().getByText("ROTATED").waitFor();
    await done();
  });

  test("a browser that has become another one is told so by the server", async () => {
    const { page, context, done } = await openPage(browser, server);
    await signUp(page);
    const devtools = await context.newCDPSession(page);
    const userAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";
    await devtools.send("Network.setUserAgentOverride", { userAgent });
    await cards(page).first().getByRole("button", { name: "Refresh", exact: true }).click();
    await page.getByRole("alert").filter({ hasText: "INVALID_SESSION · AGENT_CHANGED" }).waitFor();
    await done();
  });

  test("with cookies only what needs no readable token", async () => {
    const { page, done } = await openPage(browser, server);
    await signUp(page, { cookies: true });
    const it = await begin(page, "Two tabs refresh at once");
    await it.locator(".steps strong").nth(1).waitFor();
    const stolen = experiment(page, "Somebody has stolen a refresh token");
    await stolen.locator("summary").click();
    await stolen.getByText("no script of a thief's").waitFor();
    await eventually(async () => assert.ok(await stolen.getByRole("button", { name: /Try it/ }).isDisabled()));
    await done();
  });
});

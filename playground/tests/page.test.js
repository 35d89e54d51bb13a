// How the page loads, and whom it is there for.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import AxeBuilder from "@axe-core/playwright";

import { cards, eventually, openPage, signUp, startBrowser, startServer } from "./support/playground.js";

const MOST_BYTES = 1_500_000;

describe("the page", () => {
  let server;
  let browser;
  before(async () => {
    [server, browser] = await Promise.all([startServer(), startBrowser()]);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function openEditor(page) {
    await page.getByRole("tab", { name: "Editor" }).click();
    await page.locator(".graphiql-query-editor .view-lines").waitFor();
    await page.locator(".graphiql-response .monaco-editor").waitFor();
  }

  async function serious(page) {
    const { violations } = await new AxeBuilder({ page }).analyze();
    return violations
      .filter(({ impact }) => ["serious", "critical"].includes(impact))
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join(", ")}`);
  }

  for (const colorScheme of ["light", "dark"]) {
    for (const [size, viewport] of Object.entries({ wide: { width: 1280, height: 900 }, narrow: { width: 360, height: 740 } })) {
      test(`has no serious finding of axe: ${colorScheme}, ${size}`, async () => {
        const { page, done } = await openPage(browser, server, { colorScheme, viewport });
        await page.getByRole("heading", { name: "See a session live" }).waitFor();
        assert.deepEqual(await serious(page), []);
        await signUp(page);
        await page.getByRole("button", { name: "Open another session" }).click();
        await cards(page).nth(1).waitFor();
        await page.getByText("What the access token says").first().click();
        const stolen = page.locator("details.experiment").filter({ hasText: "Somebody has stolen" });
        await stolen.locator("summary").click();
        await stolen.getByRole("button", { name: /Try it/ }).click();
        await stolen.getByText("You refresh once more").waitFor();
        await page.getByRole("button", { name: "Sign up another account" }).click();
        assert.deepEqual(await serious(page), []);
        await page.locator("details.experiment").filter({ hasText: "Another browser" }).locator("summary").click();
        assert.deepEqual(await serious(page), []);
        await openEditor(page);
        assert.deepEqual(await serious(page), []);
        await done();
      });
    }
  }

  test("fits into 360 pixels", async () => {
    const { page, done } = await openPage(browser, server, { viewport: { width: 360, height: 740 } });
    const tooWide = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(await tooWide(), 0);
    await signUp(page);
    await page.getByText("What the access token says").first().click();
    for (const summary of await page.locator("details.experiment summary").all()) {
      await summary.click();
      assert.equal(await tooWide(), 0);
    }
    await cards(page).first().getByRole("button", { name: "Refresh", exact: true }).click();
    await cards(page).first().getByText("ROTATED").waitFor();
    await openEditor(page);
    assert.equal(await tooWide(), 0);
    const box = await page.locator(".graphiql-response").boundingBox();
    assert.ok(box.width > 280, "the answer has the width of the screen");
    await done();
  });

  test("is light or dark as the system is, or as it is told", async () => {
    const background = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const { page, done } = await openPage(browser, server, { colorScheme: "dark" });
    const dark = await background(page);
    await page.emulateMedia({ colorScheme: "light" });
    await page.waitForFunction(() => document.documentElement.dataset.theme === "light");
    await eventually(async () => assert.notEqual(await background(page), dark));
    await page.getByLabel("Theme").selectOption("dark");
    await eventually(async () => assert.equal(await background(page), dark));
    await page.reload();
    await eventually(async () => assert.equal(await background(page), dark));
    await openEditor(page);
    await eventually(async () => assert.ok(await page.locator("body.graphiql-dark").count()));
    await done();
  });

  test("is used with the keyboard alone", async () => {
    const { page, done } = await openPage(browser, server);
    const focused = () => page.evaluate(() => document.activeElement.textContent || document.activeElement.getAttribute("value"));
    await page.keyboard.press("Tab");
    await eventually(async () => assert.equal(await focused(), "Sessions"));
    await page.locator("form.sign-in").getByLabel("Password").focus();
    await page.keyboard.press("Enter");
    await cards(page).first().waitFor();
    const refresh = cards(page).first().getByRole("button", { name: "Refresh", exact: true });
    await refresh.focus();
    await page.keyboard.press("Space");
    await cards(page).first().getByText("ROTATED").waitFor();
    await page.getByRole("tab", { name: "Sessions" }).focus();
    await page.keyboard.press("ArrowRight");
    await eventually(async () => assert.equal(await focused(), "Editor"));
    await page.locator(".graphiql-query-editor .view-lines").waitFor();
    await done();
  });

  test("weighs little, and the editor weighs on those alone who open it", async (context) => {
    const { page, context: browserContext, done } = await openPage(browser, server, { viewport: { width: 1280, height: 900 } });
    const devtools = await browserContext.newCDPSession(page);
    await devtools.send("Network.enable");
    await devtools.send("Network.setCacheDisabled", { cacheDisabled: true });
    let bytes = 0;
    const loaded = [];
    devtools.on("Network.responseReceived", ({ response }) => loaded.push(response));
    devtools.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));

    await page.reload();
    await page.getByRole("button", { name: "Sign up" }).waitFor();
    const { interactive } = await page.evaluate(() => ({ interactive: performance.getEntriesByType("navigation")[0].domInteractive }));
    const shown = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
    context.diagnostic(`first load: ${(bytes / 1024).toFixed(0)} KiB; DOM interactive after ${interactive.toFixed(0)} ms, painted after ${shown.toFixed(0)} ms`);
    assert.ok(bytes > 0 && bytes < MOST_BYTES, `${bytes} bytes`);
    assert.ok(!loaded.some(({ url }) => /monaco|EditorView/.test(url)), "the editor is not loaded");
    const assets = loaded.filter(({ url }) => url.includes("/assets/"));
    assert.ok(assets.length >= 2);
    for (const { url, headers } of assets) {
      assert.equal(headers["content-encoding"], "br", url);
      assert.equal(headers["cache-control"], "public, max-age=31536000, immutable", url);
    }

    const before = bytes;
    const begun = performance.now();
    await openEditor(page);
    context.diagnostic(`the editor: ${((bytes - before) / 1024).toFixed(0)} KiB more, there after ${(performance.now() - begun).toFixed(0)} ms`);
    await done();
  });
});

describe("switched off", () => {
  test("there is no playground", async () => {
    const server = await startServer("--playground", "false");
    try {
      for (const path of ["/", "/playground", "/playground/icon.svg"]) {
        assert.equal((await fetch(server.origin + path, { redirect: "manual" })).status, 404, path);
      }
    } finally {
      await server.stop();
    }
  });
});

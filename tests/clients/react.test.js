// The whole page of docs/clients.md, in a browser: on a port of its own, beside a server on another one.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { startBrowser, startSite } from "../csrf/support/world.js";
import { PASSWORD } from "../gateways/support/client.js";
import { endSessions, startWorld } from "./support/world.js";

const bundle = readFileSync(new URL("build/out/react.js", import.meta.url), "utf8");
const USERNAME = `react_${process.pid}`;

describe("React and Apollo", () => {
  let browser;
  let site;
  let world;
  let context;
  before(async () => {
    browser = await startBrowser();
    site = await startSite("localhost");
    world = await startWorld({ host: "localhost", allowedOrigin: site.origin });
    context = await browser.newContext();
  });
  after(async () => {
    await browser?.close();
    await world?.stop();
    await site?.stop();
  });

  /** The page, as its index.html would load it. */
  async function open(page) {
    await page.goto(site.origin);
    await page.evaluate(() => (document.body.innerHTML = '<div id="root"></div>'));
    await page.addScriptTag({ content: bundle.replaceAll("http://localhost:4000/graphql", world.endpoint) });
    return page;
  }
  const openTab = async () => open(await context.newPage());
  const greeting = (page) => page.getByText(`Hello, ${USERNAME}!`).waitFor();
  const form = (page) => page.getByRole("button", { name: "Sign in" }).waitFor();
  async function enter(page, button, password) {
    await page.getByPlaceholder("User name").fill(USERNAME);
    await page.getByPlaceholder("Password").fill(password);
    await page.getByRole("button", { name: button }).click();
  }

  test("signs up, finds the session when it loads, signs out in all tabs, and signs in again", async () => {
    const [first, second] = [await openTab(), await openTab()];
    await Promise.all([form(first), form(second)]);
    await enter(first, "Sign up", PASSWORD);
    await Promise.all([greeting(first), greeting(second)]);

    await open(first);
    await greeting(first);
    await first.getByRole("button", { name: "Sign out" }).click();
    await Promise.all([form(first), form(second)]);
    await open(second);
    await form(second);

    await enter(second, "Sign in", "another horse battery staple");
    await second.getByText("The identifier or the password is wrong.").waitFor();
    await enter(second, "Sign in", PASSWORD);
    await Promise.all([greeting(first), greeting(second)]);

    // Ended elsewhere: the page asks when it is loaded again.
    await endSessions(world, USERNAME);
    await open(first);
    await Promise.all([form(first), form(second)]);
    assert.equal(await first.evaluate(() => document.cookie), "");
  });
});

// The real binary and a real browser, for the time of a test. What the page must never do fails the test that it does it
// in: errors in the console, violations of its policy, requests to anybody else.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { environment, freePort, run, start } from "../../../tests/gateways/support/process.js";

const repository = fileURLToPath(new URL("../../../", import.meta.url));
const BINARY = process.env.SESSIONGRAPH_BIN
  ? resolve(process.env.SESSIONGRAPH_BIN)
  : resolve(repository, process.env.CARGO_TARGET_DIR ?? "target", "debug/sessiongraph");

const CHROMIUM = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const PASSWORD = "correct horse battery staple";

/** Starts a server in a folder of its own. */
export async function startServer(...flags) {
  const folder = mkdtempSync(join(tmpdir(), "sessiongraph-playground-"));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  try {
    const program = await start({
      command: BINARY,
      args: ["serve", "--listen", `127.0.0.1:${port}`, "--log", "warn", ...flags],
      cwd: folder,
      env: environment(),
      ready: `${origin}/health/ready`,
    });
    return {
      origin,
      url: `${origin}/playground`,
      /** A command of the server's, on the same database. */
      command: (...args) => run(BINARY, args, { cwd: folder, env: environment() }),
      stop: async () => {
        await program.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

export async function startBrowser() {
  assert.ok(CHROMIUM, "no Chromium: install it, or name it in CHROMIUM");
  return chromium.launch({ executablePath: CHROMIUM, args: ARGS });
}

/** Opens the page in a context of its own, and watches it. `done` closes it, and fails if it did what it must not. */
export async function openPage(browser, server, { fragment = "", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: server.origin });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = watch(page, server.origin);
  await page.goto(server.url + fragment);
  await page.getByRole("tab", { name: "Sessions" }).waitFor();
  return {
    page,
    context,
    complaints,
    done: async () => {
      await context.close();
      assert.deepEqual(complaints, []);
    },
  };
}

function watch(page, origin) {
  const complaints = [];
  const own = [origin, origin.replace(/^http/, "ws")];
  const isOwn = (url) => own.some((each) => url === each || url.startsWith(`${each}/`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      complaints.push(`console: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.context().on("request", (request) => {
    const url = request.url();
    if (!isOwn(url) && !url.startsWith("data:") && !url.startsWith(`blob:${origin}`)) {
      complaints.push(`request to ${url}`);
    }
  });
  page.on("websocket", (socket) => {
    if (!isOwn(socket.url())) {
      complaints.push(`WebSocket to ${socket.url()}`);
    }
  });
  void page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
      console.error(`Content-Security-Policy: ${violatedDirective} ${blockedURI}`);
    });
  });
  return complaints;
}

/** What a page shows changes a moment after what caused it: tries until `check` passes, and fails as it failed last. */
export async function eventually(check) {
  for (const deadline = performance.now() + 15_000; ; await setTimeout(50)) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) {
        throw error;
      }
    }
  }
}

/** Signs up with what is filled in, and gives the name. */
export async function signUp(page, { cookies = false } = {}) {
  const form = page.locator("form.sign-in");
  const name = await form.getByLabel("User name").inputValue();
  if (cookies) {
    await form.getByLabel("Into cookies").check();
  }
  await form.getByRole("button", { name: "Sign up" }).click();
  await account(page, name).waitFor();
  return name;
}

export async function signIn(page, name, password = PASSWORD) {
  const form = page.locator("form.sign-in");
  await form.getByRole("radio", { name: "Sign in" }).check();
  await form.getByLabel("User name or e-mail").fill(name);
  await form.getByLabel("Password").fill(password);
  await form.getByRole("button", { name: "Sign in" }).click();
  await account(page, name).waitFor();
}

export const account = (page, name) => page.getByRole("region", { name, exact: true });
export const cards = (page) => page.getByRole("article");
export const events = (page) => page.locator(".events li");

// The real server at an origin, pages at others, and a browser that knows all of them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { BINARY } from "../../gateways/support/binary.js";
import { environment, freePort, start } from "../../gateways/support/process.js";
import { tap } from "./tap.js";

const CHROMIUM = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP *.test 127.0.0.1",
];

export async function startBrowser() {
  assert.ok(CHROMIUM, "no Chromium: install it, or name it in CHROMIUM");
  return chromium.launch({ executablePath: CHROMIUM, args: ARGS });
}

/** A server whose own origin is at `host`, and which trusts a page at `friendHost`. */
export async function startServer(host, friendHost, ...flags) {
  const folder = mkdtempSync(join(tmpdir(), "sessiongraph-csrf-"));
  const [port, outer] = [await freePort(), await freePort()];
  const origin = `http://${host}:${outer}`;
  const friend = await startSite(friendHost);
  const line = await tap(outer, port);
  const stopAll = async (program) => {
    await program?.stop();
    await line.stop();
    await friend.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const program = await start({
      command: BINARY,
      args: [
        "serve",
        ...["--listen", `127.0.0.1:${port}`, "--public-url", origin, "--allowed-origins", friend.origin, "--log", "warn"],
        ...flags,
      ],
      cwd: folder,
      env: environment(),
      ready: `http://127.0.0.1:${port}/health/ready`,
    });
    return { origin, friend: friend.origin, line, direct: `http://127.0.0.1:${port}/graphql`, stop: () => stopAll(program) };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/** An empty page at `host`, and `/redirect?to=…`, which sends a request on with its method and body. */
export async function startSite(host) {
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://site");
    if (url.pathname === "/redirect") {
      response.writeHead(307, { location: url.searchParams.get("to") }).end();
    } else {
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>page</title><body></body>");
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://${host}:${server.address().port}`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

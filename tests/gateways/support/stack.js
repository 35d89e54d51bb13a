// sessiongraph, the posts subgraph and a gateway, on loopback, for the time of a test.

import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { BINARY } from "./binary.js";
import { Client, ORIGIN } from "./client.js";
import { compositions } from "./compose.js";
import { environment, freePort, run, start } from "./process.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const ISSUER = "https://auth.example.test";
export const AUDIENCE = "sessiongraph";

const CONFIGURATION = `
public_url = "${ISSUER}"
audience = "${AUDIENCE}"
database_url = "sqlite://sessiongraph.db"
trusted_proxies = ["127.0.0.1/32"]
allowed_origins = ["${ORIGIN}"]
signing_key_publish_ahead = "1s"
clock_skew = "0s"
log = "warn"
`;

/**
 * Starts a gateway from its recipe in examples/gateways, in a folder of its own, and all that it needs.
 *
 * A gateway is `{ recipe, composition, command(file) }`: which recipe, how to compose, and how to start it.
 */
export async function startStack({ recipe, composition, command }) {
  const folder = mkdtempSync(join(tmpdir(), "sessiongraph-gateways-"));
  const started = [];
  const stop = async () => {
    await Promise.all(started.map((program) => program.stop()));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const serve = async (...flags) => {
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      const program = await start({
        command: BINARY,
        args: ["serve", "--listen", `127.0.0.1:${port}`, ...flags],
        cwd: folder,
        env: environment(),
        ready: `${url}/health/ready`,
      });
      started.push(program);
      return { url, client: new Client(`${url}/graphql`) };
    };

    writeFileSync(join(folder, "sessiongraph.toml"), CONFIGURATION);
    const sessiongraph = await serve();
    // On the same database, for tokens that are soon expired.
    const shortLived = await serve("--access-token-ttl", "1s");
    const posts = await startPosts(sessiongraph.url, started);

    const { _service } = await sessiongraph.client.data("{ _service { sdl } }");
    const postsService = (await posts.client.data("{ _service { sdl } }"))._service;
    const { supergraph, errors } = compositions[composition]([
      { name: "sessiongraph", url: sessiongraph.client.url, sdl: _service.sdl },
      { name: "posts", url: posts.client.url, sdl: postsService.sdl },
    ]);
    if (errors.length > 0) {
      throw new Error(errors.join("\n"));
    }
    writeFileSync(join(folder, "supergraph.graphql"), supergraph);
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    symlinkSync(here("../node_modules"), join(folder, "node_modules"));

    /** Starts the recipe; `edit` makes a variant of it. */
    const startGateway = async (name = recipe.split("/").at(-1), edit = (text) => text) => {
      const text = readFileSync(here(`../../../examples/gateways/${recipe}`), "utf8");
      writeFileSync(join(folder, name), edit(text));
      const port = await freePort();
      const url = `http://127.0.0.1:${port}/graphql`;
      const program = await start({
        command: process.execPath,
        args: command(name),
        cwd: folder,
        env: environment({
          HOST: "127.0.0.1",
          PORT: String(port),
          SESSIONGRAPH_URL: sessiongraph.url,
          ISSUER,
          AUDIENCE,
        }),
        ready: `${url}?query=%7B__typename%7D`,
      });
      started.push(program);
      return new Client(url);
    };

    return {
      gateway: await startGateway(),
      startGateway,
      sessiongraph,
      shortLived,
      /** A command of the server's, on the same database. */
      command: (...args) => run(BINARY, args, { cwd: folder, env: environment() }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startPosts(sessiongraph, started) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const program = await start({
    command: process.execPath,
    args: [here("../subgraphs/posts.js")],
    env: environment({ PORT: String(port), JWKS_URI: `${sessiongraph}/.well-known/jwks.json`, ISSUER, AUDIENCE }),
    ready: `${url}/?query=%7B__typename%7D`,
  });
  started.push(program);
  return { client: new Client(url) };
}

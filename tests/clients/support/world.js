// The real server, and one whose tokens are soon expired on the same database.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { BINARY } from "../../gateways/support/binary.js";
import { Client, PASSWORD } from "../../gateways/support/client.js";
import { environment, freePort, start } from "../../gateways/support/process.js";

/** How long a token of the short-lived server holds. */
export const SHORT_MS = 2_000;

/** Both servers, at `host`; pages of `allowedOrigin` may bring cookies. */
export async function startWorld({ host = "127.0.0.1", allowedOrigin = "http://127.0.0.1", flags = [] } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "sessiongraph-clients-"));
  const started = [];
  const stop = async () => {
    await Promise.all(started.map(({ program }) => program.stop()));
    rmSync(folder, { recursive: true, force: true });
  };
  /** One more server on the same database, at a port of its own or at that of another one that is gone. */
  const serve = async ({ port, more = [] } = {}) => {
    port ??= await freePort();
    const direct = `http://127.0.0.1:${port}`;
    const program = await start({
      command: BINARY,
      args: [
        "serve",
        ...["--listen", `127.0.0.1:${port}`, "--public-url", `http://${host}`, "--allowed-origins", allowedOrigin],
        ...["--clock-skew", "0s", "--log", "warn", ...flags, ...more],
      ],
      cwd: folder,
      env: environment(),
      ready: `${direct}/health/ready`,
    });
    const server = { port, program, endpoint: `http://${host}:${port}/graphql`, direct, client: new Client(`${direct}/graphql`) };
    started.push(server);
    return server;
  };
  try {
    return {
      ...(await serve()),
      shortLived: await serve({ more: ["--access-token-ttl", `${SHORT_MS}ms`] }),
      serve,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

let accounts = 0;
const TOKENS = "tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt }";

/** A new account, and what its sign-up answered. */
export async function signUp({ client }) {
  const username = `user${++accounts}_${process.pid}`;
  const { signUp: result } = await client.data(
    `mutation ($input: SignUpInput!) { signUp(input: $input) { account { id } session { id } ${TOKENS} } }`,
    // The user agent is that of the client that goes on with the session.
    { variables: { input: { username, password: PASSWORD } }, headers: { "user-agent": undefined } },
  );
  return { username, id: result.account.id, session: result.session.id, tokens: result.tokens };
}

/** The same, with an access token that has expired. */
export async function signUpExpired({ shortLived }) {
  const account = await signUp(shortLived);
  await sleep(SHORT_MS + 100);
  return account;
}

/** What the server has counted: presentations of genuine refresh tokens, by outcome. */
export async function refreshes({ direct }) {
  const text = await (await fetch(`${direct}/metrics`)).text();
  const lines = text.matchAll(/^sessiongraph_refreshes_total\{.*?outcome="(\w+)".*?\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, outcome, count]) => [outcome, Number(count)]));
}

/** What `work` adds to them. */
export async function refreshesOf(server, work) {
  const before = await refreshes(server);
  await work();
  const after = Object.entries(await refreshes(server)).map(([outcome, count]) => [outcome, count - (before[outcome] ?? 0)]);
  return Object.fromEntries(after.filter(([, count]) => count > 0));
}

/** Ends all of an account's sessions, by one of its tokens that still holds. */
export async function endSessions({ client }, username) {
  const { accessToken } = await client.signIn(username);
  await client.data("mutation { invalidateSessions(input: { mode: ALL }) }", { token: accessToken });
}

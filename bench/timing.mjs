// How long sign-ins take that fail, by what they fail on: the four distributions should be one.
//
//   cargo build --release
//   node bench/timing.mjs [rounds = 1000]
//
// Starts the release binary on SQLite and talks to it over one loopback connection. Each round asks once for each kind, in
// an order of its own, so that whatever else the machine does falls on all kinds alike. Needs Node.js 20.

import { spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const rounds = Number(process.argv[2] ?? 1000);
const warmup = Math.min(50, rounds);
const binary = process.env.SESSIONGRAPH_BIN ?? new URL("../target/release/sessiongraph", import.meta.url).pathname;

const folder = mkdtempSync(join(tmpdir(), "sessiongraph-timing-"));
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SESSIONGRAPH_")));
const secret = ["--secret", randomBytes(32).toString("hex")];
// Or all but the first few would be refused before anything is verified.
const flags = ["serve", "--listen", "127.0.0.1:0", "--sign-in-failures", "off", ...secret];
const server = spawn(binary, flags, { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] });
process.on("exit", () => {
  server.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const port = await new Promise((resolve, reject) => {
  let log = "";
  server.stderr.on("data", (data) => {
    log += data;
    const found = /address=127\.0\.0\.1:(\d+)/.exec(log);
    if (found) resolve(Number(found[1]));
  });
  server.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${log}`)));
});

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

/** Runs a document; the answer, and after how many milliseconds it was there. */
function run(query, variables, token) {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ query, variables });
    const headers = { "content-type": "application/json", "user-agent": "timing/1", "content-length": Buffer.byteLength(body) };
    if (token) headers.authorization = `Bearer ${token}`;
    const begun = process.hrtime.bigint();
    const request = http.request({ host: "127.0.0.1", port, path: "/graphql", method: "POST", agent, headers }, async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      const took = Number(process.hrtime.bigint() - begun) / 1e6;
      resolve({ took, answer: JSON.parse(text) });
    });
    request.on("error", reject);
    request.end(body);
  });
}

const command = (...arguments_) =>
  new Promise((resolve, reject) => {
    const child = spawn(binary, [...arguments_, ...secret], { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (data) => (out += data));
    child.on("exit", (code) => (code === 0 ? resolve(out.trim()) : reject(new Error(`${arguments_[0]} ended with ${code}`))));
  });

const key = await command("service-key", "create", "--name", "timing", "--scope", "accounts:write");
const password = "correct horse battery";
async function create(username, withPassword) {
  const document = "mutation ($input: CreateAccountInput!) { createAccount(input: $input) { id } }";
  const input = withPassword ? { username, password } : { username };
  const { answer } = await run(document, { input }, key);
  return answer.data.createAccount.id;
}
await create("known", true);
await create("unset", false);
const id = await create("gone", true);
await run("mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { id } }", { input: { id, deactivated: true } }, key);

const kinds = {
  "wrong password": "known",
  "unknown identifier": "nobody",
  "no password": "unset",
  deactivated: "gone",
};
const times = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
const signIn = "mutation ($input: SignInInput!) { signIn(input: $input) { session { id } } }";

function shuffled(items) {
  for (let at = items.length - 1; at > 0; at -= 1) {
    const other = randomInt(at + 1);
    [items[at], items[other]] = [items[other], items[at]];
  }
  return items;
}

for (let round = 0; round < warmup + rounds; round += 1) {
  for (const kind of shuffled(Object.keys(kinds))) {
    const input = { identifier: kinds[kind], password: "a wrong password" };
    const { took, answer } = await run(signIn, { input });
    const code = answer.errors?.[0]?.extensions?.code;
    if (code !== "AUTHENTICATION_FAILED") throw new Error(`${kind}: ${JSON.stringify(answer)}`);
    if (round >= warmup) times[kind].push(took);
  }
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
const shown = (milliseconds) => milliseconds.toFixed(3).padStart(9);
console.log(`${"kind".padEnd(20)}${"n".padStart(7)}   median      p90      p99   (ms)`);
for (const [kind, all] of Object.entries(times)) {
  const sorted = all.toSorted((one, other) => one - other);
  const columns = [0.5, 0.9, 0.99].map((q) => shown(quantile(sorted, q))).join("");
  console.log(`${kind.padEnd(20)}${String(all.length).padStart(7)}${columns}`);
}
agent.destroy();
process.exit(0);

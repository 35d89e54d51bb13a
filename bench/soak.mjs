// Mixed load on one server for as long as asked, with what it costs: memory, open files, answers, errors.
//
//   cargo build --release
//   node bench/soak.mjs [minutes = 15] [subscriptions = 1000]
//
// Starts the release binary on SQLite (or on SOAK_DATABASE_URL) and talks to it over loopback only. Needs Node.js 20
// and Linux (/proc). Bounded in time and in rate; everything is stopped at the end.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const minutes = Number(process.argv[2] ?? 15);
const subscriptions = Number(process.argv[3] ?? 1000);
const perSecond = 100;
const users = 20;
const binary = process.env.SESSIONGRAPH_BIN ?? new URL("../target/release/sessiongraph", import.meta.url).pathname;

const folder = mkdtempSync(join(tmpdir(), "sessiongraph-soak-"));
const flags = ["serve", "--listen", "127.0.0.1:0", "--secret", randomBytes(32).toString("hex")];
// Streams live as long as their token: here that is longer than the soak.
flags.push("--prune-interval", "30s", "--argon2-memory-kib", "4096", "--access-token-ttl", "2h");
if (process.env.SOAK_DATABASE_URL) flags.push("--database-url", process.env.SOAK_DATABASE_URL);
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SESSIONGRAPH_")));
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

const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
const answers = { total: 0, failed: 0 };

function request(query, token, accept, useAgent = agent) {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ query });
    const headers = { "content-type": "application/json", "user-agent": "soak/1", accept };
    headers["content-length"] = Buffer.byteLength(body);
    if (token) headers.authorization = `Bearer ${token}`;
    const options = { host: "127.0.0.1", port, path: "/graphql", method: "POST", agent: useAgent, headers };
    const sent = http.request(options, resolve);
    sent.on("error", reject);
    sent.end(body);
  });
}

async function run(query, token) {
  const response = await request(query, token, "application/json");
  let text = "";
  for await (const chunk of response) text += chunk;
  answers.total += 1;
  const answer = JSON.parse(text);
  if (answer.errors) {
    answers.failed += 1;
    console.error(JSON.stringify(answer.errors));
  }
  return answer.data ?? {};
}

const tokens = "{ session { id } tokens { accessToken refreshToken } }";
const password = "correct horse battery";
const signUp = (name) => run(`mutation { signUp(input: {username: "${name}", password: "${password}"}) ${tokens} }`);
const signIn = (name) => run(`mutation { signIn(input: {identifier: "${name}", password: "${password}"}) ${tokens} }`);

function memory() {
  const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024;
}
const openFiles = () => readdirSync(`/proc/${server.pid}/fd`).length;

let events = 0;
const streams = [];
async function subscribe(token) {
  const accept = "text/event-stream";
  const response = await request("subscription { sessionEvents { kind } }", token, accept, new http.Agent());
  response.on("data", (chunk) => (events += String(chunk).split("event: next").length - 1));
  response.on("error", () => {});
  streams.push(response);
}

const sessions = [];
for (let n = 0; n < users; n += 1) sessions.push({ name: `user_${n}`, ...(await signUp(`user_${n}`)).signUp });
const idle = memory();
for (let n = 0; n < subscriptions; n += 1) await subscribe(sessions[n % users].tokens.accessToken);
await sleep(1000);
const subscribed = memory();
console.log(`idle ${idle.toFixed(1)} MiB; ${subscriptions} subscriptions ${subscribed.toFixed(1)} MiB, ` +
  `${(((subscribed - idle) * 1024) / Math.max(subscriptions, 1)).toFixed(1)} KiB each`);

const renewEvery = 60_000;
const started = Date.now();
const end = started + minutes * 60_000;
let next = 0;
let reported = started;
while (Date.now() < end) {
  const second = Date.now();
  const work = [];
  for (let n = 0; n < perSecond; n += 1) {
    const user = sessions[next % users];
    next += 1;
    if (Date.now() - (user.refreshed ?? 0) > renewEvery) {
      user.refreshed = Date.now();
      work.push(run(`mutation { refreshTokens(input: {refreshToken: "${user.tokens.refreshToken}"}) ${tokens} }`)
        .then((data) => (user.tokens = data.refreshTokens?.tokens ?? user.tokens)));
    } else if (n === 0) {
      work.push(signIn(user.name).then((data) => run("mutation { logout }", data.signIn.tokens.accessToken)));
    } else {
      work.push(run("{ session { id status account { id sessions(first: 5) { nodes { id } } } } }", user.tokens.accessToken));
    }
  }
  await Promise.all(work);
  if (Date.now() - reported >= 60_000) {
    reported = Date.now();
    console.log(`${Math.round((reported - started) / 60_000)} min: ${memory().toFixed(1)} MiB, ${openFiles()} open files, ` +
      `${answers.total} answers, ${answers.failed} with errors, ${events} events`);
  }
  await sleep(Math.max(0, 1000 - (Date.now() - second)));
}
for (const stream of streams) stream.destroy();
await sleep(2000);
console.log(`end: ${memory().toFixed(1)} MiB, ${openFiles()} open files, ${answers.total} answers, ${answers.failed} with errors, ${events} events`);
server.removeAllListeners("exit");
server.kill("SIGTERM");
await new Promise((resolve) => server.on("exit", (code) => resolve(console.log(`stopped with ${code}`))));
process.exit(answers.failed === 0 ? 0 : 1);

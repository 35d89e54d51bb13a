// Mixed load on one server for as long as asked, with what it costs: memory, open files, answers, errors.
//
//   make soak [MINUTES=15] [SUBSCRIPTIONS=1000]
//
// Nine of ten subscriptions are WebSockets, which answer pings and renew their token with each refresh; the tenth is by
// server-sent events.
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
import WebSocket from "ws";

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

function report(when) {
  console.log(`${when}: ${memory().toFixed(1)} MiB, ${openFiles()} open files, ${answers.total} answers, ` +
    `${answers.failed} with errors, ${events} events, ${lost} subscriptions lost`);
}

const document = "subscription { sessionEvents { kind } }";
let events = 0;
let lost = 0;
let ending = false;
const open = [];

async function stream(user) {
  const response = await request(document, user.tokens.accessToken, "text/event-stream", new http.Agent());
  response.on("data", (chunk) => (events += String(chunk).split("event: next").length - 1));
  response.on("error", () => {});
  response.on("close", () => (lost += ending ? 0 : 1));
  open.push(() => response.destroy());
}

const bearer = (user) => ({ Authorization: `Bearer ${user.tokens.accessToken}` });

function socket(user) {
  return new Promise((resolve, reject) => {
    const options = { headers: { "user-agent": "soak/1" } };
    const connection = new WebSocket(`ws://127.0.0.1:${port}/graphql`, "graphql-transport-ws", options);
    const send = (message) => connection.send(JSON.stringify(message));
    connection.on("open", () => send({ type: "connection_init", payload: bearer(user) }));
    connection.on("message", (text) => {
      const { type } = JSON.parse(text);
      if (type === "connection_ack") {
        send({ type: "subscribe", id: "events", payload: { query: document } });
        user.sockets.push(() => send({ type: "ping", payload: bearer(user) }));
        resolve();
      }
      if (type === "ping") send({ type: "pong" });
      if (type === "next") events += 1;
    });
    connection.on("error", reject);
    connection.on("close", (code, reason) => {
      if (ending) return;
      lost += 1;
      console.error(`a WebSocket was closed with ${code}: ${reason}`);
    });
    open.push(() => connection.close());
  });
}

const sessions = [];
for (let n = 0; n < users; n += 1) {
  sessions.push({ name: `user_${n}`, sockets: [], ...(await signUp(`user_${n}`)).signUp });
}
const streams = Math.floor(subscriptions / 10);

async function subscribe(count, kind, how) {
  const before = memory();
  for (let n = 0; n < count; n += 1) await how(sessions[n % users]);
  await sleep(1000);
  const each = ((memory() - before) * 1024) / Math.max(count, 1);
  console.log(`${count} ${kind}: ${memory().toFixed(1)} MiB, ${each.toFixed(1)} KiB each`);
}
console.log(`idle: ${memory().toFixed(1)} MiB`);
await subscribe(subscriptions - streams, "WebSockets", socket);
await subscribe(streams, "event streams", stream);

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
        .then((data) => {
          user.tokens = data.refreshTokens?.tokens ?? user.tokens;
          for (const renew of user.sockets) renew();
        }));
    } else if (n === 0) {
      work.push(signIn(user.name).then((data) => run("mutation { logout }", data.signIn.tokens.accessToken)));
    } else {
      work.push(run("{ session { id status account { id sessions(first: 5) { nodes { id } } } } }", user.tokens.accessToken));
    }
  }
  await Promise.all(work);
  if (Date.now() - reported >= 60_000) {
    reported = Date.now();
    report(`${Math.round((reported - started) / 60_000)} min`);
  }
  await sleep(Math.max(0, 1000 - (Date.now() - second)));
}
ending = true;
for (const close of open) close();
await sleep(2000);
report("end");
server.removeAllListeners("exit");
server.kill("SIGTERM");
await new Promise((resolve) => server.on("exit", (code) => resolve(console.log(`stopped with ${code}`))));
process.exit(answers.failed + lost === 0 ? 0 : 1);

// Programs that a test starts: they are up when they say so, and gone when the test is.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const DEADLINE = 30_000;
const running = new Set();

process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => process.exit(1));
}

/** The environment without settings of the developer's own server. */
export function environment(more = {}) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("SESSIONGRAPH_"));
  return { ...Object.fromEntries(own), ...more };
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Starts a program and waits until `ready` answers, and not with 5xx. */
export async function start({ command, args, cwd, env, ready }) {
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let output = "";
  let over = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => (output += text));
  }
  const failed = new Promise((_, reject) => {
    child.once("error", (error) => {
      running.delete(child);
      over = true;
      reject(error);
    });
    child.once("exit", (code, signal) => {
      running.delete(child);
      over = true;
      reject(new Error(`${command} ${args.join(" ")} ended with ${code ?? signal}:\n${output}`));
    });
  });
  failed.catch(() => {});
  const started = eventually(async () => {
    if (over) {
      return true;
    }
    // Apollo Server answers no GET that a page could make by itself.
    const headers = { "apollo-require-preflight": "true" };
    const response = await fetch(ready, { headers, signal: AbortSignal.timeout(5_000) });
    await response.text();
    return response.status < 500;
  });
  try {
    await Promise.race([started, failed]);
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`${error.message}\n${output}`);
  }
  return { output: () => output, stop: () => stop(child) };
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) {
    return;
  }
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 2_000);
  await gone;
  clearTimeout(timer);
}

/** What a program that ends by itself prints. */
export async function run(command, args, options) {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  const [code] = await once(child, "close");
  if (code !== 0) {
    throw new Error(`${command} ${args.join(" ")} ended with ${code}: ${errors}`);
  }
  return output.trim();
}

/** Tries until it gives something that is true, errors included, or time is up. */
export async function eventually(attempt, deadline = DEADLINE) {
  const end = Date.now() + deadline;
  let last = new Error("it did not come about in time");
  while (Date.now() < end) {
    try {
      const result = await attempt();
      if (result) {
        return result;
      }
    } catch (error) {
      last = error;
    }
    await sleep(25);
  }
  throw last;
}

// A line between the browser and the server that passes every byte on and remembers what requests arrived: a test that a
// forged request does nothing is worth something only if the request was there, cookies included.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Listens on `port` and passes connections on to `target`. */
export async function tap(port, target) {
  const received = [];
  const open = new Set();
  const server = createServer((client) => {
    const chunks = [];
    const answers = [];
    received.push({ chunks, answers });
    const upstream = connect(target, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ]) {
      open.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
    client.on("data", (bytes) => chunks.push(bytes.toString("latin1")));
    upstream.on("data", (bytes) => answers.push(bytes.toString("latin1")));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    /** Forgets what has arrived. Connections stay: they are the browser's. */
    forget: () => received.forEach(({ chunks, answers }) => [chunks, answers].forEach((each) => each.splice(0))),
    /** The requests of `/graphql` that have arrived since: their methods and headers, and whether they had our cookies. */
    requests: () => received.flatMap(({ chunks }) => requests(chunks.join(""))),
    /** Whether there are such requests, and all have been answered. */
    answered: () => {
      const all = received.map(({ chunks, answers }) => [requests(chunks.join("")).length, statuses(answers.join(""))]);
      return all.some(([asked]) => asked > 0) && all.every(([asked, answered]) => asked <= answered);
    },
    stop: async () => {
      server.close();
      open.forEach((socket) => socket.destroy());
      await once(server, "close");
    },
  };
}

function requests(text) {
  const heads = text.matchAll(/(?:^|\r\n|[^\r\n])([A-Z]{3,7}) (\/graphql\S*) HTTP\/1\.1\r\n([\s\S]*?)\r\n\r\n/g);
  return [...heads].map(([, method, path, head]) => {
    const headers = head.split("\r\n").map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    const { cookie = "", ...others } = Object.fromEntries(headers);
    return { method, path, headers: others, cookies: /(^|; )(__Host-)?sessiongraph_access=/.test(cookie), cookie };
  });
}

const statuses = (text) => text.match(/HTTP\/1\.1 \d{3} /g)?.length ?? 0;

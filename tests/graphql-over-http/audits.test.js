// Every audit of the specification, what MUST be and what SHOULD or MAY be, on the real server.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { serverAudits } from "graphql-http";

import { environment, freePort, start } from "../gateways/support/process.js";
import { BINARY } from "../gateways/support/binary.js";

const folder = mkdtempSync(join(tmpdir(), "sessiongraph-audits-"));
const listen = `127.0.0.1:${await freePort()}`;
const server = await start({
  command: BINARY,
  args: ["serve", "--listen", listen],
  cwd: folder,
  env: environment(),
  ready: `http://${listen}/health/ready`,
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

for (const audit of serverAudits({ url: `http://${listen}/graphql` })) {
  test(audit.name, async () => {
    const { status, reason } = await audit.fn();
    if (status !== "ok") {
      throw new Error(`${status}: ${reason}`);
    }
  });
}

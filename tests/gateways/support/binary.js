// The server that is tested: what cargo has built.

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../../../", import.meta.url));

export const BINARY = process.env.SESSIONGRAPH_BIN
  ? resolve(process.env.SESSIONGRAPH_BIN)
  : resolve(repository, process.env.CARGO_TARGET_DIR ?? "target", "debug/sessiongraph");

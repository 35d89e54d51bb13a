import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Puts a `.br` and a `.gz` beside each file, for the server to send as they are. */
function precompress(): Plugin {
  let folder = "";
  return {
    name: "precompress",
    apply: "build",
    configResolved: (config) => {
      folder = join(config.root, config.build.outDir);
    },
    closeBundle: async () => {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile());
      await Promise.all(
        files.map(async (file) => {
          const path = join(file.parentPath, file.name);
          const content = await readFile(path);
          const [br, gz] = await Promise.all([
            promisify(brotliCompress)(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }),
            promisify(gzip)(content, { level: 9 }),
          ]);
          await Promise.all([writeFile(`${path}.br`, br), writeFile(`${path}.gz`, gz)]);
        }),
      );
    },
  };
}

// `npm run dev` serves the page by itself, in front of a server that is already running.
const server = process.env.SESSIONGRAPH_URL ?? "http://127.0.0.1:4000";

export default defineConfig({
  base: "/playground/",
  plugins: [react(), precompress()],
  build: {
    target: "es2022",
    // No data: URLs for fonts and images of our own.
    assetsInlineLimit: 0,
    // Monaco is what it is, and loaded when the editor is opened.
    chunkSizeWarningLimit: 5000,
    license: { fileName: "licenses.md" },
    // Directives for a compiler that these packages have been through already.
    rolldownOptions: { onwarn: (warning, warn) => warning.code !== "MODULE_LEVEL_DIRECTIVE" && warn(warning) },
  },
  worker: { format: "es" },
  server: {
    // The server takes cookies from its own origin only.
    proxy: Object.fromEntries(
      ["/graphql", "/.well-known"].map((path) => [
        path,
        { target: server, changeOrigin: true, ws: true, headers: { origin: server } },
      ]),
    ),
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});

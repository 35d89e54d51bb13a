// Makes of the package and the recipes what somebody who follows them has: the package installed as npm packs it, the
// documents compiled, all of it checked by TypeScript and bundled. What the tests run is in build/out.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

import { transformAsync } from "@babel/core";
import * as esbuild from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const repository = here("../../../");
const build = here("../build/");
const recipes = `${build}recipes/`;
const installed = `${build}node_modules/sessiongraph-client`;

function run(command, args, cwd) {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    console.error(`${command} ${args.join(" ")}\n${error.stdout}${error.stderr}`);
    process.exit(1);
  }
}
const tool = (name, args, cwd) => run(here(`../node_modules/.bin/${name}`), args, cwd);

rmSync(build, { recursive: true, force: true });
mkdirSync(installed, { recursive: true });
const packed = run("npm", ["pack", "--silent", "--pack-destination", build], `${repository}clients/typescript`);
run("tar", ["-xzf", packed.trim().split("\n").at(-1), "--strip-components=1", "-C", installed], build);

cpSync(`${repository}examples/clients`, recipes, { recursive: true });
for (const folder of ["codegen", "relay"]) {
  cpSync(`${repository}schema.graphql`, `${recipes}${folder}/schema.graphql`);
}
mkdirSync(`${recipes}relay/__generated__`);
tool("graphql-codegen", ["--config", "codegen.ts"], `${recipes}codegen`);
tool("relay-compiler", ["--noWatchman", "relay.config.json"], `${recipes}relay`);

writeFileSync(`${build}package.json`, '{ "type": "module" }');
const compilerOptions = {
  target: "ES2022",
  module: "ESNext",
  moduleResolution: "bundler",
  lib: ["ES2022", "DOM", "DOM.Iterable"],
  types: [],
  jsx: "react-jsx",
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  noEmit: true,
};
writeFileSync(`${build}tsconfig.json`, JSON.stringify({ compilerOptions, include: ["recipes", "../support/types.ts"] }));
tool("tsc", ["--project", "."], build);

/** What a project with Relay has in its bundler. */
const relay = {
  name: "relay",
  setup: ({ onLoad }) =>
    onLoad({ filter: /recipes\/relay\/\w+\.ts$/ }, async ({ path }) => {
      const { code } = await esbuild.transform(readFileSync(path, "utf8"), { loader: "ts" });
      const plugin = [createRequire(import.meta.url)("babel-plugin-relay"), { eagerEsModules: true, artifactDirectory: `${recipes}relay/__generated__` }];
      const { code: contents } = await transformAsync(code, { filename: path, plugins: [plugin], babelrc: false, configFile: false });
      return { contents, loader: "js" };
    }),
};
const options = { bundle: true, format: "esm", target: "es2022", logLevel: "error", jsx: "automatic", plugins: [relay] };
const entry = (name) => `${recipes}${name}.ts`;
await esbuild.build({
  ...options,
  entryPoints: [
    ...["session", "apollo", "urql", "urql-auth-exchange", "graphql-ws", "graphql-sse"],
    ...["codegen/devices", "relay/environment", "relay/viewer"],
  ].map(entry),
  platform: "node",
  packages: "external",
  outdir: `${build}out`,
});
const browser = { ...options, platform: "browser", format: "iife", define: { "process.env.NODE_ENV": '"production"' } };
await esbuild.build({ ...browser, entryPoints: [here("page.js")], globalName: "recipes", outfile: `${build}out/page.js` });
await esbuild.build({ ...browser, entryPoints: [`${recipes}react.tsx`], outfile: `${build}out/react.js` });

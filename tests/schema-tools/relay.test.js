// relay-compiler reads schema.graphql and compiles the small client in relay/ against it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import compiler from "relay-compiler";

import { schemaPath } from "./schema.js";

const run = promisify(execFile);

describe("relay-compiler", () => {
  let project;

  // The compiler wants its sources, its schema and what it writes in one folder.
  before(() => {
    project = mkdtempSync(join(tmpdir(), "sessiongraph-relay-"));
    cpSync(fileURLToPath(new URL("relay", import.meta.url)), join(project, "src"), { recursive: true });
    cpSync(schemaPath, join(project, "schema.graphql"));
    mkdirSync(join(project, "artifacts"));
    const config = {
      src: "./src",
      schema: "./schema.graphql",
      artifactDirectory: "./artifacts",
      language: "typescript",
      eagerEsModules: true,
      customScalarTypes: { DateTime: "string", JSON: "unknown" },
      requireCustomScalarTypes: true,
    };
    writeFileSync(join(project, "relay.config.json"), JSON.stringify(config));
  });
  after(() => rmSync(project, { recursive: true, force: true }));

  const compile = () => run(compiler, ["--noWatchman", "relay.config.json"], { cwd: project });

  test("compiles queries, a mutation, a subscription and connections", async () => {
    await compile();
    assert.deepEqual(readdirSync(join(project, "artifacts")).sort(), [
      "AccountListPaginationQuery.graphql.ts",
      "AccountListQuery.graphql.ts",
      "AccountList_query.graphql.ts",
      "DeviceListQuery.graphql.ts",
      "DeviceList_account.graphql.ts",
      "SessionEventsSubscription.graphql.ts",
      "SignInMutation.graphql.ts",
    ]);
    const artifact = (name) => readFileSync(join(project, "artifacts", name), "utf8");
    assert.ok(artifact("AccountListPaginationQuery.graphql.ts").includes("hasNextPage"));
    assert.ok(artifact("AccountList_query.graphql.ts").includes("readonly createdAt: string | null"));
  });

  test("refuses a field that the schema does not have", async () => {
    const source = 'import { graphql } from "relay-runtime"; graphql`query BadQuery { viewer { nickname } }`;';
    writeFileSync(join(project, "src/Bad.ts"), source);
    await assert.rejects(compile(), (error) => /nickname/.test(error.stdout + error.stderr));
  });
});

// The two schemas that the tests are about.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { Source } from "graphql";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Where the schema under test is: SCHEMA, or the committed schema.graphql. */
export const schemaPath = process.env.SCHEMA || here("../../schema.graphql");

/** What must never be taken away from it. */
export const contractPath = here("contract.graphql");

/** A file as graphql-js reads it, so that an error tells the file and the line. */
export function read(path) {
  return new Source(readFileSync(path, "utf8"), path);
}

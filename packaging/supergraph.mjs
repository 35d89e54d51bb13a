// A supergraph of sessiongraph alone: `node supergraph.mjs SCHEMA URL`, on standard output.

import { readFileSync } from "node:fs";

import { composeServices } from "@theguild/federation-composition";
import { parse } from "graphql";

const [schema, url] = process.argv.slice(2);
const typeDefs = parse(readFileSync(schema, "utf8"));
const { supergraphSdl, errors } = composeServices([{ name: "sessiongraph", typeDefs, url }]);
if (!supergraphSdl) {
  throw new AggregateError(errors, "the schema does not compose");
}
process.stdout.write(supergraphSdl);

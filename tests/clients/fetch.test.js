// `session.fetch`, as the recipes with graphql-codegen and Relay use it.

import assert from "node:assert/strict";
import { describe } from "node:test";

import { devices } from "./build/out/codegen/devices.js";
import { createEnvironment } from "./build/out/relay/environment.js";
import { viewer } from "./build/out/relay/viewer.js";
import { QUERY, flows } from "./support/flows.js";

const post = async (session, endpoint, query, variables) => {
  const body = JSON.stringify({ query, variables });
  const response = await session.fetch(endpoint, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { data, errors } = await response.json();
  if (errors) {
    throw new Error(errors[0].message);
  }
  return data.viewer;
};
const forbidden = (session, endpoint) => post(session, endpoint, "mutation { invalidateSessions(input: { mode: ALL }) }");

flows("fetch", {
  connect: (session, endpoint) => ({
    query: (first) => post(session, endpoint, QUERY, { first }),
    forbidden: () => forbidden(session, endpoint),
  }),
});

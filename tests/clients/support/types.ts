// What the generated types have to allow, and what they have to refuse. TypeScript reads it; nobody runs it.

import type { SignIn } from "../build/recipes/apollo.js";
import type { DevicesQuery, DevicesQueryVariables } from "../build/recipes/codegen/generated/graphql.js";
import type { viewerQuery$data } from "../build/recipes/relay/__generated__/viewerQuery.graphql.js";

declare const devices: DevicesQuery;
declare const viewer: viewerQuery$data;

export const allowed: [string | undefined, boolean | undefined, DevicesQueryVariables, string | null | undefined, SignIn] = [
  devices.viewer?.sessions?.nodes[0]?.lastSeenAt,
  devices.viewer?.sessions?.nodes[0]?.current,
  { first: 20 },
  viewer.viewer?.username,
  { identifier: "ada", password: "correct horse battery staple", transport: "COOKIE" },
];

export const refused = [
  // @ts-expect-error
  devices.viewer.sessions,
  // @ts-expect-error
  devices.viewer?.sessions?.nodes[0]?.metadata,
  // @ts-expect-error
  { first: "20" } satisfies DevicesQueryVariables,
  // @ts-expect-error
  viewer.viewer?.email,
];

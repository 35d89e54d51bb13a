// What the pages of the browser tests run.

export * as session from "../build/recipes/session.ts";
export * as apollo from "../build/recipes/apollo.ts";
export * as urql from "../build/recipes/urql.ts";
export * as webSocket from "../build/recipes/graphql-ws.ts";
export * as eventStream from "../build/recipes/graphql-sse.ts";
export { gql } from "@apollo/client";

// Supergraphs, by the compositions that are in use: Apollo's, Hive's and Cosmo's.

import { readFileSync } from "node:fs";

import { composeServices as composeByApollo } from "@apollo/composition";
import { composeServices as composeByGuild } from "@theguild/federation-composition";
import { LATEST_ROUTER_COMPATIBILITY_VERSION, federateSubgraphs as composeByCosmo } from "@wundergraph/composition";
import { parse, print } from "graphql";

export const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

/** The SDL of a sample subgraph. */
export const sample = (name) => read(`../subgraphs/${name}.graphql`);

/** Each takes subgraphs as `{ name, url, sdl }` and gives `{ supergraph, errors, hints }`, texts all of them. */
export const compositions = {
  "@apollo/composition": (subgraphs) => {
    const services = subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) }));
    const { supergraphSdl, errors = [], hints = [] } = composeByApollo(services);
    return { supergraph: supergraphSdl, errors: errors.map(String), hints: hints.map(String) };
  },
  "@theguild/federation-composition": (subgraphs) => {
    const services = subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) }));
    // It gives no hints.
    const { supergraphSdl, errors = [] } = composeByGuild(services);
    return { supergraph: supergraphSdl, errors: errors.map(String), hints: [] };
  },
  "@wundergraph/composition": (subgraphs) => {
    const services = subgraphs.map(({ name, url, sdl }) => ({ name, url, definitions: parse(sdl) }));
    const result = composeByCosmo({ subgraphs: services, version: LATEST_ROUTER_COMPATIBILITY_VERSION });
    const { federatedGraphAST, errors = [], warnings = [] } = result;
    return {
      supergraph: federatedGraphAST && print(federatedGraphAST),
      errors: errors.map(String),
      hints: warnings.map(String),
    };
  },
};

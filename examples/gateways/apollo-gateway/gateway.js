// @apollo/gateway 2 under @apollo/server 5, in front of sessiongraph and other subgraphs.
//
// Run in our tests: this very file, by tests/gateways/apollo-gateway.test.js.
//
//     npm install @apollo/gateway@2 @apollo/server@5 graphql@16
//     rover supergraph compose --config supergraph.yaml > supergraph.graphql
//     node gateway.js
//
// This gateway verifies no tokens: it hands them on, and each subgraph verifies what it needs with the keys at
// /.well-known/jwks.json (tests/gateways/subgraphs/posts.js shows how).

import { readFileSync } from "node:fs";

import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";

// The name of sessiongraph in the supergraph. It alone gets cookies, and it alone sets them.
const SESSIONGRAPH = "sessiongraph";

class Subgraph extends RemoteGraphQLDataSource {
  // The fetch of Node.js, because its headers keep the two cookies of an answer apart.
  fetcher = fetch;

  willSendRequest({ request, context }) {
    // None while the gateway starts.
    const { incoming } = context;
    if (!incoming) {
      return;
    }
    const forward = ["authorization", "user-agent"];
    if (this.name === SESSIONGRAPH) {
      // Cookies count only beside an origin that sessiongraph trusts.
      forward.push("cookie", "origin");
    }
    for (const name of forward) {
      if (incoming.headers[name] !== undefined) {
        request.http.headers.set(name, incoming.headers[name]);
      }
    }
    // What came, and whom it came from. sessiongraph reads it from the end, past `trusted_proxies`, of which this
    // gateway has to be one.
    const hops = [incoming.headers["x-forwarded-for"], incoming.socket.remoteAddress];
    request.http.headers.set("x-forwarded-for", hops.filter(Boolean).join(", "));
  }

  didReceiveResponse({ response, context }) {
    if (this.name === SESSIONGRAPH && context.outgoing) {
      // One header for each cookie.
      for (const cookie of response.http.headers.getSetCookie()) {
        context.outgoing.appendHeader("set-cookie", cookie);
      }
    }
    return response;
  }
}

const gateway = new ApolloGateway({
  supergraphSdl: readFileSync(process.env.SUPERGRAPH ?? "supergraph.graphql", "utf8"),
  buildService: ({ name, url }) => new Subgraph({ name, url }),
});

const server = new ApolloServer({
  gateway,
  // `code`, `reason` and `action` reach the client by themselves; stack traces need not.
  includeStacktraceInErrorResponses: false,
});

const { url } = await startStandaloneServer(server, {
  listen: { host: process.env.HOST ?? "127.0.0.1", port: Number(process.env.PORT ?? 4001) },
  context: async ({ req, res }) => ({ incoming: req, outgoing: res }),
});
console.log(`The gateway is at ${url}`);

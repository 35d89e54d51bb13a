// Hive Gateway 2, in front of sessiongraph and other subgraphs.
//
// Run in our tests: this very file, by tests/gateways/hive-gateway.test.js.
//
//     npm install @graphql-hive/gateway@2 graphql@16
//     rover supergraph compose --config supergraph.yaml > supergraph.graphql
//     npx hive-gateway supergraph

import {
  createInlineSigningKeyProvider,
  createRemoteJwksSigningKeyProvider,
  defineConfig,
  extractFromHeader,
} from "@graphql-hive/gateway";

// The name of sessiongraph in the supergraph. It alone gets cookies, and it alone sets them.
const SESSIONGRAPH = "sessiongraph";
const {
  // sessiongraph, as this gateway reaches it.
  SESSIONGRAPH_URL = "http://127.0.0.1:4000",
  // Its `public_url` and its `audience`.
  ISSUER = "http://127.0.0.1:4000",
  AUDIENCE = "sessiongraph",
} = process.env;

export const gatewayConfig = defineConfig({
  supergraph: "supergraph.graphql",

  jwt: {
    signingKeyProviders: [
      createRemoteJwksSigningKeyProvider({
        jwksUri: `${SESSIONGRAPH_URL}/.well-known/jwks.json`,
        // How long a key stays in use here after sessiongraph has revoked it. 10 minutes by default; a key that is not
        // known yet is fetched when its first token comes.
        cacheMaxAge: 60_000,
      }),
      // Where no provider has a key, the answer is 500 and no more. Nothing verifies under this one, so a token whose key
      // has been retired (or whose key cannot be fetched) is an invalid token like others, see `reject`.
      createInlineSigningKeyProvider("no key"),
    ],
    tokenLookupLocations: [extractFromHeader({ name: "authorization", prefix: "Bearer" })],
    tokenVerification: {
      // RS256 and HS256 unless told otherwise.
      algorithms: ["ES256"],
      issuer: ISSUER,
      audience: AUDIENCE,
      // Seconds by which clocks may differ: none unless told otherwise, 5 in sessiongraph.
      clockTolerance: 5,
    },
    reject: {
      // True by default, which closes signUp and signIn.
      missingToken: false,
      // True by default: 401, without the `action` that tells clients what to do, and for refreshTokens with an expired
      // token in the header too. With false such a request goes on as one without claims; sessiongraph verifies the token
      // again and answers field by field.
      invalidToken: false,
    },
    // Claims for the other subgraphs, in `extensions.jwt` of the request's body. Whoever reaches a subgraph directly can
    // write them too: let it trust them only where nobody but the gateway reaches it (`hmacSignature`), or let it verify
    // the token. sessiongraph never reads them.
    forward: { payload: true, token: false },
  },

  propagateHeaders: {
    fromClientToSubgraphs({ request, subgraphName, context }) {
      const forward = ["authorization", "user-agent"];
      if (subgraphName === SESSIONGRAPH) {
        // Cookies count only beside an origin that sessiongraph trusts.
        forward.push("cookie", "origin");
      }
      // What came, and whom it came from. sessiongraph reads it from the end, past `trusted_proxies`, of which this
      // gateway has to be one.
      const hops = [request.headers.get("x-forwarded-for"), context.req?.socket.remoteAddress];
      return {
        ...Object.fromEntries(forward.map((name) => [name, request.headers.get(name)])),
        "x-forwarded-for": hops.filter(Boolean).join(", "),
      };
    },
    fromSubgraphsToClient({ response, subgraphName }) {
      // A list, one header for each cookie.
      return subgraphName === SESSIONGRAPH ? { "set-cookie": response.headers.getSetCookie() } : {};
    },
  },
});

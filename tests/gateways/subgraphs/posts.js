// A subgraph beside sessiongraph: it adds posts to accounts, and knows who is calling by verifying the access token itself.
//
// PORT, JWKS_URI, ISSUER and AUDIENCE come from the environment.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { GraphQLError, parse } from "graphql";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { JWKS_URI, ISSUER, AUDIENCE } = process.env;

// It asks again when it meets a key that it does not know, once a second at most.
const keys = createRemoteJWKSet(new URL(JWKS_URI), { cooldownDuration: 1_000 });
const posts = [];

/** The account that the request's token names, or an error that tells the client what to do. */
async function caller(authorization) {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
  try {
    if (!token) {
      throw new Error("no token");
    }
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ["ES256"],
      typ: "at+jwt",
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ["sub", "sid", "exp"],
    });
    return payload.sub;
  } catch (error) {
    const action = error.code === "ERR_JWT_EXPIRED" ? "REFRESH" : "SIGN_IN";
    throw new GraphQLError("Only for the signed in", { extensions: { code: "UNAUTHENTICATED", action } });
  }
}

const server = new ApolloServer({
  schema: buildSubgraphSchema({
    typeDefs: parse(readFileSync(new URL("posts.graphql", import.meta.url), "utf8")),
    resolvers: {
      Query: {
        posts: () => posts,
        verifiedByGateway: (_, __, { claims }) => claims?.sub,
      },
      Mutation: {
        async addPost(_, { title }, { authorization }) {
          const post = { id: randomUUID(), title, author: { id: await caller(authorization) } };
          posts.unshift(post);
          return post;
        },
      },
      Account: {
        __resolveReference: ({ id }) => ({ id }),
        posts: ({ id }) => posts.filter((post) => post.author.id === id),
      },
      Post: {
        __resolveReference: ({ id }) => posts.find((post) => post.id === id),
      },
    },
  }),
  includeStacktraceInErrorResponses: false,
});

await startStandaloneServer(server, {
  listen: { host: "127.0.0.1", port: Number(process.env.PORT) },
  context: async ({ req }) => ({
    authorization: req.headers.authorization,
    claims: req.body?.extensions?.jwt?.payload,
  }),
});

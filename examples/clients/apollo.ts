import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import type { ClientSession, Tokens } from "sessiongraph-client";
import { sessionLink } from "sessiongraph-client/apollo";

export function connect(session: ClientSession, endpoint: string) {
  const link = ApolloLink.from([sessionLink(session), new HttpLink({ uri: endpoint })]);
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  session.listen(({ kind }) => void (kind === "SIGNED_OUT" && client.clearStore()));
  return client;
}

const SIGN_IN = gql`
  mutation SignIn($input: SignInInput!) {
    signIn(input: $input) {
      tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt }
    }
  }
`;

export interface SignIn {
  identifier: string;
  password: string;
  transport: "BODY" | "COOKIE";
}

export async function signIn(client: ApolloClient, session: ClientSession, input: SignIn) {
  const { data } = await client.mutate<{ signIn: { tokens: Tokens | null } }>({ mutation: SIGN_IN, variables: { input } });
  await session.signedIn(data?.signIn.tokens ?? null);
}

const SIGN_UP = gql`
  mutation SignUp($input: SignUpInput!) {
    signUp(input: $input) {
      tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt }
    }
  }
`;

export interface SignUp {
  username: string;
  password: string;
  transport: "BODY" | "COOKIE";
}

export async function signUp(client: ApolloClient, session: ClientSession, input: SignUp) {
  const { data } = await client.mutate<{ signUp: { tokens: Tokens | null } }>({ mutation: SIGN_UP, variables: { input } });
  await session.signedIn(data?.signUp.tokens ?? null);
}

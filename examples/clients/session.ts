import { ClientSession, localStorageTokens } from "sessiongraph-client";

/** For pages: tokens in cookies that no script can read. */
export const cookieSession = (endpoint: string, askToSignIn: () => void) =>
  new ClientSession({ endpoint, tokens: "COOKIE", onSignedOut: askToSignIn });

/** Where cookies are not possible: tokens in the Authorization header, kept where all tabs find them. */
export const headerSession = (endpoint: string, askToSignIn: () => void) =>
  new ClientSession({ endpoint, tokens: localStorageTokens(), onSignedOut: askToSignIn });

// Ready-made documents for every operation of the contract, with variables of the moment. Their types are those of the
// documents: a schema that changes fails the build here.

import type {
  AccountQueryVariables,
  AccountsQueryVariables,
  ChangePasswordMutationVariables,
  CreateAccountMutationVariables,
  CreateSessionMutationVariables,
  InvalidateSessionsMutationVariables,
  LogoutMutationVariables,
  RefreshTokensMutationVariables,
  SessionEventsSubscriptionVariables,
  SignInMutationVariables,
  SignUpMutationVariables,
  UpdateAccountMutationVariables,
} from "../generated/menu/graphql";
import type { State } from "../state/model";
import { accountName } from "../state/select";

const FILES = import.meta.glob<string>("../../operations/*.graphql", { query: "?raw", import: "default", eager: true });

export interface Item {
  name: string;
  group: "Queries" | "Mutations" | "Subscription" | "For service keys";
  query: string;
  variables: string;
}

const TABLET = "Mozilla/5.0 (Linux; Android 15; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const PASSWORD = "correct horse battery staple";

/** What the selected session fills in. */
interface Current {
  accountId: string;
  sessionId: string;
  name: string;
  refreshToken: string | null;
}

type Filled = (current: Current) => object;

const ITEMS: { name: string; group: Item["group"]; file: string; variables?: Filled }[] = [
  { name: "session", group: "Queries", file: "session" },
  { name: "viewer", group: "Queries", file: "viewer" },
  { name: "account", group: "Queries", file: "account", variables: ({ accountId }): AccountQueryVariables => ({ by: { id: accountId } }) },
  {
    name: "signUp",
    group: "Mutations",
    file: "signUp",
    variables: (): SignUpMutationVariables => ({
      input: { username: `user_${Math.random().toString(36).slice(2, 8)}`, password: PASSWORD, transport: "BODY" },
    }),
  },
  {
    name: "signIn",
    group: "Mutations",
    file: "signIn",
    variables: ({ name }): SignInMutationVariables => ({ input: { identifier: name, password: PASSWORD, transport: "BODY" } }),
  },
  {
    name: "refreshTokens",
    group: "Mutations",
    file: "refreshTokens",
    variables: ({ refreshToken }): RefreshTokensMutationVariables => ({ input: refreshToken === null ? {} : { refreshToken } }),
  },
  {
    name: "logout",
    group: "Mutations",
    file: "logout",
    variables: ({ refreshToken }): LogoutMutationVariables => ({ input: refreshToken === null ? {} : { token: refreshToken } }),
  },
  {
    name: "invalidateSessions",
    group: "Mutations",
    file: "invalidateSessions",
    variables: ({ sessionId }): InvalidateSessionsMutationVariables => ({ input: { mode: "ONE", sessionId } }),
  },
  {
    name: "changePassword",
    group: "Mutations",
    file: "changePassword",
    variables: (): ChangePasswordMutationVariables => ({
      input: { currentPassword: PASSWORD, newPassword: "tricky horse battery staple", invalidateOtherSessions: true },
    }),
  },
  {
    name: "sessionEvents",
    group: "Subscription",
    file: "sessionEvents",
    variables: ({ accountId }): SessionEventsSubscriptionVariables => ({ accountId }),
  },
  { name: "accounts", group: "For service keys", file: "accounts", variables: (): AccountsQueryVariables => ({ first: 10 }) },
  {
    name: "createAccount",
    group: "For service keys",
    file: "createAccount",
    variables: (): CreateAccountMutationVariables => ({
      input: { username: `user_${Math.random().toString(36).slice(2, 8)}`, permissions: ["notes:read"], emailVerified: false },
    }),
  },
  {
    name: "updateAccount",
    group: "For service keys",
    file: "updateAccount",
    variables: ({ accountId }): UpdateAccountMutationVariables => ({ input: { id: accountId, permissions: ["notes:read", "notes:write"] } }),
  },
  {
    name: "createSession",
    group: "For service keys",
    file: "createSession",
    variables: ({ accountId }): CreateSessionMutationVariables => ({
      input: {
        accountId,
        connectionInfo: { ip: "203.0.113.7", userAgent: TABLET },
        metadata: { device: "kitchen tablet" },
        transport: "BODY",
      },
    }),
  },
];

/** The menu, filled in with what the state has selected. */
export function menu(state: State): Item[] {
  const current = currentOf(state);
  return ITEMS.map(({ name, group, file, variables }) => ({
    name,
    group,
    query: FILES[`../../operations/${file}.graphql`] ?? "",
    variables: variables ? JSON.stringify(variables(current), null, 2) : "",
  }));
}

function currentOf(state: State): Current {
  const { identity } = state;
  const known = Object.keys(state.held).at(-1);
  const sessionId = identity.kind === "session" ? identity.sessionId : (known ?? "");
  const session = state.sessions[sessionId];
  return {
    sessionId,
    accountId: session?.account.id ?? "",
    name: session ? accountName(session) : "ada",
    refreshToken: state.held[sessionId]?.tokens?.refreshToken ?? null,
  };
}

/** Variables that name tokens the page has exchanged since, with the current ones in their place. */
export function withCurrentTokens(variables: string, state: State): string {
  return Object.values(state.held).reduce((text, { tokens, spent }) => {
    if (!tokens) {
      return text;
    }
    return spent.reduce(
      (all, old) => all.replaceAll(old.refreshToken, tokens.refreshToken).replaceAll(old.accessToken, tokens.accessToken),
      text,
    );
  }, variables);
}

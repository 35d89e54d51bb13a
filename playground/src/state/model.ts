import type { LoginFieldsFragment, SessionEventKind, RefreshOutcome, SessionFieldsFragment } from "../generated/page/graphql";

export type Session = SessionFieldsFragment;
export type Login = LoginFieldsFragment;
export type Tokens = NonNullable<Login["tokens"]>;

/** A session that this page can act as. */
export interface Held {
  /** Null when the tokens are in cookies, where no script can read them. */
  tokens: Tokens | null;
  /** Tokens that this page held before, newest first: what a document in the editor may still name. */
  spent: Pick<Tokens, "accessToken" | "refreshToken">[];
  /** What the last exchange did, or why it failed. */
  last: { text: string; failed: boolean } | null;
  /** A what-if is running: the page leaves the tokens alone. */
  paused: boolean;
}

export interface EventLine {
  id: number;
  kind: SessionEventKind;
  at: string;
  refreshOutcome: RefreshOutcome | null;
  session: Session;
}

export type FeedStatus = "connecting" | "live" | "expired" | "waiting" | "closed";

/** Who the editor's requests come from. */
export type Identity = { kind: "session"; sessionId: string } | { kind: "serviceKey" } | { kind: "nobody" };

export interface State {
  /** Every session that the page has heard of, by id. */
  sessions: Record<string, Session>;
  held: Record<string, Held>;
  /** Newest first. */
  events: EventLine[];
  feeds: Record<string, FeedStatus>;
  identity: Identity;
  serviceKey: string | null;
  /** Refresh by itself before an access token expires. */
  renews: boolean;
  /** Keep it all over a reload, in sessionStorage. */
  keeps: boolean;
}

export const EMPTY: State = {
  sessions: {},
  held: {},
  events: [],
  feeds: {},
  identity: { kind: "nobody" },
  serviceKey: null,
  renews: true,
  keeps: false,
};

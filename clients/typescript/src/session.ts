import { actionOf, type SessionError } from "./errors.js";
import { exchange, logout, type Endpoint } from "./exchange.js";
import { openTabs, type Tabs } from "./tabs.js";
import type { Tokens, TokenStore } from "./tokens.js";

export interface SessionOptions {
  /** Where `refreshTokens` and `logout` are sent: the server's `/graphql`, or the gateway's. */
  endpoint: string;
  /** Where tokens are kept, or `"COOKIE"` where the server keeps them in cookies that no script can read. */
  tokens: TokenStore | "COOKIE";
  /**
   * The session is over: clear what belongs to it and ask to sign in. Called once, in every tab, however many operations
   * fail, until somebody has signed in again.
   */
  onSignedOut: (ending: Ending) => void;
  fetch?: typeof fetch;
}

/** Why it is over: `signOut` was called, or the error that says so. */
export type Ending = "SIGNED_OUT" | SessionError;

/** What an operation was sent with: whether that is still what one would send is what a failure of it depends on. */
export interface Credential {
  readonly token: string | null;
  readonly epoch: number;
}

export type Change = { kind: "SIGNED_IN" } | { kind: "REFRESHED" } | { kind: "SIGNED_OUT"; ending: Ending };

/** What the server would say. */
const NO_SESSION: Ending = { message: "There is no session.", extensions: { code: "INVALID_TOKENS", action: "SIGN_IN" } };

/** A session as its client sees it: its tokens, renewed once for all who need it, and its end, told once. */
export class ClientSession {
  readonly #endpoint: Endpoint;
  readonly #store: TokenStore | null;
  readonly #tabs: Tabs<Change>;
  readonly #onSignedOut: (ending: Ending) => void;
  readonly #listeners = new Set<(change: Change) => void>();
  #epoch = 0;
  #over = false;
  #refreshing: Promise<boolean> | null = null;
  /** How far the local clock is ahead of the server's, in milliseconds. */
  #ahead = 0;

  constructor({ endpoint, tokens, onSignedOut, fetch = globalThis.fetch.bind(globalThis) }: SessionOptions) {
    const inCookies = tokens === "COOKIE";
    this.#endpoint = { url: endpoint, fetch, credentials: inCookies ? "include" : "same-origin" };
    this.#store = inCookies ? null : tokens;
    this.#onSignedOut = onSignedOut;
    const name = inCookies ? endpoint : tokens.sharedAs;
    this.#tabs = openTabs(name && `sessiongraph ${name}`, (change) => this.#take(change));
  }

  /** Goes with every request that is to be made with this session. */
  get credentials(): RequestCredentials {
    return this.#endpoint.credentials;
  }

  /** Counts the changes: a credential of another epoch may be out of date. */
  get epoch(): number {
    return this.#epoch;
  }

  async credential(): Promise<Credential> {
    const epoch = this.#epoch;
    return { token: (await this.#store?.get())?.accessToken ?? null, epoch };
  }

  /** The headers of a request, or the `connection_init` payload of a WebSocket. */
  readonly headers = async (): Promise<Record<string, string>> => headersOf(await this.credential());

  /** Milliseconds until the access token expires; null where that is not known. */
  async expiresIn(): Promise<number | null> {
    const tokens = await this.#store?.get();
    return tokens ? Date.parse(tokens.accessTokenExpiresAt) - (Date.now() - this.#ahead) : null;
  }

  /** Tells of every change, whichever tab it happened in, until the function that it returns is called. */
  listen(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** After `signUp` or `signIn`: with the answer's `tokens`, which are null where they are in cookies. */
  async signedIn(tokens: Tokens | null): Promise<void> {
    await this.#store?.set(tokens);
    this.#announce({ kind: "SIGNED_IN" });
  }

  /** Ends the session: here at once, and at the server. Rejects where the server could not be told. */
  async signOut(): Promise<void> {
    const tokens = await this.#store?.get();
    await this.#end("SIGNED_OUT");
    // After a refresh that is under way, whose cookies would outlive this.
    await this.#tabs.exclusive(async () => {
      if (this.#store ? tokens : this.#over) {
        await logout(this.#endpoint, tokens?.refreshToken ?? null);
      }
    });
  }

  /**
   * What the errors of an answer ask for: refreshes, or ends the session. Resolves to whether the operation is to be
   * sent again, with a credential that is not the one that failed: never, where it has been already.
   */
  async recover(sent: Credential, errors: unknown, isRepeated = false): Promise<boolean> {
    const demand = actionOf(errors);
    switch (demand?.action) {
      case "REFRESH":
        return !isRepeated && this.refresh(sent);
      case "SIGN_IN":
        if (await this.#hasChangedSince(sent)) {
          return !isRepeated && this.isSignedIn();
        }
        await this.#end(plain(demand.error));
        return false;
      default:
        return false;
    }
  }

  /**
   * Renews the tokens that were `sent`, once for all who ask, in all tabs. Resolves to whether there are others now; that
   * there are none and the session is not over means that the server was not reached.
   */
  readonly refresh = async (sent: Credential): Promise<boolean> => {
    if (await this.#hasChangedSince(sent)) {
      return this.isSignedIn();
    }
    this.#refreshing ??= this.#tabs.exclusive(() => this.#exchange(sent)).finally(() => (this.#refreshing = null));
    return this.#refreshing;
  };

  /** Whether there is a session, as far as is known without asking. */
  async isSignedIn(): Promise<boolean> {
    return this.#store ? (await this.#store.get()) !== null : !this.#over;
  }

  /** `fetch` with the session's tokens, for every client that takes one. Requests to anywhere but the endpoint have none. */
  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    if (placeOf(request.url) !== placeOf(new Request(this.#endpoint.url).url)) {
      return this.#endpoint.fetch(request);
    }
    const send = (credential: Credential) => {
      const headers = new Headers(request.headers);
      Object.entries(headersOf(credential)).forEach(([name, value]) => headers.set(name, value));
      return this.#endpoint.fetch(request.clone(), { headers, credentials: this.credentials });
    };
    const attempt = async (isRepeated: boolean): Promise<Response> => {
      const sent = await this.credential();
      const response = await send(sent);
      return (await this.recover(sent, await errorsOf(response), isRepeated)) ? attempt(true) : response;
    };
    return attempt(false);
  };

  async #exchange(sent: Credential): Promise<boolean> {
    if (await this.#hasChangedSince(sent)) {
      return this.isSignedIn();
    }
    const tokens = (await this.#store?.get()) ?? null;
    if (!(await this.isSignedIn())) {
      await this.#end(NO_SESSION);
      return false;
    }
    const answer = await exchange(this.#endpoint, tokens?.refreshToken ?? null);
    // Who signed in or out meanwhile has the last word.
    if (await this.#hasChangedSince(sent)) {
      return this.isSignedIn();
    }
    if (answer.kind === "refreshed") {
      const { at } = answer.refreshed;
      this.#ahead = at === null ? this.#ahead : Date.now() - at;
      await this.#store?.set(answer.refreshed.tokens);
      this.#announce({ kind: "REFRESHED" });
    } else if (answer.kind === "over") {
      await this.#end(plain(answer.error));
    }
    return answer.kind === "refreshed";
  }

  async #hasChangedSince(sent: Credential): Promise<boolean> {
    const now = await this.credential();
    return this.#store ? now.token !== sent.token : now.epoch !== sent.epoch;
  }

  async #end(ending: Ending): Promise<void> {
    if (!this.#over) {
      await this.#store?.set(null);
      this.#announce({ kind: "SIGNED_OUT", ending });
    }
  }

  #announce(change: Change): void {
    this.#take(change);
    this.#tabs.tell(change);
  }

  #take(change: Change): void {
    this.#epoch += 1;
    if (change.kind === "SIGNED_OUT") {
      if (this.#over) {
        return;
      }
      this.#over = true;
      this.#onSignedOut(change.ending);
    } else {
      this.#over = false;
    }
    this.#listeners.forEach((listener) => listener(change));
  }
}

function placeOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** An error as other tabs can be told of it: clients make objects of theirs that lose their extensions on the way. */
function plain({ message, extensions }: SessionError): SessionError {
  return extensions ? { message, extensions } : { message };
}

export function headersOf({ token }: Credential): Record<string, string> {
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

/** The errors of an answer that is JSON; a stream is left to who reads it. */
async function errorsOf(response: Response): Promise<unknown> {
  if (!/^application\/(graphql-response\+)?json\b/.test(response.headers.get("content-type") ?? "")) {
    return undefined;
  }
  const body: unknown = await response.clone().json().catch(() => null);
  return (Array.isArray(body) ? body : [body]).flatMap((result: { errors?: unknown } | null) => result?.errors ?? []);
}

/** `LoginResult.tokens`, as `signUp`, `signIn` and `refreshTokens` answer it with `transport: BODY`. */
export interface Tokens {
  readonly accessToken: string;
  readonly accessTokenExpiresAt: string;
  readonly refreshToken: string;
  readonly refreshTokenExpiresAt: string;
}

/** Where tokens are kept. What `get` answers is what `set` was given last, by whichever tab shares it. */
export interface TokenStore {
  get(): Tokens | null | Promise<Tokens | null>;
  set(tokens: Tokens | null): void | Promise<void>;
  /** The name under which tabs that have the same store find each other. None: nobody else has it. */
  readonly sharedAs?: string;
}

/** Tokens that are gone with the page. */
export function memoryTokens(): TokenStore {
  let held: Tokens | null = null;
  return {
    get: () => held,
    set: (tokens) => {
      held = tokens;
    },
  };
}

/** Tokens that all tabs of an origin share, and that every script of that origin can read. */
export function localStorageTokens(key = "sessiongraph"): TokenStore {
  return {
    sharedAs: key,
    get: () => JSON.parse(localStorage.getItem(key) ?? "null") as Tokens | null,
    set: (tokens) => {
      if (tokens) {
        localStorage.setItem(key, JSON.stringify(tokens));
      } else {
        localStorage.removeItem(key);
      }
    },
  };
}

import type { TypedDocumentString } from "../generated/page/graphql";

/** Where the server is: on the page's own origin. */
export const ENDPOINT = "/graphql";

/** Who a request comes from. */
export type Credentials = { kind: "bearer"; token: string } | { kind: "cookies" } | { kind: "none" };

export const NOBODY: Credentials = { kind: "none" };

export interface ServerError {
  message: string;
  extensions?: {
    code?: string;
    reason?: string;
    action?: "REFRESH" | "SIGN_IN" | "RETRY";
    retryAfter?: number;
    field?: string;
    requestId?: string;
  };
}

/** What the server said no to, or why there was no answer at all. */
export class RequestFailed extends Error {
  override name = "RequestFailed";

  constructor(readonly error: ServerError) {
    super(error.message);
  }

  /** The code, with its reason where there is one. */
  get code(): string {
    const { code = "NO_ANSWER", reason } = this.error.extensions ?? {};
    return reason ? `${code} · ${reason}` : code;
  }
}

/** Headers and cookie mode of a request. Without cookies, those of this origin stay at home. */
export function requestInit(credentials: Credentials): { headers: Record<string, string>; credentials: RequestCredentials } {
  return {
    headers: credentials.kind === "bearer" ? { authorization: `Bearer ${credentials.token}` } : {},
    credentials: credentials.kind === "cookies" ? "same-origin" : "omit",
  };
}

/** Sends an operation and gives its data; the first error is thrown. */
export async function execute<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  credentials: Credentials,
  moreHeaders: Record<string, string> = {},
): Promise<Data> {
  const init = requestInit(credentials);
  let response: Response;
  try {
    response = await fetch(ENDPOINT, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/graphql-response+json", ...init.headers, ...moreHeaders },
      credentials: init.credentials,
      body: JSON.stringify({ query: document.toString(), variables }),
    });
  } catch {
    throw new RequestFailed({ message: "The server does not answer. Is it still running?" });
  }
  const body = (await response.json().catch(() => null)) as { data?: Data; errors?: ServerError[] } | null;
  const error = body?.errors?.[0];
  if (error) {
    throw new RequestFailed(error);
  }
  if (!body?.data) {
    throw new RequestFailed({ message: `The server answered ${response.status}, and not with GraphQL.` });
  }
  return body.data;
}

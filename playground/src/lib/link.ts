// Links to a document. They are in the fragment, which browsers send to nobody, and never have a token in them.

export type View = "sessions" | "editor";

export interface Place {
  view: View;
  query: string | null;
  variables: string | null;
}

/** What this server's tokens and JWTs look like. */
const SECRETS = /\b(sg[rk]_[\w-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*)/g;
const SECRET_FIELDS = /("(?:\w*[pP]assword|\w*[tT]oken)"\s*:\s*)"(?:[^"\\]|\\.)*"/g;

/** Where a fragment leads. */
export function placeOf(fragment: string): Place {
  const parameters = new URLSearchParams(fragment.replace(/^#/, ""));
  const query = parameters.get("query");
  return {
    view: query !== null || parameters.has("editor") ? "editor" : "sessions",
    query,
    variables: parameters.get("variables"),
  };
}

export function fragmentOf(view: View): string {
  return `#${view}`;
}

/** A link to a document and its variables, without anything that looks like a secret. */
export function linkTo(page: string, query: string, variables: string): string {
  const parameters = new URLSearchParams({ query: withoutSecrets(query) });
  if (variables.trim()) {
    parameters.set("variables", withoutSecrets(variables));
  }
  const url = new URL(page);
  url.hash = parameters.toString();
  return url.href;
}

function withoutSecrets(text: string): string {
  return text.replace(SECRET_FIELDS, '$1"…"').replace(SECRETS, "…");
}

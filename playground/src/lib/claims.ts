// What an access token says, for people to read. Nobody decides anything by it here: that is for whoever verifies it.

import { decodeJwt, decodeProtectedHeader } from "jose";

export interface Claim {
  name: string;
  value: string;
  meaning: string;
  in: "header" | "payload";
}

const MEANINGS: Record<string, string> = {
  alg: "signed with",
  typ: "an access token (RFC 9068)",
  kid: "which key of the JWKS verifies it",
  iss: "who issued it",
  aud: "who it is for",
  sub: "the account",
  sid: "the session",
  client_id: "the audience again (RFC 9068)",
  jti: "its own id, and behind the dot the generation",
  iat: "issued",
  exp: "expires",
  scope: "the account's permissions",
};
const INSTANTS = ["iat", "exp"];

/** Header and payload, claim by claim; nothing of what is no JWT. */
export function claims(token: string): Claim[] {
  const parts = read(token);
  if (!parts) {
    return [];
  }
  return (["header", "payload"] as const).flatMap((part) =>
    Object.entries(parts[part]).map(([name, value]) => ({
      name,
      value: text(name, value),
      meaning: MEANINGS[name] ?? "added by a hook",
      in: part,
    })),
  );
}

/** How often the session's tokens had been exchanged when this one was issued. */
export function generation(token: string): number | null {
  const { jti } = read(token)?.payload ?? {};
  const digits = typeof jti === "string" ? /\.(\d+)$/.exec(jti)?.[1] : undefined;
  return digits === undefined ? null : Number(digits);
}

function read(token: string) {
  try {
    return { header: decodeProtectedHeader(token), payload: decodeJwt(token) };
  } catch {
    return null;
  }
}

function text(name: string, value: unknown): string {
  if (typeof value === "number" && INSTANTS.includes(name)) {
    return new Date(value * 1000).toISOString().replace(".000", "");
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

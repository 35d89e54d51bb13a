// Seeming to be another browser. The Fetch standard lets a page set its User-Agent; Firefox and Safari do so, Chromium
// drops the header without a word. There a service key can open a session in the name of another browser instead, and
// this one presents its token: the same check, the other way round.

import { ENDPOINT, execute } from "../api/client";
import { OpenSessionForDocument } from "../generated/page/graphql";
import { exchange } from "../state/actions";
import type { Login, Session } from "../state/model";

const AGENTS = {
  firefox: { name: "Firefox on Windows", text: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0" },
  safari: {
    name: "Safari on an iPhone",
    text: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
  },
};

/** A browser that the session's is not. */
export function otherAgent(session: Session): { name: string; text: string } {
  return session.connectionInfo.browser === "Firefox" ? AGENTS.safari : AGENTS.firefox;
}

/** Whether this browser lets a page say which browser it is. */
export function canChangeAgent(): boolean {
  return new Request(ENDPOINT, { headers: { "user-agent": "another" } }).headers.get("user-agent") === "another";
}

export interface Attempt {
  before: string;
  after: string;
  present: () => Promise<Login>;
  /** The session that was opened for it. */
  opened?: Session;
}

export async function presentAsAnotherBrowser(session: Session, token: string, serviceKey: string | null): Promise<Attempt> {
  const agent = otherAgent(session);
  if (canChangeAgent()) {
    return {
      before: `This request says that it comes from ${agent.name}.`,
      after: "It presents your refresh token.",
      present: () => exchange(token, { "user-agent": agent.text }),
    };
  }
  const input = {
    accountId: session.account.id,
    connectionInfo: { ip: session.connectionInfo.ip, userAgent: agent.text },
    metadata: { openedBy: "playground" },
  };
  const { login } = await execute(OpenSessionForDocument, { input }, { kind: "bearer", token: serviceKey ?? "" });
  return {
    before: `With the service key, a session of ${agent.name} is opened on your account.`,
    after: "This browser presents the refresh token of that session.",
    present: () => exchange(login.tokens?.refreshToken ?? ""),
    opened: login.session,
  };
}

/** The same in a terminal, where curl is another browser. */
export function curlCommand(origin: string, token: string): string {
  const query = "mutation ($token: String!) { refreshTokens(input: {refreshToken: $token}) { refreshOutcome } }";
  const body = JSON.stringify({ query, variables: { token } });
  return `curl -s ${origin}${ENDPOINT} -H 'content-type: application/json' -d '${body}'`;
}

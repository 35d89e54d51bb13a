import { useMemo } from "react";

import { claims } from "../lib/claims";
import type { Tokens } from "../state/model";
import { CopyButton } from "./CopyButton";

/** Both tokens of a session, and what the access token says. */
export function Token({ tokens, name, now }: { tokens: Tokens; name: string; now: number }) {
  const all = useMemo(() => claims(tokens.accessToken), [tokens.accessToken]);
  const isExpired = Date.parse(tokens.accessTokenExpiresAt) <= now;
  return (
    <div className="tokens">
      <p>
        <span>Refresh token</span>
        <code>{masked(tokens.refreshToken)}</code>
        <CopyButton text={() => tokens.refreshToken} what={`the refresh token of session ${name}`} />
      </p>
      <p>
        <span>Access token</span>
        <code className={isExpired ? "struck" : undefined}>{masked(tokens.accessToken)}</code>
        <CopyButton text={() => tokens.accessToken} what={`the access token of session ${name}`} />
      </p>
      <details>
        <summary>What the access token says</summary>
        <div className="claims" role="region" aria-label={`Claims of the access token of session ${name}`} tabIndex={0}>
          <table>
            <thead className="visually-hidden">
              <tr>
                <th scope="col">Claim</th>
                <th scope="col">Value</th>
              </tr>
            </thead>
            <tbody>
              {all.map(({ name: claim, value, meaning, in: part }) => (
                <tr key={`${part}.${claim}`}>
                  <th scope="row">{claim}</th>
                  <td>
                    <code>{value || "(none)"}</code>
                    <small>{meaning}</small>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </div>
  );
}

/** Where it starts and ends: enough to see that it changed. */
function masked(token: string): string {
  return `${token.slice(0, 8)}…${token.slice(-6)}`;
}

import type { Session, Tokens } from "../state/model";
import { left, share } from "../lib/time";

/** The three ends of a session: of its access token, of its idleness, and of it all. */
export function Clocks({ session, tokens, now }: { session: Session; tokens: Tokens | null; now: number }) {
  return (
    <ul className="clocks" aria-label="What is left">
      {tokens && (
        <Clock
          name="Access token"
          title="Until the next refresh is due"
          from={session.refreshedAt}
          to={tokens.accessTokenExpiresAt}
          now={now}
          over="expired"
        />
      )}
      <Clock name="Idle" title="Until it ends unless refreshed; each refresh moves it" from={session.refreshedAt} to={session.expiresAt} now={now} />
      <Clock name="In all" title="Until it ends whatever happens" from={session.createdAt} to={session.absoluteExpiresAt} now={now} />
    </ul>
  );
}

interface Props {
  name: string;
  title: string;
  from: string;
  to: string;
  now: number;
  over?: string;
}

function Clock({ name, title, from, to, now, over = "over" }: Props) {
  const rest = Date.parse(to) - now;
  const part = share(from, to, now);
  return (
    <li title={title} className={rest <= 0 ? "gone" : part < 0.15 ? "short" : undefined}>
      <span>{name}</span>
      <progress max={1} value={part} aria-label={`${name}: what is left`} />
      <time dateTime={to}>{rest <= 0 ? over : left(rest)}</time>
    </li>
  );
}

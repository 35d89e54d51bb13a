import { endSessions, signIn } from "../state/actions";
import { forgotten } from "../state/changes";
import type { FeedStatus } from "../state/model";
import { passwordOf } from "../state/passwords";
import { type AccountGroup, callerFor, shortId } from "../state/select";
import { change, getState, useSelected } from "../state/store";
import { ago } from "../lib/time";
import { CopyButton } from "./CopyButton";
import { SessionCard } from "./SessionCard";
import { useNow } from "./useNow";
import { useTask } from "./useTask";

const FEEDS: Record<FeedStatus, { text: string; tone: string }> = {
  connecting: { text: "connecting", tone: "warn" },
  live: { text: "events live", tone: "good" },
  expired: { text: "no events: access token expired", tone: "warn" },
  waiting: { text: "connection lost, trying again", tone: "warn" },
  closed: { text: "no events: no live session here", tone: "neutral" },
};

export function Account({ group }: { group: AccountGroup }) {
  const feed = FEEDS[useSelected(({ feeds }) => feeds[group.id]) ?? "connecting"];
  const held = useSelected((state) => state.held);
  const { running, failure, run } = useTask();
  const password = passwordOf(group.id);
  const caller = () => callerFor(getState(), group.id, Date.now());
  return (
    <section className="account" aria-labelledby={`account-${group.id}`}>
      <header>
        <div className="account-title">
          <h2 id={`account-${group.id}`}>{group.name}</h2>
          <span className={`badge ${feed.tone}`}>
            <i aria-hidden="true" />
            {feed.text}
          </span>
        </div>
        <div className="account-id">
          <code>{group.id}</code>
          <CopyButton text={() => group.id} what={`the account id of ${group.name}`} />
        </div>
        <div className="toolbar">
          {password !== undefined && (
            <button
              type="button"
              className="button small"
              disabled={running}
              onClick={() => void run(() => signIn(group.name, password, "BODY"))}
            >
              Open another session
            </button>
          )}
          <button
            type="button"
            className="button small danger"
            disabled={running || group.active.length === 0 || caller() === null}
            onClick={() => void run(async () => await endSessions(caller() ?? "", "ALL"))}
          >
            End all
          </button>
        </div>
      </header>
      {failure && (
        <p className="failure" role="alert">
          {failure}
        </p>
      )}
      <div className="cards">
        {group.active.map((session) => (
          <SessionCard key={session.id} session={session} held={held[session.id] ?? null} />
        ))}
      </div>
      {group.active.length === 0 && <p className="empty">No session of this account is open in this page. Sign in again, and you see those of other browsers too.</p>}
      {group.over.length > 0 && <Over group={group} />}
    </section>
  );
}

/** What was, and how it ended. */
function Over({ group }: { group: AccountGroup }) {
  const now = useNow();
  const held = useSelected((state) => state.held);
  const mine = group.over.filter(({ id }) => held[id]);
  return (
    <details className="over" open={group.active.length === 0 || undefined}>
      <summary>
        {group.over.length} {group.over.length === 1 ? "session is" : "sessions are"} over
      </summary>
      <ul>
        {group.over.map((session) => (
          <li key={session.id}>
            <code>{shortId(session.id)}</code>
            <span>{session.connectionInfo.browser ?? "Unknown browser"}</span>
            <strong className="reason">{session.invalidationReason ?? session.status}</strong>
            <time dateTime={session.invalidatedAt ?? session.expiresAt}>
              {ago(now - Date.parse(session.invalidatedAt ?? session.expiresAt))}
            </time>
          </li>
        ))}
      </ul>
      {mine.length > 0 && (
        <button type="button" className="button quiet small" onClick={() => mine.forEach(({ id }) => change(forgotten, id))}>
          Forget their tokens
        </button>
      )}
    </details>
  );
}

import { endSessions, logOut, refresh } from "../state/actions";
import type { Held, Session } from "../state/model";
import { callerFor, shortId } from "../state/select";
import { getState, setOptions, useSelected } from "../state/store";
import { generation } from "../lib/claims";
import { ago } from "../lib/time";
import { Clocks } from "./Clocks";
import { Token } from "./Token";
import { useNow } from "./useNow";
import { useTask } from "./useTask";

/** A session, with what can be done with it. `held` is null for those of other browsers. */
export function SessionCard({ session, held }: { session: Session; held: Held | null }) {
  const now = useNow();
  const isSelected = useSelected(({ identity }) => identity.kind === "session" && identity.sessionId === session.id);
  const { running, failure, run } = useTask();
  const { connectionInfo: from, id } = session;
  const tokens = held?.tokens ?? null;
  const device = [from.browser ?? "Unknown browser", from.operatingSystem].filter(Boolean).join(" on ");
  const place = held ? (tokens ? "in this page" : "in cookies") : "elsewhere";
  const endIt = async () => {
    const caller = callerFor(getState(), session.account.id, Date.now(), id) ?? id;
    await endSessions(caller, "ONE", id);
  };
  const outcome = failure ?? (held?.last?.failed ? held.last.text : null);
  return (
    <article className={`panel card${isSelected ? " selected" : ""}`} aria-label={`Session ${shortId(id)}: ${device}`}>
      <header>
        <h3>{device}</h3>
        <span className="badge good">
          <i aria-hidden="true" />
          {session.status.toLowerCase()}
        </span>
      </header>
      <dl className="facts">
        <div>
          <dt>Session</dt>
          <dd>
            <code title={id}>{shortId(id)}</code> · {place}
          </dd>
        </div>
        <div>
          <dt>Device</dt>
          <dd>
            {(from.deviceKind ?? "unknown").toLowerCase()}, {from.ip}
          </dd>
        </div>
        <div>
          <dt>Last seen</dt>
          <dd>{ago(now - Math.max(Date.parse(session.lastSeenAt), Date.parse(session.refreshedAt)))}</dd>
        </div>
        {tokens && (
          <div>
            <dt>Generation</dt>
            <dd>
              <output className="generation">{generation(tokens.accessToken) ?? "?"}</output>
              {held?.last && !held.last.failed && <span className="last">{held.last.text}</span>}
            </dd>
          </div>
        )}
      </dl>
      <Clocks session={session} tokens={tokens} now={now} />
      {tokens && <Token tokens={tokens} name={shortId(id)} now={now} />}
      {held && !tokens && (
        <p className="note">
          Its tokens are in HttpOnly cookies. This page uses them like any other and cannot read them.
          {held.last && !held.last.failed && <span className="last"> {held.last.text}</span>}
        </p>
      )}
      {outcome && (
        <p className="failure" role="alert">
          {outcome}
        </p>
      )}
      <div className="toolbar">
        {held ? (
          <>
            <button type="button" className="button small primary" disabled={running || held.paused} onClick={() => void run(() => refresh(id).catch(() => {}))}>
              Refresh
            </button>
            <button type="button" className="button small" disabled={running} onClick={() => void run(() => logOut(id))}>
              Log out
            </button>
            <button type="button" className="button small" disabled={running} onClick={() => void run(() => endSessions(id, "OTHERS"))}>
              End others
            </button>
          </>
        ) : (
          <button type="button" className="button small danger" disabled={running} onClick={() => void run(endIt)}>
            End it
          </button>
        )}
        {held && (
          <label className="act-as">
            <input
              type="radio"
              name="act-as"
              checked={isSelected}
              onChange={() => setOptions({ identity: { kind: "session", sessionId: id } })}
            />
            <span>Act as it</span>
          </label>
        )}
      </div>
    </article>
  );
}

import { timeOfDay } from "../lib/time";
import { accountName, shortId } from "../state/select";
import { useSelected } from "../state/store";

const TONES = { CREATED: "good", REFRESHED: "neutral", INVALIDATED: "bad" } as const;

export function Events() {
  const events = useSelected((state) => state.events);
  const hasFeed = useSelected((state) => Object.values(state.feeds).includes("live"));
  return (
    <section className="events" aria-labelledby="events-title">
      <header>
        <h2 id="events-title">Events</h2>
        <code>sessionEvents</code>
      </header>
      {events.length === 0 ? (
        <p className="empty">
          {hasFeed ? "Listening. Refresh a session, or end one, here or in another browser." : "What happens to your sessions shows up here, as it happens."}
        </p>
      ) : (
        <ol aria-live="polite" aria-relevant="additions" tabIndex={0} aria-labelledby="events-title">
          {events.map(({ id, kind, at, refreshOutcome, session }) => (
            <li key={id}>
              <time dateTime={at}>{timeOfDay(at)}</time>
              <span className={`kind ${TONES[kind]}`}>{kind}</span>
              <span className="whose">
                {accountName(session)} <code>{shortId(session.id)}</code>
              </span>
              <span className="why">{kind === "INVALIDATED" ? session.invalidationReason : refreshOutcome}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

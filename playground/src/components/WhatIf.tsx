import { type ReactNode, useEffect, useRef, useState } from "react";

import { left } from "../lib/time";
import { describe } from "../state/actions";
import { heldChanged } from "../state/changes";
import { accountName, liveHeld, shortId } from "../state/select";
import { change, getState, setOptions, useSelected } from "../state/store";
import { canChangeAgent, curlCommand } from "../whatif/agent";
import type { Scenario, Step } from "../whatif/scenario";
import { SCENARIOS } from "../whatif/scenarios";
import { CopyButton } from "./CopyButton";
import { CREATE_KEY, ServiceKeyField } from "./ServiceKeyField";
import { useNow } from "./useNow";

export function WhatIf() {
  const state = useSelected((all) => all);
  const live = liveHeld(state);
  const selected = state.identity.kind === "session" ? state.identity.sessionId : null;
  const sessionId = selected && live.includes(selected) ? selected : (live[0] ?? null);
  const [running, setRunning] = useState<string | null>(null);
  return (
    <section className="what-if" aria-labelledby="what-if-title">
      <header>
        <h2 id="what-if-title">What if</h2>
        {live.length > 0 && (
          <label>
            <span>on</span>
            <select
              aria-label="Session to experiment on"
              value={sessionId ?? ""}
              disabled={running !== null}
              onChange={(event) => setOptions({ identity: { kind: "session", sessionId: event.target.value } })}
            >
              {live.map((id) => (
                <option key={id} value={id}>
                  {accountName(state.sessions[id])} · {shortId(id)}
                  {state.held[id]?.tokens ? "" : " (cookies)"}
                </option>
              ))}
            </select>
          </label>
        )}
      </header>
      {SCENARIOS.map((scenario) => (
        <Experiment
          key={scenario.id}
          scenario={scenario}
          sessionId={sessionId}
          isFree={running === null}
          setRunning={(is) => setRunning(is ? scenario.id : null)}
        />
      ))}
    </section>
  );
}

interface Props {
  scenario: Scenario;
  sessionId: string | null;
  isFree: boolean;
  setRunning: (is: boolean) => void;
}

interface Waiting {
  until: number;
  why: string;
  go: () => void;
  cancel: () => void;
}

function Experiment({ scenario, sessionId, isFree, setRunning }: Props) {
  const [steps, setSteps] = useState<Step[]>([]);
  const [failure, setFailure] = useState<string | null>(null);
  const [waiting, setWaiting] = useState<Waiting | null>(null);
  const held = useSelected((state) => (sessionId ? state.held[sessionId] : undefined));
  const serviceKey = useSelected((state) => state.serviceKey);
  const isMissingKey = scenario.code === "AGENT_CHANGED" && !canChangeAgent() && !serviceKey;
  const isUnreadable = scenario.needsTokens && held !== undefined && held.tokens === null;
  const canRun = isFree && held !== undefined && !held.paused && !isUnreadable && !isMissingKey;
  const start = async () => {
    if (!sessionId) {
      return;
    }
    setRunning(true);
    setSteps([]);
    setFailure(null);
    change(heldChanged, sessionId, { paused: true });
    try {
      await scenario.run({
        sessionId,
        report: (step) => setSteps((before) => [...before, step]),
        wait: (milliseconds, why) =>
          new Promise((resolve) => {
            const done = (isOver: boolean) => {
              clearTimeout(timer);
              setWaiting(null);
              resolve(isOver);
            };
            const timer = setTimeout(() => done(false), milliseconds);
            setWaiting({ until: Date.now() + milliseconds, why, go: () => done(false), cancel: () => done(true) });
          }),
      });
    } catch (error) {
      setFailure(describe(error));
    } finally {
      change(heldChanged, sessionId, { paused: false });
      setRunning(false);
    }
  };
  return (
    <details className="experiment" name="what-if">
      <summary>
        <span>{scenario.title}</span>
        <code>{scenario.code}</code>
      </summary>
      <p>{scenario.lesson}</p>
      {held === undefined && <p className="note">Sign up first: it runs on a session of yours.</p>}
      {isUnreadable && <p className="note">This session's tokens are in HttpOnly cookies: no script, and no script of a thief's, can read them. Choose one that holds its tokens in the page.</p>}
      {held?.tokens && scenario.code === "AGENT_CHANGED" && !canChangeAgent() && <WithoutHeader token={() => getState().held[sessionId ?? ""]?.tokens?.refreshToken ?? ""} />}
      <div className="toolbar">
        <button
          type="button"
          className="button small primary"
          aria-label={`Try it: ${scenario.title}`}
          disabled={!canRun}
          onClick={() => void start()}
        >
          Try it
        </button>
      </div>
      <Steps steps={steps} waiting={waiting}>
        {failure && (
          <li className="bad" role="alert">
            {failure}
          </li>
        )}
      </Steps>
    </details>
  );
}

/** Chromium lets no page say that it is another browser, so something else has to. */
function WithoutHeader({ token }: { token: () => string }) {
  return (
    <div className="note">
      <p>
        Your browser does not let a page change its User-Agent. With a service key the page opens a session in another browser's name and
        presents its token from here. Make one:
      </p>
      <p className="command">
        <code>{CREATE_KEY}</code>
        <CopyButton text={() => CREATE_KEY} what="the command that makes a service key" />
      </p>
      <ServiceKeyField label="Service key" />
      <p className="command">
        <span>Or present this session's token with curl, which is another browser too:</span>
        <CopyButton text={() => curlCommand(window.location.origin, token())} what="the curl command" label="Copy curl" />
      </p>
    </div>
  );
}

function Steps({ steps, waiting, children }: { steps: Step[]; waiting: Waiting | null; children: ReactNode }) {
  const end = useRef<HTMLLIElement>(null);
  useEffect(() => {
    // What it returns in newer browsers, a promise, is nothing to clean up with.
    void end.current?.scrollIntoView({ block: "nearest" });
  }, [steps.length, waiting]);
  return (
    <ol className="steps" aria-live="polite">
      {steps.map(({ text, outcome, tone }, index) => (
        <li key={index} className={tone}>
          {outcome && <strong>{outcome}</strong>}
          {text}
        </li>
      ))}
      {waiting && <Countdown {...waiting} />}
      {children}
      <li ref={end} className="end" aria-hidden="true" />
    </ol>
  );
}

function Countdown({ until, why, go, cancel }: Waiting) {
  const now = useNow();
  return (
    <li className="waiting">
      <strong role="timer" aria-live="off">
        {left(until - now)}
      </strong>
      {why}
      <span className="toolbar">
        <button type="button" className="button small" onClick={go}>
          Present it now
        </button>
        <button type="button" className="button quiet small" onClick={cancel}>
          Stop
        </button>
      </span>
    </li>
  );
}

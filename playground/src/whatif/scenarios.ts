import { RequestFailed } from "../api/client";
import { exchange, readSessions } from "../state/actions";
import { exchanged, knows } from "../state/changes";
import type { Login, State } from "../state/model";
import { change, getState } from "../state/store";
import { otherAgent, presentAsAnotherBrowser } from "./agent";
import type { Run, Scenario } from "./scenario";

/** `refresh_grace` and `clock_skew` where nobody has configured them. */
const GRACE = 35_000;
const AGAIN = 10_000;

const twoTabs: Scenario = {
  id: "two-tabs",
  title: "Two tabs refresh at once",
  lesson: "Both send the same refresh token. One exchanges it, the other gets the same successor: nobody is logged out.",
  code: "CONVERGED",
  needsTokens: false,
  async run({ sessionId, report }) {
    const token = refreshTokenOf(getState(), sessionId);
    report({ text: `Both tabs send ${token ? tail(token) : "the cookie"} at the same moment.`, tone: "neutral" });
    const answers = await Promise.all([exchange(token), exchange(token)]);
    answers.forEach((login, tab) => {
      report({ text: `Tab ${tab + 1} got ${login.tokens ? tail(login.tokens.refreshToken) : "new cookies"}.`, ...outcome(login) });
    });
    const [first, second] = answers;
    change(exchanged, (first?.refreshOutcome === "ROTATED" ? first : second) as Login);
    const converged = answers.some(({ refreshOutcome }) => refreshOutcome === "CONVERGED");
    report(
      converged
        ? { text: "One session, one successor, two happy tabs.", tone: "good" }
        : { text: "One was through before the other began, so there was nothing to converge. Try again.", tone: "neutral" },
    );
  },
};

const lostAnswer: Scenario = {
  id: "lost-answer",
  title: "The answer is lost on the way",
  lesson: "A phone refreshes and goes offline before the answer is there. Its old token still works, as long as nothing shows that the new one arrived.",
  code: "RECOVERED",
  needsTokens: true,
  async run({ sessionId, report, wait }) {
    const token = refreshTokenOf(getState(), sessionId) ?? "";
    const lost = await exchange(token);
    report({ text: `Sent ${tail(token)}. The answer, ${tail(lost.tokens?.refreshToken)}, is thrown away: the phone never saw it.`, ...outcome(lost) });
    let patience = GRACE;
    for (;;) {
      const why = "Within the grace the old token would simply get the same answer again (CONVERGED), so the phone has to come back later: after 30 s, and 5 s for clocks that differ.";
      if (await wait(patience, why)) {
        return;
      }
      const login = await exchange(token);
      if (login.refreshOutcome === "CONVERGED") {
        report({ text: "Still within the grace: the same successor again. It is thrown away too.", ...outcome(login) });
        patience = AGAIN;
        continue;
      }
      change(exchanged, login);
      report({ text: `The phone is back with the old token and gets ${tail(login.tokens?.refreshToken)}. The lost one is void from now on.`, ...outcome(login), tone: "good" });
      return;
    }
  },
};

const stolenToken: Scenario = {
  id: "stolen-token",
  title: "Somebody has stolen a refresh token",
  lesson: "An old token turns up again although its successors are in use: two parties hold this session. The server ends it, for both.",
  code: "REFRESH_TOKEN_REUSED",
  needsTokens: true,
  async run({ sessionId, report }) {
    const stolen = refreshTokenOf(getState(), sessionId) ?? "";
    report({ text: `A thief copies ${tail(stolen)}.`, tone: "neutral" });
    for (const _ of [1, 2]) {
      const login = await exchange(refreshTokenOf(getState(), sessionId));
      change(exchanged, login);
      report({ text: `You go on as ever, and hold ${tail(login.tokens?.refreshToken)}.`, ...outcome(login) });
    }
    report(await refusal(() => exchange(stolen), `The thief presents ${tail(stolen)}.`));
    report(await refusal(() => exchange(refreshTokenOf(getState(), sessionId)), "You refresh once more: the session is over for you too, and you sign in again."));
    await readSessions(getState().sessions[sessionId]?.account.id ?? "", sessionId).catch(() => {});
  },
};

const changedBrowser: Scenario = {
  id: "changed-browser",
  title: "Another browser presents the token",
  lesson: "A session belongs to the browser that opened it, by family: updates are fine, another browser is not. The session itself stays.",
  code: "AGENT_CHANGED",
  needsTokens: true,
  async run({ sessionId, report }) {
    const session = getState().sessions[sessionId];
    const token = refreshTokenOf(getState(), sessionId);
    if (!session || !token) {
      return;
    }
    const attempt = await presentAsAnotherBrowser(session, token, getState().serviceKey);
    report({ text: attempt.before, tone: "neutral" });
    report(await refusal(attempt.present, attempt.after));
    if (attempt.opened) {
      change(knows, [attempt.opened]);
    }
    const login = await exchange(token);
    change(exchanged, login);
    report({ text: "Your own browser goes on with its own token.", ...outcome(login), tone: "good" });
  },
};

export const SCENARIOS: Scenario[] = [twoTabs, lostAnswer, stolenToken, changedBrowser];

export { otherAgent };

function refreshTokenOf(state: State, sessionId: string): string | null {
  return state.held[sessionId]?.tokens?.refreshToken ?? null;
}

/** Enough of a token to tell it from others. */
function tail(token: string | undefined): string {
  return `…${(token ?? "").slice(-6)}`;
}

function outcome({ refreshOutcome }: Login): { outcome: string; tone: "neutral" | "good" } {
  const text = refreshOutcome ?? "";
  return { outcome: text, tone: text === "CONVERGED" || text === "RECOVERED" ? "good" : "neutral" };
}

/** A step whose point is that the server says no. */
async function refusal(attempt: () => Promise<Login>, text: string): Promise<Parameters<Run["report"]>[0]> {
  try {
    return { text, ...outcome(await attempt()) };
  } catch (error) {
    if (error instanceof RequestFailed) {
      return { text, outcome: error.code, tone: "bad" };
    }
    throw error;
  }
}

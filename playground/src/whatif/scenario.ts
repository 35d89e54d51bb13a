// What the what-ifs have in common: they run on a session that the page holds, and tell what they do as they do it.

export interface Step {
  text: string;
  /** What the server said, in its own words. */
  outcome?: string;
  tone: "neutral" | "good" | "bad";
}

export interface Run {
  sessionId: string;
  report(step: Step): void;
  /** Waits, visibly; true when there is no sense in going on. */
  wait(milliseconds: number, why: string): Promise<boolean>;
}

export interface Scenario {
  id: string;
  title: string;
  /** What it teaches, in a line. */
  lesson: string;
  /** The outcome it is about. */
  code: string;
  /** Whether it needs tokens that a script can read. */
  needsTokens: boolean;
  run(run: Run): Promise<void>;
}

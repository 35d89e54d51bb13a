// Subscriptions that outlive what they are carried by: tokens, connections, servers.

import { actionOf } from "./errors.js";
import type { ClientSession, Credential } from "./session.js";

interface Sink {
  next(result: unknown): void;
  error(error: unknown): void;
  complete(): void;
}

type Subscribe = (sink: Sink) => () => void;

/** How one attempt ended. */
type End = { kind: "complete" } | { kind: "failed"; error: unknown } | { kind: "refused"; result: Result };
type Result = { readonly errors?: readonly unknown[] | undefined };

/** What to do about it: at once again, later again, or no more. */
type Next = { again: "now" | "later" } | { again: "never"; tell?: (sink: Sink) => void };

const UNAUTHORIZED = [4401, 4403];
/** The client's own mistakes: trying again would repeat them. */
const MISTAKES = [4400, 4406, 4409, 4429];
/** What lives as long as that has begun well. */
const STABLE_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/** Subscribes again and again until it is told to stop, the session is over, or the server refuses the operation itself. */
export function endless(session: ClientSession, subscribe: Subscribe, sink: Sink): () => void {
  let isOver = false;
  let stop = () => {};
  const stopped = new Promise<null>((resolve) => (stop = () => resolve(null)));
  const finish = (tell?: (sink: Sink) => void) => {
    if (!isOver) {
      isOver = true;
      unlisten();
      stop();
      tell?.(sink);
    }
  };
  const unlisten = session.listen(({ kind }) => {
    if (kind === "SIGNED_OUT") {
      finish((sink) => sink.complete());
    }
  });
  const next = (result: unknown) => {
    if (!isOver) {
      sink.next(result);
    }
  };
  const run = async () => {
    for (let failures = 0; !isOver; ) {
      const sent = await session.credential();
      const since = Date.now();
      const end = await attempt(subscribe, next, stopped);
      const then: Next = end ? await decide(session, sent, end) : { again: "never" };
      if (then.again === "never") {
        finish(then.tell);
        return;
      }
      failures = Date.now() - since < STABLE_MS ? failures + 1 : 0;
      const wait = failures <= 1 && then.again === "now" ? 0 : Math.min(LONGEST_WAIT_MS, 250 * 2 ** failures);
      await Promise.race([stopped, new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random() / 2)))]);
    }
  };
  run().catch((error: unknown) => finish((sink) => sink.error(error)));
  return () => finish();
}

/** One attempt, until it ends; null when it was stopped. */
async function attempt(subscribe: Subscribe, next: Sink["next"], stopped: Promise<null>): Promise<End | null> {
  let release = () => {};
  const ended = new Promise<End>((resolve) => {
    release = subscribe({
      next: (result) => {
        const action = actionOf((result as Result).errors)?.action;
        if (action === "REFRESH" || action === "SIGN_IN") {
          resolve({ kind: "refused", result: result as Result });
        } else {
          next(result);
        }
      },
      error: (error) => resolve({ kind: "failed", error }),
      complete: () => resolve({ kind: "complete" }),
    });
  });
  const end = await Promise.race([stopped, ended]);
  release();
  return end;
}

async function decide(session: ClientSession, sent: Credential, end: End): Promise<Next> {
  const refused = (tell: (sink: Sink) => void): Next => ({ again: "never", tell });
  const unlessOver = async (again: "now" | "later"): Promise<Next> =>
    (await session.isSignedIn()) ? { again } : refused((sink) => sink.complete());
  if (end.kind === "complete") {
    // A token that has expired, a server that stops: the next attempt will tell.
    return unlessOver("now");
  }
  if (end.kind === "refused") {
    return (await session.recover(sent, end.result.errors)) ? { again: "now" } : unlessOver("later");
  }
  const { error } = end;
  if (Array.isArray(error)) {
    return (await session.recover(sent, error)) ? { again: "now" } : refused((sink) => sink.error(error));
  }
  const { code, response } = (error ?? {}) as { code?: number; response?: { status?: number } };
  const status = response?.status ?? 0;
  if (UNAUTHORIZED.includes(code ?? 0) || status === 401) {
    return (await session.refresh(sent)) ? { again: "now" } : unlessOver("later");
  }
  if (MISTAKES.includes(code ?? 0) || (status >= 400 && status < 500)) {
    return refused((sink) => sink.error(error));
  }
  return unlessOver("later");
}

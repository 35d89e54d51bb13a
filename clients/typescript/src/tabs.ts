/** The tabs that share a session: one at a time does what must not be done twice, and tells the others. */
export interface Tabs<Message> {
  /** Runs `work` while no other tab is at it. */
  exclusive<T>(work: () => Promise<T>): Promise<T>;
  /** Tells all others. */
  tell(message: Message): void;
}

/** A tab that was frozen while it held the lock must not stop the others. Two at once are safe, only wasteful. */
const PATIENCE_MS = 20_000;
/** What is written to storage, or said to other tabs, reaches them a moment later; whoever is next has to know of it. */
const PROPAGATION_MS = 100;

/**
 * Web Locks are there on secure pages only, and not in every Node.js; without them, or without a name, this tab's work
 * queues by itself, and the server lets parallel refreshes converge.
 */
export function openTabs<Message>(name: string | undefined, heard: (message: Message) => void): Tabs<Message> {
  const channel = name !== undefined && typeof BroadcastChannel !== "undefined" ? new BroadcastChannel(name) : null;
  channel?.addEventListener("message", ({ data }) => heard(data as Message));
  // Node.js would wait for messages for ever.
  (channel as { unref?: () => void } | null)?.unref?.();
  const locks = name === undefined ? undefined : (globalThis.navigator as Navigator | undefined)?.locks;
  let last: Promise<unknown> = Promise.resolve();
  return {
    exclusive: (work) => {
      const run = locks ? () => withLock(locks, name as string, work) : work;
      const result = last.then(run);
      last = result.catch(() => {});
      return result;
    },
    tell: (message) => channel?.postMessage(message),
  };
}

function withLock<T>(locks: LockManager, name: string, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let begun = false;
    const held = async () => {
      begun = true;
      await work().then(resolve, reject);
      await new Promise((done) => setTimeout(done, PROPAGATION_MS));
    };
    locks.request(name, { signal: AbortSignal.timeout(PATIENCE_MS) }, held).catch(() => {
      if (!begun) {
        work().then(resolve, reject);
      }
    });
  });
}

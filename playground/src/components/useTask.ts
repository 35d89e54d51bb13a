import { useRef, useState } from "react";

import { describe } from "../state/actions";

/** Runs one thing at a time, and knows whether it runs and what went wrong last. */
export function useTask() {
  const [running, setRunning] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const busy = useRef(false);
  const run = async (task: () => Promise<unknown>) => {
    if (busy.current) {
      return;
    }
    busy.current = true;
    setRunning(true);
    setFailure(null);
    try {
      await task();
    } catch (error) {
      setFailure(describe(error));
    } finally {
      busy.current = false;
      setRunning(false);
    }
  };
  return { running, failure, run };
}

// The one state of the page. Changes are functions (changes.ts); what talks to the server is in actions.ts.

import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";

import { kept, restored } from "./changes";
import type { State } from "./model";
import { EMPTY } from "./model";

const KEY = "sessiongraph.playground";

export const store = createStore<State>(() => (typeof window === "undefined" ? EMPTY : restored(sessionStorage.getItem(KEY))));

export const getState = store.getState;

/** Applies a change. */
export function change<Rest extends unknown[]>(how: (state: State, ...rest: Rest) => State, ...rest: Rest): void {
  store.setState((state) => how(state, ...rest), true);
}

export function setOptions(options: Partial<Pick<State, "identity" | "serviceKey" | "renews" | "keeps">>): void {
  store.setState(options);
}

/** Reads from the state, and renders again when what was read changes. */
export function useSelected<T>(select: (state: State) => T): T {
  return useStore(store, select);
}

/** Writes to sessionStorage what may be kept, as long as that is wanted, and nothing otherwise. */
export function keepOverReloads(): () => void {
  const write = (state: State) => {
    if (state.keeps) {
      sessionStorage.setItem(KEY, kept(state));
    } else {
      sessionStorage.removeItem(KEY);
    }
  };
  return store.subscribe(write);
}

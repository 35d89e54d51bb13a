// Where GraphiQL keeps tabs, variables and history, which may name tokens and passwords: in memory, or in this tab's
// sessionStorage as long as the reader wants things kept. By itself it would take localStorage.

import { getState, store } from "../state/store";

const PREFIX = "sessiongraph.editor.";
const memory = new Map<string, string>();

function kept(): [string, string][] {
  return Object.keys(sessionStorage)
    .filter((key) => key.startsWith(PREFIX))
    .map((key) => [key.slice(PREFIX.length), sessionStorage.getItem(key) ?? ""]);
}

if (getState().keeps) {
  kept().forEach(([key, value]) => memory.set(key, value));
}

store.subscribe(({ keeps }, before) => {
  if (keeps && !before.keeps) {
    memory.forEach((value, key) => sessionStorage.setItem(PREFIX + key, value));
  } else if (!keeps && before.keeps) {
    kept().forEach(([key]) => sessionStorage.removeItem(PREFIX + key));
  }
});

export const storage = {
  get length() {
    return memory.size;
  },
  getItem: (key: string) => memory.get(key) ?? null,
  setItem: (key: string, value: string) => {
    memory.set(key, value);
    if (getState().keeps) {
      sessionStorage.setItem(PREFIX + key, value);
    }
  },
  removeItem: (key: string) => {
    memory.delete(key);
    sessionStorage.removeItem(PREFIX + key);
  },
  clear: () => {
    memory.clear();
    kept().forEach(([key]) => sessionStorage.removeItem(PREFIX + key));
  },
};

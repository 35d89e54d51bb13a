import { useEffect, useState, useSyncExternalStore } from "react";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "sessiongraph.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return THEMES.find((theme) => theme === value) ?? "auto";
}

function subscribe(listener: () => void): () => void {
  system.addEventListener("change", listener);
  return () => system.removeEventListener("change", listener);
}

/** The theme that was chosen, and the one that it comes to. */
export function useTheme() {
  const [theme, setTheme] = useState(stored);
  const prefersDark = useSyncExternalStore(subscribe, () => system.matches);
  const shown: "light" | "dark" = theme === "auto" ? (prefersDark ? "dark" : "light") : theme;
  useEffect(() => {
    document.documentElement.dataset.theme = shown;
    if (theme === "auto") {
      localStorage.removeItem(KEY);
    } else {
      localStorage.setItem(KEY, theme);
    }
  }, [theme, shown]);
  return { theme, setTheme, shown };
}

import type { KeyboardEvent } from "react";

import type { View } from "../lib/link";
import { THEMES, type Theme } from "./useTheme";

const VIEWS: { view: View; label: string }[] = [
  { view: "sessions", label: "Sessions" },
  { view: "editor", label: "Editor" },
];

interface Props {
  view: View;
  show: (view: View) => void;
  theme: Theme;
  setTheme: (theme: Theme) => void;
}

export function Header({ view, show, theme, setTheme }: Props) {
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const other = view === "sessions" ? "editor" : "sessions";
      show(other);
      document.getElementById(`tab-${other}`)?.focus();
    }
  };
  return (
    <header className="top">
      <h1>
        <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="24" height="24" />
        <span>sessiongraph</span> <small>playground</small>
      </h1>
      <div className="tabs" role="tablist" aria-label="Parts of the playground" onKeyDown={onKeyDown}>
        {VIEWS.map(({ view: each, label }) => (
          <button
            key={each}
            type="button"
            role="tab"
            id={`tab-${each}`}
            aria-controls={`panel-${each}`}
            aria-selected={view === each}
            tabIndex={view === each ? 0 : -1}
            onClick={() => show(each)}
          >
            {label}
          </button>
        ))}
      </div>
      <label className="theme">
        <span>Theme</span>
        <select value={theme} onChange={(event) => setTheme(event.target.value as Theme)}>
          {THEMES.map((each) => (
            <option key={each} value={each}>
              {each === "auto" ? "Auto" : each === "light" ? "Light" : "Dark"}
            </option>
          ))}
        </select>
      </label>
    </header>
  );
}

import { lazy, Suspense, useEffect, useState } from "react";

import { fragmentOf, placeOf, type Place, type View } from "../lib/link";
import { Header } from "./Header";
import { LoadBoundary } from "./LoadBoundary";
import { SessionsView } from "./SessionsView";
import { useTheme } from "./useTheme";

// By far the larger part of the page, and loaded when it is first wanted.
const EditorView = lazy(() => import("../editor/EditorView"));

export function App() {
  const [place, setPlace] = useState<Place>(() => placeOf(window.location.hash));
  const [editorWasOpen, setEditorWasOpen] = useState(place.view === "editor");
  const theme = useTheme();
  useEffect(() => {
    const follow = () => setPlace(placeOf(window.location.hash));
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  const show = (view: View) => {
    window.history.replaceState(null, "", fragmentOf(view));
    setPlace({ view, query: null, variables: null });
  };
  if (place.view === "editor" && !editorWasOpen) {
    setEditorWasOpen(true);
  }
  return (
    <>
      <Header view={place.view} show={show} theme={theme.theme} setTheme={theme.setTheme} />
      <main>
        <div id="panel-sessions" role="tabpanel" aria-labelledby="tab-sessions" hidden={place.view !== "sessions"}>
          <SessionsView />
        </div>
        <div id="panel-editor" role="tabpanel" aria-labelledby="tab-editor" hidden={place.view !== "editor"}>
          {editorWasOpen && (
            <LoadBoundary>
              <Suspense fallback={<p className="loading" role="status">Loading the editor…</p>}>
                <EditorView theme={theme.shown} place={place} />
              </Suspense>
            </LoadBoundary>
          )}
        </div>
      </main>
    </>
  );
}

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./components/App";
import { adoptCookies, readSessions } from "./state/actions";
import { live } from "./state/live";
import { accounts } from "./state/select";
import { getState, keepOverReloads } from "./state/store";
import "./styles/base.css";
import "./styles/page.css";
import "./styles/session.css";
import "./styles/aside.css";

keepOverReloads();
live();
// A server that is not there is told of when somebody wants something of it.
adoptCookies().catch(() => {});
accounts(getState()).forEach(({ id }) => void readSessions(id).catch(() => {}));

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}

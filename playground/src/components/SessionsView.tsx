import { useMemo } from "react";

import { accounts } from "../state/select";
import { useSelected } from "../state/store";
import { Account } from "./Account";
import { Events } from "./Events";
import { Introduction } from "./Introduction";
import { Options } from "./Options";
import { SignInForm } from "./SignInForm";
import { WhatIf } from "./WhatIf";

export function SessionsView() {
  const state = useSelected((all) => all);
  const groups = useMemo(() => accounts(state), [state]);
  return (
    <div className="sessions">
      <div className="sessions-main">
        {groups.length === 0 && <Introduction />}
        <SignInForm isFirst={groups.length === 0} />
        {groups.map((group) => (
          <Account key={group.id} group={group} />
        ))}
        <Options />
      </div>
      <aside className="sessions-aside" aria-label="Experiments and events">
        <WhatIf />
        <Events />
      </aside>
    </div>
  );
}

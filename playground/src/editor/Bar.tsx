import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { type DocumentNode, Kind, type OperationDefinitionNode, parse } from "graphql";
import { useEffect, useRef } from "react";

import { CopyButton } from "../components/CopyButton";
import { ServiceKeyField } from "../components/ServiceKeyField";
import { linkTo, type Place } from "../lib/link";
import type { Identity } from "../state/model";
import { accountName, liveHeld, shortId } from "../state/select";
import { getState, setOptions, useSelected } from "../state/store";
import type { Timing } from "./fetcher";
import { type Item, menu, withCurrentTokens } from "./menu";

const GROUPS: Item["group"][] = ["Queries", "Mutations", "Subscription", "For service keys"];

/** Above GraphiQL: whom to act as, ready-made documents, and how the last answer came. */
export function Bar({ timing, place }: { timing: Timing | null; place: Place }) {
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);
  const { addTab, setOperationFacts } = useGraphiQLActions();
  const isReady = queryEditor !== undefined && variableEditor !== undefined;
  const items = menu(useSelected((state) => state));

  const show = (query: string, variables: string) => {
    if (queryEditor?.getValue().trim() && !isPristine.current) {
      addTab();
    }
    isPristine.current = false;
    queryEditor?.setValue(query);
    variableEditor?.setValue(variables);
    // GraphiQL looks into a document when nobody has typed for a while. Until then it would run the one before.
    setOperationFacts(factsOf(query));
  };
  // The welcome text may be replaced; what somebody wrote gets company.
  const isPristine = useRef(true);
  const shown = useRef<Place | null>(null);
  useEffect(() => {
    if (isReady && place.query !== null && shown.current !== place) {
      shown.current = place;
      show(place.query, place.variables ?? "");
    }
  });

  return (
    <div className="bar">
      <IdentityPicker />
      <label className="picker">
        <span>Document</span>
        <select
          value=""
          disabled={!isReady}
          onChange={(event) => {
            const item = items.find(({ name }) => name === event.target.value);
            if (item) {
              show(item.query, item.variables);
            }
          }}
        >
          <option value="">Choose an operation…</option>
          {GROUPS.map((group) => (
            <optgroup key={group} label={group}>
              {items
                .filter((item) => item.group === group)
                .map(({ name }) => (
                  <option key={name} value={name}>
                    {name}
                  </option>
                ))}
            </optgroup>
          ))}
        </select>
      </label>
      <button
        type="button"
        className="button quiet small"
        disabled={!isReady}
        title="Puts the current tokens in the place of those that have been exchanged since"
        onClick={() => variableEditor?.setValue(withCurrentTokens(variableEditor.getValue(), getState()))}
      >
        Update tokens
      </button>
      <CopyButton
        label="Copy link"
        what="to this document, without tokens and passwords"
        text={() => linkTo(window.location.href, queryEditor?.getValue() ?? "", variableEditor?.getValue() ?? "")}
      />
      <output className="timing" aria-label="Last answer">
        {timing ? `${timing.status} · ${timing.milliseconds.toFixed(timing.milliseconds < 10 ? 1 : 0)} ms · ${size(timing.bytes)}` : ""}
      </output>
    </div>
  );
}

/** What a document has to run; nothing where it cannot be read. */
function factsOf(query: string): { documentAST?: DocumentNode; operationName?: string; operations?: OperationDefinitionNode[] } {
  try {
    const documentAST = parse(query);
    const operations = documentAST.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
    const operationName = operations[0]?.name?.value;
    return { documentAST, operations, ...(operationName === undefined ? {} : { operationName }) };
  } catch {
    return {};
  }
}

function IdentityPicker() {
  const state = useSelected((all) => all);
  const { identity } = state;
  const value = identity.kind === "session" ? identity.sessionId : identity.kind;
  const choose = (chosen: string) => {
    const next: Identity = chosen === "nobody" || chosen === "serviceKey" ? { kind: chosen } : { kind: "session", sessionId: chosen };
    setOptions({ identity: next });
  };
  return (
    <>
      <label className="picker">
        <span>Act as</span>
        <select value={value} onChange={(event) => choose(event.target.value)}>
          {liveHeld(state).map((id) => (
            <option key={id} value={id}>
              {accountName(state.sessions[id])} · {shortId(id)}
              {state.held[id]?.tokens ? "" : " (cookies)"}
            </option>
          ))}
          {identity.kind === "session" && state.sessions[identity.sessionId]?.status !== "ACTIVE" && (
            <option value={identity.sessionId}>
              {accountName(state.sessions[identity.sessionId])} · {shortId(identity.sessionId)} (over)
            </option>
          )}
          <option value="serviceKey">A service key</option>
          <option value="nobody">Nobody</option>
        </select>
      </label>
      {identity.kind === "serviceKey" && <ServiceKeyField label="Key" />}
    </>
  );
}

function size(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KiB`;
}

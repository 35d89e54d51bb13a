import "./workers";
import { DOC_EXPLORER_PLUGIN, DocExplorerStore } from "@graphiql/plugin-doc-explorer";
import { HISTORY_PLUGIN, HistoryStore } from "@graphiql/plugin-history";
import { GraphiQLProvider } from "@graphiql/react";
import { GraphiQL, GraphiQLInterface } from "graphiql";
import { buildSchema } from "graphql";
import { useMemo, useState } from "react";
import "graphiql/style.css";

// The schema of the server that this page is embedded in: introspection may be switched off there.
import sdl from "../../../schema.graphql?raw";
import type { Place } from "../lib/link";
import { Bar } from "./Bar";
import { createFetcher, type Timing } from "./fetcher";
import { storage } from "./storage";
import { usePlainTabs } from "./usePlainTabs";
import "../styles/editor.css";

const WELCOME = `# Choose above whom to act as, then press the button on the right, or Ctrl-Enter.
query Welcome {
  session {
    id
    status
    expiresAt
    account {
      username
    }
  }
}
`;
const PLUGINS = [DOC_EXPLORER_PLUGIN, HISTORY_PLUGIN];

export default function EditorView({ theme, place }: { theme: "light" | "dark"; place: Place }) {
  const [timing, setTiming] = useState<Timing | null>(null);
  const fetcher = useMemo(() => createFetcher(setTiming), []);
  const schema = useMemo(() => buildSchema(sdl), []);
  return (
    <div className="editor">
      <GraphiQLProvider
        fetcher={fetcher}
        schema={schema}
        storage={storage}
        defaultQuery={WELCOME}
        plugins={PLUGINS}
        referencePlugin={DOC_EXPLORER_PLUGIN}
      >
        <DocExplorerStore>
          <HistoryStore>
            <Bar timing={timing} place={place} />
            <Interface theme={theme} />
          </HistoryStore>
        </DocExplorerStore>
      </GraphiQLProvider>
    </div>
  );
}

function Interface({ theme }: { theme: "light" | "dark" }) {
  return (
    <div className="interface" ref={usePlainTabs()}>
      <GraphiQLInterface forcedTheme={theme} defaultEditorToolsVisibility="variables" showPersistHeadersSettings={false}>
        <GraphiQL.Logo> </GraphiQL.Logo>
      </GraphiQLInterface>
    </div>
  );
}

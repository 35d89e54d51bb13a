import { setOptions, useSelected } from "../state/store";

/** The command that makes a key for all that the playground can do with one. */
export const CREATE_KEY =
  "sessiongraph service-key create --name playground --scope accounts:read --scope accounts:write --scope sessions:read --scope sessions:write";

export function ServiceKeyField({ label }: { label: string }) {
  const serviceKey = useSelected((state) => state.serviceKey);
  return (
    <label className="field service-key">
      <span>{label}</span>
      <input
        type="password"
        placeholder="sgk_…"
        autoComplete="off"
        spellCheck={false}
        value={serviceKey ?? ""}
        onChange={(event) => setOptions({ serviceKey: event.target.value.trim() || null })}
      />
    </label>
  );
}

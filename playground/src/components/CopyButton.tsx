import { useEffect, useState } from "react";

/** Copies a text, and says so. */
export function CopyButton({ text, what, label = "Copy" }: { text: () => string; what: string; label?: string }) {
  const [state, setState] = useState<"idle" | "copied" | "refused">("idle");
  useEffect(() => {
    if (state !== "idle") {
      const timer = setTimeout(() => setState("idle"), 1500);
      return () => clearTimeout(timer);
    }
    return undefined;
  }, [state]);
  const copy = () => {
    navigator.clipboard.writeText(text()).then(
      () => setState("copied"),
      () => setState("refused"),
    );
  };
  return (
    <button type="button" className="button quiet small copy" aria-label={`${label} ${what}`} onClick={copy}>
      <span aria-live="polite">{state === "copied" ? "Copied" : state === "refused" ? "Not allowed" : label}</span>
    </button>
  );
}

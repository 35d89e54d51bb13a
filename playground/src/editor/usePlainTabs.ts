import { useGraphiQL } from "@graphiql/react";
import { useLayoutEffect, useRef } from "react";

/**
 * GraphiQL makes a tab of each list item and puts two buttons into it, which assistive technology then cannot reach:
 * nothing within a tab is of interest to it. Here they are what they look like, a list of buttons.
 */
export function usePlainTabs() {
  const container = useRef<HTMLDivElement>(null);
  const tabs = useGraphiQL((state) => state.tabs);
  const active = useGraphiQL((state) => state.activeTabIndex);
  useLayoutEffect(() => {
    container.current?.querySelector(".graphiql-tabs")?.removeAttribute("role");
    container.current?.querySelectorAll(".graphiql-tab").forEach((item, index) => {
      item.removeAttribute("role");
      item.removeAttribute("aria-selected");
      item.querySelector(".graphiql-tab-button")?.setAttribute("aria-current", String(index === active));
    });
  }, [tabs, active]);
  return container;
}

// The pictures in docs/images, of the real page on a real server.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { account, cards, events, openPage, startBrowser, startServer } from "../tests/support/playground.js";

const folder = fileURLToPath(new URL("../../docs/images/", import.meta.url));
mkdirSync(folder, { recursive: true });

// The address as it is by default: it is in the pictures.
const server = await startServer("--public-url", "http://127.0.0.1:4000");
const browser = await startBrowser();
try {
  for (const colorScheme of ["light", "dark"]) {
    const { page, done } = await openPage(browser, server, { colorScheme, viewport: { width: 1280, height: 860 } });
    const picture = (name) => page.screenshot({ path: `${folder}playground-${name}-${colorScheme}.png` });
    const name = colorScheme === "light" ? "ada" : "grace";

    await page.getByLabel("User name").fill(name);
    await page.getByRole("button", { name: "Sign up", exact: true }).click();
    await account(page, name).getByText("events live").waitFor();
    await page.getByRole("button", { name: "Open another session" }).click();
    await cards(page).nth(1).waitFor();
    await cards(page).nth(1).getByText("What the access token says").click();
    await cards(page).nth(1).getByRole("button", { name: "Refresh", exact: true }).click();
    await cards(page).nth(1).getByText("ROTATED").waitFor();
    const twoTabs = page.locator("details.experiment").filter({ hasText: "Two tabs" });
    await twoTabs.locator("summary").click();
    await twoTabs.getByRole("button", { name: /^Try it/ }).click();
    await twoTabs.getByText("two happy tabs").waitFor();
    await events(page).nth(2).waitFor();
    await page.evaluate(() => {
      document.activeElement.blur();
      window.scrollTo(0, 0);
    });
    await page.mouse.move(0, 0);
    await picture("sessions");

    await page.getByRole("tab", { name: "Editor" }).click();
    await page.locator(".graphiql-query-editor .view-lines").waitFor();
    await page.getByRole("combobox", { name: "Document" }).selectOption("viewer");
    await page.getByRole("button", { name: /^Execute query/ }).click();
    await page.locator(".graphiql-response .view-lines").filter({ hasText: "username" }).waitFor();
    await page.mouse.move(0, 0);
    await page.waitForTimeout(500);
    await picture("editor");
    await done();
  }
} finally {
  await browser.close();
  await server.stop();
}

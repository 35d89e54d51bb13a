// docs/clients.md quotes the recipes, word for word.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { describe, test } from "node:test";

const repository = new URL("../../", import.meta.url);
const read = (path) => readFileSync(new URL(path, repository), "utf8");
const page = read("docs/clients.md");
const quotes = [...page.matchAll(/<!-- (examples\/clients\/\S+) -->\n```\w+\n(.*?)\n```/gs)].map(([, path, text]) => ({ path, text }));

describe("docs/clients.md", () => {
  test("quotes the files that it names", () => {
    for (const { path, text } of quotes) {
      assert.ok(`\n${read(path)}`.includes(`\n${text}\n`), `this is not in ${path}:\n${text}`);
    }
  });

  test("quotes all of them", () => {
    const files = readdirSync(new URL("examples/clients", repository), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`.replace(/^.*\/examples\//, "examples/"));
    assert.ok(files.length > 8);
    assert.deepEqual(files.filter((path) => !quotes.some((quote) => quote.path === path)), []);
  });

  test("links to what is there", () => {
    for (const [, target] of page.matchAll(/\]\((?!https:)([^)#]+)/g)) {
      assert.ok(existsSync(new URL(`docs/${target}`, repository)), target);
    }
  });
});

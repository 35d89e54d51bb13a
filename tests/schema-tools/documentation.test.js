// The GraphQL that the documentation shows, in blocks of its own and within shell commands, holds against schema.graphql.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { describe, test } from "node:test";

import { buildSchema, isExecutableDefinitionNode, parse, validate } from "graphql";

import { read, schemaPath } from "./schema.js";

const root = new URL("../../", import.meta.url);
const pages = [
  "README.md",
  ...readdirSync(new URL("docs/", root))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** The blocks of a language on a page, each with the line that it begins on. */
function blocks(page, language) {
  const text = readFileSync(new URL(page, root), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map((match) => ({
    place: `${page}:${text.slice(0, match.index).split("\n").length}`,
    text: match[1],
  }));
}

/** What stands in single quotes in a shell script and begins like a document. */
function inShell({ place, text }) {
  return [...text.matchAll(/'((?:\{ *[a-z_]|(?:query|mutation|subscription)\b)[^']*)'/g)]
    .map((match) => ({ place, text: match[1] }))
    // jq's programs build objects too.
    .filter((document) => !/^\{ ?[a-z]+: \$|^\{ print /.test(document.text));
}

/** What stands in backticks in running text and is a whole document. */
function inText(page) {
  const text = readFileSync(new URL(page, root), "utf8").replaceAll(/^```.*?^```$/gms, "");
  return [...text.matchAll(/`((?:(?:query|mutation|subscription) )?\{ [^`]*\})`/g)].map((match) => ({
    place: page,
    text: match[1],
  }));
}

const schema = buildSchema(read(schemaPath));
const documents = pages.flatMap((page) => [
  ...blocks(page, "graphql"),
  ...blocks(page, "sh").flatMap(inShell),
  ...inText(page),
]);

describe("the documentation", () => {
  test("shows documents", () => {
    assert.ok(documents.length > 20, String(documents.length));
  });

  for (const { place, text } of documents) {
    test(`is valid GraphQL at ${place}: ${text.trim().split("\n")[0]}`, () => {
      const document = parse(text);
      // What another subgraph declares is not for our schema.
      if (document.definitions.every(isExecutableDefinitionNode)) {
        assert.deepEqual(validate(schema, document).map(String), []);
      }
    });
  }
});

// The SDL composes with other subgraphs, without an error and without a hint.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { buildSchema } from "graphql";

import { compositions, read, sample } from "./support/compose.js";

const subgraph = (name, sdl) => ({ name, url: `http://${name}.example.test/graphql`, sdl });
const sessiongraph = subgraph("sessiongraph", read("../../../schema.graphql"));
const posts = subgraph("posts", sample("posts"));
const comments = subgraph("comments", sample("comments"));

for (const [name, compose] of Object.entries(compositions)) {
  describe(name, () => {
    const cases = {
      "by itself": [sessiongraph],
      "with one that extends Account": [sessiongraph, posts],
      "with one that extends Session too, and has pages of its own": [sessiongraph, posts, comments],
      "in another order": [comments, posts, sessiongraph],
    };
    for (const [title, subgraphs] of Object.entries(cases)) {
      test(`composes ${title}`, () => {
        const { supergraph, errors, hints } = compose(subgraphs);
        assert.deepEqual(errors, []);
        assert.deepEqual(hints, []);
        const schema = buildSchema(supergraph, { assumeValidSDL: true });
        const fields = Object.keys(schema.getType("Account").getFields());
        assert.equal(fields.includes("posts"), subgraphs.includes(posts));
        assert.ok(fields.includes("username"));
      });
    }

    test("says so when a subgraph does not fit", () => {
      const other = subgraph("other", sample("comments").replace("type PageInfo @shareable", "type PageInfo"));
      const { errors } = compose([sessiongraph, other]);
      assert.match(errors.join("\n"), /PageInfo/);
    });
  });
}

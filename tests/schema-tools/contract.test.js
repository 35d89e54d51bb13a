// schema.graphql keeps what contract.graphql promises.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { buildSchema, parse } from "graphql";

import { missing } from "./compare.js";
import { contractPath, read, schemaPath } from "./schema.js";

describe("the contract", () => {
  test("is a schema itself, but for the federation directives that it leaves undefined", () => {
    buildSchema(read(contractPath), { assumeValidSDL: true });
  });

  test("is kept by the schema", () => {
    const differences = missing(parse(read(contractPath)), parse(read(schemaPath)));
    assert.equal(differences.join("\n"), "");
  });
});

describe("the comparison", () => {
  const contract = `
    schema @link(url: "https://example.com/v1", import: ["@a", "@b"]) { query: Query }
    directive @oneOf on INPUT_OBJECT
    scalar Date
    interface Thing { id: ID! }
    type Query @key(fields: "id") { one(by: By!, first: Int = 10, to: [Int!]! = [1]): [String!]! }
    type Item implements Thing { id: ID! }
    union Any = Item
    input By @oneOf { id: ID, limit: Limit! = { max: 1, min: 0 } }
    input Limit { min: Int, max: Int }
    enum Kind { A B }
  `;
  const same = (change) => missing(parse(contract), parse(change(contract)));
  const replaced = (from, to) => {
    assert.ok(contract.includes(from), `${from} is in the contract`);
    return same((text) => text.replace(from, to));
  };

  test("takes another order, descriptions and additions", () => {
    assert.deepEqual(same((text) => text), []);
    assert.deepEqual(replaced('["@a", "@b"]', '["@b", "@a"]'), []);
    assert.deepEqual(replaced("{ max: 1, min: 0 }", "{ min: 0, max: 1 }"), []);
    assert.deepEqual(replaced("enum Kind { A B }", 'enum Kind { "second" B A C }'), []);
    assert.deepEqual(replaced("first: Int = 10", "more: Int, size: Int! = 1, first: Int = 10"), []);
    assert.deepEqual(replaced("scalar Date", "scalar Date scalar Time input New { id: ID! }"), []);
    assert.deepEqual(replaced("@key", '@link(url: "https://example.com/v2") @key'), []);
    assert.deepEqual(replaced("enum Kind { A B }", "enum Kind { A } extend enum Kind { B }"), []);
  });

  const cases = [
    ["scalar Date", "", "Date is missing"],
    ["enum Kind { A B }", "", "Kind is missing"],
    ["scalar Date", "enum Date { A }", "Date has kind EnumTypeDefinition, the contract has ScalarTypeDefinition"],
    ["[String!]!", "[String!]", "Query.one has type [String!], the contract has [String!]!"],
    ["one(", "two(", "Query.one is missing"],
    ["by: By!", "by: By", "Query.one(by:) has type By, the contract has By!"],
    ["first: Int = 10, ", "", "Query.one(first:) is missing"],
    ["first: Int = 10", "first: Int", "Query.one(first:) has default none, the contract has 10"],
    ["= [1]", "= [2]", "Query.one(to:) has default [2], the contract has [1]"],
    ["first: Int", "size: Int!, first: Int", "Query.one(size:) is required, the contract does not have it"],
    ["min: Int,", "min: Int, step: Int!,", "Limit.step is required, the contract does not have it"],
    ["max: 1", "max: 2", "By.limit has default {max: 2, min: 0}, the contract has {max: 1, min: 0}"],
    ["A B }", "A }", "Kind.B is missing"],
    [' @key(fields: "id")', "", 'Query lacks the directive @key(fields: "id")'],
    ['"id"', '"key"', 'Query lacks the directive @key(fields: "id")'],
    ["By @oneOf", "By", "By lacks the directive @oneOf"],
    ["directive @oneOf on INPUT_OBJECT", "", "@oneOf is missing"],
    ["on INPUT_OBJECT", "on OBJECT", "@oneOf lacks the location INPUT_OBJECT"],
    ['["@a", "@b"]', '["@a"]', 'schema lacks the directive @link(import: ["@a", "@b"], url: "https://example.com/v1")'],
    ["query: Query", "query: Root", "schema lacks the root query: Query"],
    [" implements Thing", "", "Item lacks the interface Thing"],
    ["Any = Item", "Any = Other", "Any lacks the member Item"],
  ];
  for (const [from, to, difference] of cases) {
    test(`finds ${from} made ${to || "nothing"}: ${difference}`, () => assert.deepEqual(replaced(from, to), [difference]));
  }
});

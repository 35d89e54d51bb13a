// graphql-js reads schema.graphql, and the operations in documents/ hold against it.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";

import {
  Kind,
  TypeInfo,
  buildSchema,
  getNamedType,
  isInputObjectType,
  isObjectType,
  parse,
  validate,
  validateSchema,
  visit,
  visitWithTypeInfo,
} from "graphql";

import { contractPath, read, schemaPath } from "./schema.js";

const folder = new URL("documents/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".graphql"));
const documents = {
  kind: Kind.DOCUMENT,
  definitions: files.flatMap((name) => parse(read(new URL(name, folder).pathname)).definitions),
};

describe("graphql-js", () => {
  test("reads the schema", () => {
    const schema = buildSchema(read(schemaPath));
    assert.deepEqual(validateSchema(schema).map(String), []);
  });

  test("sees that an input is @oneOf, although the schema defines the directive itself", () => {
    const schema = buildSchema(read(schemaPath));
    assert.equal(schema.getType("AccountBy").isOneOf, true);
    const errors = validate(schema, parse('{ account(by: { id: "1", username: "ada" }) { id } }'));
    assert.equal(errors.length, 1);
    assert.match(errors[0].message, /exactly one/i);
  });

  test("finds every operation valid", () => {
    const schema = buildSchema(read(schemaPath));
    assert.deepEqual(validate(schema, documents, undefined, { maxErrors: 1000 }).map(String), []);
  });
});

describe("the operations", () => {
  test("use every field, argument and input field of the contract", () => {
    const contract = buildSchema(read(contractPath), { assumeValidSDL: true });
    const unused = coordinates(contract);
    const info = new TypeInfo(contract);
    const use = (coordinate) => void unused.delete(coordinate);
    const visitor = {
      Field(node) {
        use(`${info.getParentType().name}.${node.name.value}`);
      },
      Argument(node) {
        // Not those of directives.
        if (!info.getDirective()) {
          use(`${info.getParentType().name}.${info.getFieldDef().name}(${node.name.value}:)`);
        }
      },
      ObjectField(node) {
        use(`${getNamedType(info.getParentInputType()).name}.${node.name.value}`);
      },
    };
    visit(documents, visitWithTypeInfo(info, visitor));
    assert.deepEqual([...unused], []);
  });
});

/** What the schema has, as `Type.field` and `Type.field(argument:)`. */
function coordinates(schema) {
  const all = new Set();
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith("__") || !(isObjectType(type) || isInputObjectType(type))) {
      continue;
    }
    for (const field of Object.values(type.getFields())) {
      all.add(`${type.name}.${field.name}`);
      for (const argument of field.args ?? []) {
        all.add(`${type.name}.${field.name}(${argument.name}:)`);
      }
    }
  }
  return all;
}

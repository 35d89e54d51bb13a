// Compares a schema with a contract: whatever the contract has, the schema has too, of the same kind,
// type, nullability and default, with the same directives. It may have more, as long as no document
// that the contract allows becomes invalid by it.
//
// The comparison reads the documents as they are written and no schema built from them: the applied
// directives are lost there, and a contract need not define the directives that it uses.

import { Kind, print, visit } from "graphql";

/** The differences, as sentences; none is an empty array. */
export function missing(contract, schema) {
  const differences = [];
  const ours = byCoordinate(contract);
  const theirs = byCoordinate(schema);
  for (const [coordinate, wanted] of ours) {
    const found = theirs.get(coordinate);
    if (!found) {
      // Of a type or a field that is missing as a whole, the parts need not be listed.
      if (!wanted.parent || theirs.has(wanted.parent)) {
        differences.push(`${coordinate} is missing`);
      }
      continue;
    }
    for (const [property, value] of Object.entries(wanted.properties)) {
      const other = found.properties[property];
      if (other !== value) {
        differences.push(`${coordinate} has ${property} ${other}, the contract has ${value}`);
      }
    }
    for (const [property, values] of Object.entries(wanted.sets)) {
      for (const value of values) {
        if (!found.sets[property].includes(value)) {
          differences.push(`${coordinate} lacks the ${property} ${value}`);
        }
      }
    }
  }
  for (const [coordinate, added] of theirs) {
    if (added.required && ours.has(added.parent) && !ours.has(coordinate)) {
      differences.push(`${coordinate} is required, the contract does not have it`);
    }
  }
  return differences;
}

/** Everything that a document defines, by its coordinate: `Query.account(by:)`, `@key`, `schema`. */
function byCoordinate(document) {
  const elements = new Map();

  function add(coordinate, node, parent, properties, sets = {}) {
    const known = elements.get(coordinate);
    const directives = (node.directives ?? []).map(printDirective);
    sets = { directive: directives, ...sets };
    if (known) {
      // An extension of what is defined elsewhere.
      for (const [property, values] of Object.entries(sets)) {
        known.sets[property] = [...(known.sets[property] ?? []), ...values];
      }
      return;
    }
    const required =
      node.kind === Kind.INPUT_VALUE_DEFINITION &&
      node.type.kind === Kind.NON_NULL_TYPE &&
      !node.defaultValue;
    elements.set(coordinate, { parent, required, properties, sets });
  }

  function addInputs(inputs, parent, coordinate) {
    for (const input of inputs ?? []) {
      add(coordinate(input.name.value), input, parent, {
        type: print(input.type),
        default: input.defaultValue ? print(sorted(input.defaultValue)) : "none",
      });
    }
  }

  for (const node of document.definitions) {
    const kind = node.kind.replace("Extension", "Definition");
    if (kind === Kind.SCHEMA_DEFINITION) {
      const roots = (node.operationTypes ?? []).map((root) => `${root.operation}: ${root.type.name.value}`);
      add("schema", node, undefined, { kind }, { root: roots });
    } else if (kind === Kind.DIRECTIVE_DEFINITION) {
      const name = `@${node.name.value}`;
      const properties = { kind, repeatable: node.repeatable };
      add(name, node, undefined, properties, { location: node.locations.map((location) => location.value) });
      addInputs(node.arguments, name, (argument) => `${name}(${argument}:)`);
    } else {
      const name = node.name.value;
      const interfaces = (node.interfaces ?? []).map((type) => type.name.value);
      const members = (node.types ?? []).map((type) => type.name.value);
      add(name, node, undefined, { kind }, { interface: interfaces, member: members });
      if (kind === Kind.INPUT_OBJECT_TYPE_DEFINITION) {
        addInputs(node.fields, name, (field) => `${name}.${field}`);
        continue;
      }
      for (const field of node.fields ?? []) {
        const coordinate = `${name}.${field.name.value}`;
        add(coordinate, field, name, { type: print(field.type) });
        addInputs(field.arguments, coordinate, (argument) => `${coordinate}(${argument}:)`);
      }
      for (const value of node.values ?? []) {
        add(`${name}.${value.name.value}`, value, name, { kind: value.kind });
      }
    }
  }
  return elements;
}

/** A directive as text that does not depend on the order of its arguments and of the names it imports. */
function printDirective(directive) {
  const args = [...directive.arguments].sort(byName).map((argument) => {
    const value = sorted(argument.value);
    const isImport = argument.name.value === "import" && value.kind === Kind.LIST;
    const values = isImport ? { ...value, values: value.values.toSorted(byText) } : value;
    return { ...argument, value: values };
  });
  return print({ ...directive, arguments: args }).replace(/\s+/g, " ");
}

/** A value whose objects have their fields in order. */
function sorted(value) {
  return visit(value, { ObjectValue: (node) => ({ ...node, fields: [...node.fields].sort(byName) }) });
}

function byName(a, b) {
  return a.name.value < b.name.value ? -1 : 1;
}

function byText(a, b) {
  return print(a) < print(b) ? -1 : 1;
}

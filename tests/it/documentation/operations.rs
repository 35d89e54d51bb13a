//! The page about operations has all of them, with everything that goes into each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use async_graphql::parser::{
    parse_schema,
    types::{InputValueDefinition, ServiceDocument, TypeKind, TypeSystemDefinition},
};

use super::pages::{Page, root};

const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

fn schema() -> ServiceDocument {
    parse_schema(fs::read_to_string(root().join("schema.graphql")).unwrap()).unwrap()
}

fn kinds(schema: &ServiceDocument) -> BTreeMap<&str, &TypeKind> {
    let types = schema.definitions.iter().filter_map(|definition| {
        let TypeSystemDefinition::Type(definition) = definition else {
            return None;
        };
        Some((definition.node.name.node.as_str(), &definition.node.kind))
    });
    types.collect()
}

/// How the page writes an argument or a field of an input, and those of an `input` argument in its place.
fn written(kinds: &BTreeMap<&str, &TypeKind>, value: &InputValueDefinition) -> Vec<String> {
    let name = value.name.node.as_str();
    let of_type = value.ty.node.to_string();
    if let Some(TypeKind::InputObject(input)) = kinds.get(of_type.trim_end_matches('!')) {
        let fields = input.fields.iter();
        let fields = fields.flat_map(|field| written(kinds, &field.node));
        return fields.collect();
    }
    vec![match &value.default_value {
        Some(default) => format!("{name} ({})", default.node),
        None if of_type.ends_with('!') => format!("{name}!"),
        None => name.to_owned(),
    }]
}

#[test]
fn it_has_every_operation_with_its_input_and_codes_that_there_are() {
    let page = Page::read("docs/operations.md");
    let rows: BTreeMap<&str, &Vec<String>> = page
        .rows
        .iter()
        .filter(|row| row.len() == 4 && row[0] != "operation")
        .map(|row| (row[0].as_str(), row))
        .collect();
    let errors = Page::read("docs/errors.md");
    let codes: BTreeSet<&str> = errors.rows.iter().map(|row| row[0].as_str()).collect();
    let schema = schema();
    let kinds = kinds(&schema);
    let mut operations = BTreeSet::new();
    for root in ROOTS {
        let Some(TypeKind::Object(object)) = kinds.get(root) else {
            panic!("{root} is not there");
        };
        for field in &object.fields {
            let name = field.node.name.node.as_str();
            operations.insert(name);
            let row = rows
                .get(name)
                .unwrap_or_else(|| panic!("{name} is not there"));
            for argument in &field.node.arguments {
                for input in written(&kinds, &argument.node) {
                    assert!(row[2].contains(&input), "{name}: {input}");
                }
            }
            for code in row[3].split([',', ' ']).filter(|word| is_code(word)) {
                assert!(codes.contains(code), "{name}: {code}");
            }
        }
    }
    assert_eq!(rows.into_keys().collect::<BTreeSet<_>>(), operations);
}

fn is_code(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

#[test]
fn it_has_the_reserved_names() {
    let source = fs::read_to_string(root().join("src/account/identifier.rs")).unwrap();
    let (_, list) = source.split_once("const RESERVED").unwrap();
    let (list, _) = list.split_once("];").unwrap();
    let reserved: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(reserved.len() > 5, "{reserved:?}");
    let shown = format!("Reserved are `{}`.", reserved.join("`, `"));
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    assert!(page.contains(shown.trim_end_matches('.')), "{shown}");
}

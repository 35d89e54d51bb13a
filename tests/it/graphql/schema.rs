//! The schema's text: what is committed is what is served, and has all that the contract promises.

use std::{collections::BTreeMap, path::Path};

use async_graphql::parser::{
    parse_schema,
    types::{InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition},
};

use crate::support::{app::TestApp, on_each_database};

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// All that a client can see of a schema, one line for each thing that has a name.
fn lines(sdl: &str) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for definition in parse_schema(sdl).unwrap().definitions {
        match definition {
            TypeSystemDefinition::Type(ty) => describe(&ty.node, &mut lines),
            TypeSystemDefinition::Schema(schema) => {
                let root = |name: Option<&async_graphql::Positioned<async_graphql::Name>>| {
                    name.map(|name| name.node.to_string())
                };
                lines.insert(
                    "schema.query".to_owned(),
                    format!("{:?}", root(schema.node.query.as_ref())),
                );
                lines.insert(
                    "schema.mutation".to_owned(),
                    format!("{:?}", root(schema.node.mutation.as_ref())),
                );
            }
            TypeSystemDefinition::Directive(directive) => {
                let directive = directive.node;
                let mut locations: Vec<_> = directive
                    .locations
                    .iter()
                    .map(|location| format!("{:?}", location.node))
                    .collect();
                locations.sort();
                lines.insert(format!("@{}", directive.name.node), locations.join(" "));
            }
        }
    }
    lines
}

fn describe(ty: &TypeDefinition, lines: &mut BTreeMap<String, String>) {
    let name = ty.name.node.as_str();
    let mut directives: Vec<_> = ty
        .directives
        .iter()
        .map(|directive| {
            let arguments: Vec<_> = directive
                .node
                .arguments
                .iter()
                .map(|(name, value)| format!("{}: {}", name.node, value.node))
                .collect();
            format!("@{}({})", directive.node.name.node, arguments.join(", "))
        })
        .collect();
    directives.sort();
    let mut kind =
        |kind: &str| lines.insert(name.to_owned(), format!("{kind} {}", directives.join(" ")));
    match &ty.kind {
        TypeKind::Scalar => {
            kind("scalar");
        }
        TypeKind::Object(object) => {
            kind("type");
            for field in &object.fields {
                let (field, path) = (&field.node, format!("{name}.{}", field.node.name.node));
                for argument in &field.arguments {
                    input(
                        &format!("{path}({})", argument.node.name.node),
                        &argument.node,
                        lines,
                    );
                }
                lines.insert(path, field.ty.node.to_string());
            }
        }
        TypeKind::InputObject(object) => {
            kind("input");
            for field in &object.fields {
                input(
                    &format!("{name}.{}", field.node.name.node),
                    &field.node,
                    lines,
                );
            }
        }
        TypeKind::Enum(values) => {
            kind("enum");
            for value in &values.values {
                lines.insert(
                    format!("{name}.{}", value.node.value.node),
                    "value".to_owned(),
                );
            }
        }
        other => panic!("{name}: {other:?}"),
    }
}

fn input(path: &str, input: &InputValueDefinition, lines: &mut BTreeMap<String, String>) {
    let default = input
        .default_value
        .as_ref()
        .map(|value| format!(" = {}", value.node))
        .unwrap_or_default();
    lines.insert(path.to_owned(), format!("{}{default}", input.ty.node));
}

#[test]
fn the_committed_text_is_what_is_served() {
    assert!(
        read("schema.graphql") == sessiongraph::graphql::sdl(),
        "schema.graphql is out of date: make schema"
    );
}

#[test]
fn everything_that_the_contract_promises_is_there() {
    let (contract, schema) = (
        lines(&read("tests/schema-tools/contract.graphql")),
        lines(&read("schema.graphql")),
    );
    let mut missing = Vec::new();
    for (path, promised) in &contract {
        match schema.get(path) {
            Some(found) if found == promised => {}
            found => missing.push(format!("{path}: promised {promised:?}, found {found:?}")),
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(contract.len() > 150, "{} promises only", contract.len());
}

#[test]
fn arguments_that_the_contract_does_not_have_are_optional() {
    let (contract, schema) = (
        lines(&read("tests/schema-tools/contract.graphql")),
        lines(&read("schema.graphql")),
    );
    for (path, found) in &schema {
        let of_contract = path
            .split(['.', '('])
            .next()
            .is_some_and(|owner| contract.contains_key(owner));
        let is_input = path.contains('(')
            || schema
                .get(path.split('.').next().unwrap())
                .is_some_and(|kind| kind.starts_with("input"));
        if of_contract && is_input && path.contains('.') && !contract.contains_key(path) {
            assert!(
                !found.ends_with('!'),
                "{path}: {found} would refuse clients of the contract"
            );
        }
    }
}

on_each_database! {
    async fn gateways_are_served_the_same_text(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for document in ["{ _service { sdl } }", "query { s: _service { ...S } } fragment S on _Service { sdl }"] {
            let answer = app.anonymous().query(document).await;
            let service = answer.data(if document.contains("s:") { "s" } else { "_service" });
            assert!(service["sdl"] == sessiongraph::graphql::sdl());
        }
    }

    async fn gateways_can_be_refused(database: TestDatabase) {
        let app = TestApp::with(&database, &[("subgraph_sdl", "false")], |_| {}).await;
        let answer = app.anonymous().query("{ _service { sdl } }").await;
        assert_eq!(answer.code(), "FORBIDDEN");
        assert!(!answer.body.to_string().contains("type Query"));
        app.anonymous().query("{ __schema { queryType { name } } }").await.data("__schema");
    }

    async fn clients_can_be_refused_and_then_get_no_suggestions(database: TestDatabase) {
        let app = TestApp::with(&database, &[("introspection", "false")], |_| {}).await;
        for document in ["{ __schema { queryType { name } } }", "{ __type(name: \"Query\") { name } }", "{ sesion { id } }", "{ session { idd } }", "mutation { signUpp(input: {}) { account { id } } }"] {
            let answer = app.anonymous().query(document).await;
            let text = answer.body.to_string();
            assert!(!text.contains("\"session\"") && !text.contains("Did you mean") && !text.contains("queryType\":{\"name"), "{text}");
            assert_ne!(answer.body["data"]["__schema"]["queryType"]["name"], "Query");
        }
        // Their gateways have a switch of their own.
        app.anonymous().query("{ _service { sdl } __typename }").await.data("_service");
        let open = TestApp::new(&database).await;
        assert!(open.anonymous().query("{ sesion { id } }").await.body.to_string().contains("Did you mean"));
    }
}

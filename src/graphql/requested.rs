//! What a request asks for and how it is answered, in the words of the schema, for whoever counts.

use async_graphql::{
    Request, Response, Value,
    parser::{
        parse_schema,
        types::{ExecutableDocument, OperationType, Selection, SelectionSet, TypeKind},
    },
};

use tracing::Span;

use super::{
    document::{look, selected_operation},
    schema::sdl,
};
use crate::{
    metrics::{self, Requests},
    traces,
};

/// So many fragments are looked into; they may be nested, and spread themselves.
const MAX_FRAGMENTS: usize = 16;

/// What counts the requests of the server's schema.
pub(crate) fn requests() -> Requests {
    let library_fields = ["_entities", "_service", "__schema", "__type", "__typename"];
    let library_fields = library_fields.map(|field| ("query", field.to_owned()));
    Requests::new(root_fields(&sdl()).into_iter().chain(library_fields))
}

/// A request that runs: it is counted when it is done, and what it does belongs to its span.
#[derive(Debug)]
pub(crate) struct Running {
    counted: metrics::Running,
    span: Span,
}

impl Running {
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Ends the span of what goes on for longer than anybody waits to see it.
    pub(crate) fn end_span(&mut self) {
        self.span = Span::none();
    }

    /// It has an answer.
    pub(crate) fn answered(&mut self, response: &Response) {
        let code = first_code(response);
        self.counted.answered(code);
        traces::answered(&self.span, code);
    }

    /// It answers later, and as often as it likes.
    pub(crate) fn subscribed(&mut self) {
        self.counted.answered(None);
    }
}

/// Begins to count and to trace a request, whose document has been read.
pub(crate) fn begin(requests: &Requests, request: &mut Request, id: &str) -> Running {
    let counted = count(requests, request);
    let span = traces::operation(counted.asks(), id);
    Running { counted, span }
}

fn count(requests: &Requests, request: &mut Request) -> metrics::Running {
    let found = look(request, |document, name, _| {
        let operation = &selected_operation(document, name)?.node;
        let mut fragments_left = MAX_FRAGMENTS;
        let set = &operation.selection_set.node;
        let field = first_field(document, set, &mut fragments_left);
        Some(requests.begin(Some(keyword(operation.ty)), field))
    });
    found
        .flatten()
        .unwrap_or_else(|| requests.begin(None, None))
}

/// The code of an answer's first error.
fn first_code(response: &Response) -> Option<&str> {
    let extensions = response.errors.first()?.extensions.as_ref()?;
    match extensions.get("code") {
        Some(Value::String(code)) => Some(code),
        _ => None,
    }
}

fn keyword(operation: OperationType) -> &'static str {
    match operation {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

/// The first field that an operation selects; `__typename`, which clients add to what they ask for, if there is no other.
fn first_field<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    fragments_left: &mut usize,
) -> Option<&'a str> {
    let mut fields = set
        .items
        .iter()
        .filter_map(|selection| match &selection.node {
            Selection::Field(field) => Some(field.node.name.node.as_str()),
            Selection::InlineFragment(fragment) => {
                *fragments_left = fragments_left.checked_sub(1)?;
                first_field(document, &fragment.node.selection_set.node, fragments_left)
            }
            Selection::FragmentSpread(spread) => {
                *fragments_left = fragments_left.checked_sub(1)?;
                let fragment = document.fragments.get(&spread.node.fragment_name.node)?;
                first_field(document, &fragment.node.selection_set.node, fragments_left)
            }
        });
    let first = fields.next()?;
    if first == "__typename" {
        return fields.find(|field| *field != first).or(Some(first));
    }
    Some(first)
}

/// The fields of the root types of a schema, each with the operation that selects it.
fn root_fields(sdl: &str) -> Vec<(&'static str, String)> {
    let definitions = parse_schema(sdl).map(|schema| schema.definitions);
    let types = definitions.unwrap_or_default().into_iter();
    let roots = types.filter_map(|definition| {
        let async_graphql::parser::types::TypeSystemDefinition::Type(ty) = definition else {
            return None;
        };
        let operation = match ty.node.name.node.as_str() {
            "Query" => "query",
            "Mutation" => "mutation",
            "Subscription" => "subscription",
            _ => return None,
        };
        let TypeKind::Object(object) = ty.node.kind else {
            return None;
        };
        let fields = object.fields.into_iter();
        Some(fields.map(move |field| (operation, field.node.name.node.to_string())))
    });
    roots.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_field_of(text: &str) -> Option<String> {
        let mut request = Request::new(text);
        look(&mut request, |document, name, _| {
            let operation = &selected_operation(document, name)?.node;
            let mut fragments_left = MAX_FRAGMENTS;
            let field = first_field(document, &operation.selection_set.node, &mut fragments_left);
            field.map(ToOwned::to_owned)
        })
        .flatten()
    }

    #[test]
    fn the_first_field_is_found_through_fragments() {
        let deep: Vec<_> = (0..20)
            .map(|n| format!(" fragment F{n} on Query {{ ...F{} }}", n + 1))
            .collect();
        let deep = deep.concat();
        for (text, field) in [
            ("{ a b }", Some("a")),
            ("{ alias: a }", Some("a")),
            ("{ __typename a }", Some("a")),
            ("{ __typename }", Some("__typename")),
            ("{ ... { ... on Query { a } } }", Some("a")),
            ("{ ...F } fragment F on Query { a }", Some("a")),
            (
                "{ ...F a } fragment F on Query { ...F ...F ...F }",
                Some("a"),
            ),
            (&format!("{{ ...F0 }}{deep}"), None),
        ] {
            assert_eq!(first_field_of(text).as_deref(), field, "{text}");
        }
    }

    #[test]
    fn every_root_field_of_the_schema_is_known() {
        let fields = root_fields(&sdl());
        for known in [
            ("query", "session"),
            ("mutation", "signIn"),
            ("subscription", "sessionEvents"),
        ] {
            let known = (known.0, known.1.to_owned());
            assert!(fields.contains(&known), "{fields:?}");
        }
    }
}

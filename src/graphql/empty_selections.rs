//! Selections of which `@skip` and `@include` leave nothing: an object with no fields, and not null (GraphQL specification,
//! section 6.4.3).
//!
//! The library answers null for an object of which nothing is selected, also where its type has none. So in a document with
//! directives, whatever may come to nothing asks for its type as well, under a name that no client may use.

use async_graphql::{
    Name, Positioned, Value,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType,
        Selection, SelectionSet,
    },
};

/// Names that begin like this are introspection's (section 2.1.9).
const MARK: &str = "__present";

/// Marks the selections of a document that may come to nothing. Whether there are any.
pub(super) fn mark(document: &mut ExecutableDocument) -> bool {
    let operations = document.operations.iter();
    let mut sets = operations
        .map(|(_, operation)| &operation.node.selection_set)
        .chain(document.fragments.values().map(|it| &it.node.selection_set));
    if !sets.any(|set| has_directives(&set.node)) {
        return false;
    }
    let mut marked = match &mut document.operations {
        DocumentOperations::Single(operation) => mark_operation(&mut operation.node),
        DocumentOperations::Multiple(operations) => {
            operations.values_mut().fold(false, |marked, operation| {
                marked | mark_operation(&mut operation.node)
            })
        }
    };
    for fragment in document.fragments.values_mut() {
        marked |= mark_below(&mut fragment.node.selection_set.node);
    }
    marked
}

/// Takes the marks out of a field's value, or out of those of a list.
pub(super) fn unmark(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.shift_remove(MARK);
        }
        Value::List(items) => items.iter_mut().for_each(unmark),
        _ => {}
    }
}

fn has_directives(set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => {
            !field.node.directives.is_empty() || has_directives(&field.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => {
            !fragment.node.directives.is_empty()
                || has_directives(&fragment.node.selection_set.node)
        }
        Selection::FragmentSpread(spread) => !spread.node.directives.is_empty(),
    })
}

fn mark_operation(operation: &mut OperationDefinition) -> bool {
    let set = &mut operation.selection_set.node;
    match operation.ty {
        // It has one field, and no other.
        OperationType::Subscription => mark_below(set),
        OperationType::Query | OperationType::Mutation => mark_set(set),
    }
}

/// A field's selection, or an operation's.
fn mark_set(set: &mut SelectionSet) -> bool {
    let below = mark_below(set);
    let stays = |selection: &Positioned<Selection>| match &selection.node {
        Selection::Field(field) => field.node.directives.is_empty(),
        Selection::InlineFragment(_) | Selection::FragmentSpread(_) => false,
    };
    let Some(first) = set.items.first() else {
        return below;
    };
    if set.items.iter().any(stays) {
        return below;
    }
    let pos = first.pos;
    let field = Field {
        alias: Some(Positioned::new(Name::new(MARK), pos)),
        name: Positioned::new(Name::new("__typename"), pos),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: Positioned::new(SelectionSet::default(), pos),
    };
    let field = Selection::Field(Positioned::new(field, pos));
    set.items.push(Positioned::new(field, pos));
    true
}

/// The selections of a set's fields; a fragment's are those of the field that it is spread in.
fn mark_below(set: &mut SelectionSet) -> bool {
    let mut marked = false;
    for selection in &mut set.items {
        marked |= match &mut selection.node {
            Selection::Field(field) => mark_set(&mut field.node.selection_set.node),
            Selection::InlineFragment(fragment) => {
                mark_below(&mut fragment.node.selection_set.node)
            }
            Selection::FragmentSpread(_) => false,
        };
    }
    marked
}

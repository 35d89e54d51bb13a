//! Merging the root fields of a mutation or subscription that have one response key.
//!
//! The GraphQL specification executes them once, with their selections put together (section 6.3.2, `CollectFields`). The
//! library executes each and mixes the answers: two sign-ins, with the session of one and the tokens of the other. Below
//! the root nothing is written, so there only time is lost.

use std::collections::HashSet;

use async_graphql::{
    Name, Positioned, Value, Variables,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, OperationDefinition,
        OperationType, Selection, SelectionSet,
    },
};

use super::document::fill_in;

/// Spreads within spreads; a document with more is left as it is, and refused by validation or by the limits.
const MAX_SPREADS: usize = 64;

/// The document with the root fields of each mutation and subscription merged; `None` where nothing is to be merged.
pub(super) fn merged(
    document: &ExecutableDocument,
    variables: &Variables,
) -> Option<ExecutableDocument> {
    let operations = document.operations.iter();
    let roots: Vec<_> = operations
        .filter(|(_, operation)| operation.node.ty != OperationType::Query)
        .filter_map(|(name, operation)| {
            Some((name, merged_root(document, &operation.node, variables)?))
        })
        .collect();
    if roots.is_empty() {
        return None;
    }
    let mut merged = document.clone();
    for (name, root) in roots {
        let operation = match (&mut merged.operations, name) {
            (DocumentOperations::Single(operation), _) => Some(operation),
            (DocumentOperations::Multiple(operations), Some(name)) => operations.get_mut(name),
            (DocumentOperations::Multiple(_), None) => None,
        };
        if let Some(operation) = operation {
            operation.node.selection_set.node.items = root;
        }
    }
    // A fragment that was spread at a root only is used, though nothing spreads it any more.
    let (before, after) = (spread_in(document), spread_in(&merged));
    merged
        .fragments
        .retain(|name, _| after.contains(name) || !before.contains(name));
    Some(merged)
}

/// The fragments that the operations of a document spread, also by way of others.
fn spread_in(document: &ExecutableDocument) -> HashSet<Name> {
    let mut found = HashSet::new();
    let operations = document.operations.iter();
    let mut sets: Vec<_> = operations
        .map(|(_, operation)| &operation.node.selection_set.node)
        .collect();
    while let Some(set) = sets.pop() {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => sets.push(&field.node.selection_set.node),
                Selection::InlineFragment(fragment) => sets.push(&fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if found.insert(name.clone())
                        && let Some(fragment) = document.fragments.get(name)
                    {
                        sets.push(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
    found
}

/// An operation's root fields, each key once; `None` where they already are.
fn merged_root(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Option<Vec<Positioned<Selection>>> {
    let set = &operation.selection_set.node;
    let mut root = Root {
        document,
        operation,
        variables,
        fields: Vec::new(),
        duplicates: false,
    };
    // The library looks for the field of a subscription at its root only, not within fragments.
    let subscribes = root.operation.ty == OperationType::Subscription;
    if !root.collect(set, 0) || !(root.duplicates || subscribes) {
        return None;
    }
    let items = root.fields.into_iter().map(|field| {
        let position = field.pos;
        Positioned::new(Selection::Field(field), position)
    });
    Some(items.collect())
}

struct Root<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    fields: Vec<Positioned<Field>>,
    duplicates: bool,
}

impl Root<'_> {
    /// Whether all could be collected.
    fn collect(&mut self, set: &SelectionSet, spreads: usize) -> bool {
        spreads <= MAX_SPREADS
            && set.items.iter().all(|selection| match &selection.node {
                Selection::Field(field) => self.add(field),
                Selection::InlineFragment(fragment) => {
                    !self.is_included(&fragment.node.directives)
                        || self.collect(&fragment.node.selection_set.node, spreads + 1)
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment = self.document.fragments.get(name);
                    !self.is_included(&spread.node.directives)
                        || fragment.is_some_and(|fragment| {
                            self.collect(&fragment.node.selection_set.node, spreads + 1)
                        })
                }
            })
    }

    /// Fields of one key that differ in name or arguments are validation's to refuse.
    fn add(&mut self, field: &Positioned<Field>) -> bool {
        if !self.is_included(&field.node.directives) {
            return true;
        }
        let key = field.node.response_key().node.clone();
        let same_key = self
            .fields
            .iter_mut()
            .find(|known| known.node.response_key().node == key);
        let Some(known) = same_key else {
            self.fields.push(field.clone());
            return true;
        };
        self.duplicates = true;
        let same_call = known.node.name.node == field.node.name.node
            && known.node.arguments.len() == field.node.arguments.len()
            && field.node.arguments.iter().all(|(name, value)| {
                known
                    .node
                    .get_argument(&name.node)
                    .is_some_and(|known| known.node == value.node)
            });
        if same_call {
            let more = field.node.selection_set.node.items.iter().cloned();
            known.node.selection_set.node.items.extend(more);
        }
        same_call
    }

    /// `@skip` and `@include`, with the variables at hand.
    fn is_included(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| {
            let condition = directive.node.get_argument("if");
            let condition = condition.and_then(|value| {
                let value = value.node.clone();
                let filled_in = value.into_const_with(fill_in(self.operation, self.variables));
                filled_in.ok()
            });
            match (directive.node.name.node.as_str(), condition) {
                ("skip", Some(Value::Boolean(skip))) => !skip,
                ("include", Some(Value::Boolean(include))) => include,
                _ => true,
            }
        })
    }
}

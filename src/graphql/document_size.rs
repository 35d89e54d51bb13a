//! How large a document is, whatever of it is executed: validation walks through all of it.

use async_graphql::{
    Name, Positioned,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Selection, SelectionSet,
        VariableDefinition,
    },
};
use async_graphql_value::Value;

/// What there is in a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DocumentSize {
    /// Names and values; punctuation is not counted.
    pub(super) tokens: u64,
    pub(super) directives: u64,
    /// Bytes of texts, quotation marks not counted.
    pub(super) texts: u64,
}

impl DocumentSize {
    pub(super) fn of(document: &ExecutableDocument) -> Self {
        let mut size = Self::default();
        if let DocumentOperations::Multiple(operations) = &document.operations {
            size.tokens += operations.len() as u64;
        }
        for (_, operation) in document.operations.iter() {
            let operation = &operation.node;
            size.add_directives(&operation.directives);
            for variable in &operation.variable_definitions {
                size.add_variable(&variable.node);
            }
            size.add_selections(&operation.selection_set);
        }
        for fragment in document.fragments.values() {
            let fragment = &fragment.node;
            // Its name and its type.
            size.tokens += 2;
            size.add_directives(&fragment.directives);
            size.add_selections(&fragment.selection_set);
        }
        size
    }

    fn add_variable(&mut self, variable: &VariableDefinition) {
        // Its name and its type.
        self.tokens += 2;
        self.add_directives(&variable.directives);
        if let Some(default) = &variable.default_value {
            self.add_value(&default.node.clone().into_value());
        }
    }

    fn add_selections(&mut self, set: &Positioned<SelectionSet>) {
        for selection in &set.node.items {
            self.tokens += 1;
            match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    self.tokens += u64::from(field.alias.is_some());
                    self.add_arguments(&field.arguments);
                    self.add_directives(&field.directives);
                    self.add_selections(&field.selection_set);
                }
                Selection::FragmentSpread(spread) => self.add_directives(&spread.node.directives),
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    self.tokens += u64::from(fragment.type_condition.is_some());
                    self.add_directives(&fragment.directives);
                    self.add_selections(&fragment.selection_set);
                }
            }
        }
    }

    fn add_directives(&mut self, directives: &[Positioned<Directive>]) {
        for directive in directives {
            self.tokens += 1;
            self.directives += 1;
            self.add_arguments(&directive.node.arguments);
        }
    }

    fn add_arguments(&mut self, arguments: &[(Positioned<Name>, Positioned<Value>)]) {
        for (_, value) in arguments {
            self.tokens += 1;
            self.add_value(&value.node);
        }
    }

    fn add_value(&mut self, value: &Value) {
        self.tokens += 1;
        match value {
            Value::String(text) => self.texts += text.len() as u64,
            Value::List(items) => items.iter().for_each(|item| self.add_value(item)),
            Value::Object(members) => {
                for item in members.values() {
                    self.tokens += 1;
                    self.add_value(item);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(document: &str) -> (u64, u64) {
        let document = async_graphql::parser::parse_query(document).unwrap();
        let size = DocumentSize::of(&document);
        (size.tokens, size.directives)
    }

    #[test]
    fn everything_is_counted_wherever_it_is() {
        assert_eq!(size("{ a }"), (1, 0));
        assert_eq!(size("{ b: a }"), (2, 0));
        assert_eq!(size("{ a { b c } }"), (3, 0));
        assert_eq!(size("query Q { a }"), (2, 0));
        assert_eq!(size("{ a(b: 1) }"), (3, 0));
        assert_eq!(size("{ a(b: [1, 2]) }"), (5, 0));
        assert_eq!(size("{ a(b: {c: 1, d: $e}) }"), (7, 0));
        assert_eq!(size("{ a @b @c(d: 1) }"), (5, 2));
        assert_eq!(size("query($a: Int @b = 1) @c { a }"), (6, 2));
        assert_eq!(size("{ ...F @a ... on T @b { c } ... { d } }"), (8, 2));
        assert_eq!(size("{ a } fragment F on T @b { c }"), (5, 1));
    }
}

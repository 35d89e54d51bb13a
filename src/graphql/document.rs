//! Looking into a request and its parsed document.

use std::{
    any::{Any, TypeId},
    borrow::Cow,
};

use async_graphql::{
    Name, Positioned, Request, Value, Variables,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType,
    },
};

/// What whoever received a request has put into its data.
pub(crate) fn data_of_request<T: Any>(request: &Request) -> Option<&T> {
    request.data.get(&TypeId::of::<T>())?.downcast_ref()
}

/// Looks into a request's document, with the operation's name and the variables beside it; `None` where it does not parse.
///
/// Parses the document, which execution then need not do again.
pub(crate) fn look<T>(
    request: &mut Request,
    look: impl FnOnce(&ExecutableDocument, Option<&str>, &Variables) -> T,
) -> Option<T> {
    // Taken and put back: reading the document borrows the whole request.
    let name = request.operation_name.take();
    let variables = std::mem::take(&mut request.variables);
    let document = request.parsed_query().ok();
    let seen = document.map(|document| look(document, name.as_deref(), &variables));
    request.operation_name = name;
    request.variables = variables;
    seen
}

/// The kind of the operation that a request runs, where its document parses and has it.
pub(crate) fn operation_type(request: &mut Request) -> Option<OperationType> {
    look(request, |document, name, _| {
        selected_operation(document, name).map(|operation| operation.node.ty)
    })
    .flatten()
}

/// The operation that a request runs: the one that it names, or the only one.
pub(crate) fn selected_operation<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a Positioned<OperationDefinition>> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            all.next().filter(|_| all.next().is_none())
        }
    }
}

/// A field's argument with its variables filled in. One that is a variable is looked at where it is, however long it is.
pub(crate) fn argument<'a>(
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    field: &Field,
    name: &str,
) -> Option<Cow<'a, Value>> {
    let given = &field.get_argument(name)?.node;
    let mut named = None;
    let without = given.clone().into_const_with(|name| {
        named = Some(name);
        Ok::<_, ()>(Value::Null)
    });
    match (named, without.ok()?) {
        (None, literal) => Some(Cow::Owned(literal)),
        (Some(name), Value::Null) => variable(operation, variables, &name).map(Cow::Borrowed),
        (Some(_), _) => {
            let filled_in = given.clone().into_const_with(fill_in(operation, variables));
            filled_in.ok().map(Cow::Owned)
        }
    }
}

/// Fills in the variables of a value; an error where one is missing.
pub(crate) fn fill_in<'a>(
    operation: &'a OperationDefinition,
    variables: &'a Variables,
) -> impl FnMut(Name) -> Result<Value, ()> + 'a {
    |name| variable(operation, variables, &name).cloned().ok_or(())
}

/// The value of a variable: as given, or its default.
pub(super) fn variable<'a>(
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    name: &Name,
) -> Option<&'a Value> {
    variables.get(name).or_else(|| {
        let mut definitions = operation.variable_definitions.iter();
        let definition = definitions.find(|definition| definition.node.name.node == *name)?;
        definition
            .node
            .default_value
            .as_ref()
            .map(|value| &value.node)
    })
}

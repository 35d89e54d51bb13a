//! Variables that do not fit their types (GraphQL specification, section 6.1.2), found before anything is executed.
//!
//! The library checks a value only where it is used, and only where all variables beside it are given; what it lets pass
//! fails in the resolver's arguments, when the fields of a mutation before it have been executed.

use async_graphql::{
    Pos, ServerError, Value, Variables,
    parser::types::{OperationDefinition, VariableDefinition},
    registry::{MetaType, MetaTypeName, Registry},
};

use super::errors::request_error;
use crate::error::ErrorKind;

/// One error for each variable of an operation that does not fit.
pub(super) fn misfits(
    registry: &Registry,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Vec<ServerError> {
    let definitions = operation.variable_definitions.iter();
    definitions
        .filter(|definition| !fits(registry, &definition.node, variables))
        .map(|definition| {
            let (name, ty) = (&definition.node.name.node, &definition.node.var_type.node);
            // Never the value: it may be a password.
            let message = format!("The variable ${name} has to be of type {ty}.");
            misfit(message, definition.pos)
        })
        .collect()
}

/// What is said of a variable, at a place of the document.
pub(super) fn misfit(message: String, pos: Pos) -> ServerError {
    let mut error = request_error(ErrorKind::GraphqlValidationFailed(message.into()).into());
    error.locations.push(pos);
    error
}

fn fits(registry: &Registry, definition: &VariableDefinition, variables: &Variables) -> bool {
    match variables.get(&definition.name.node) {
        None => definition.var_type.node.nullable || definition.default_value.is_some(),
        Some(value) => is_of_type(registry, &definition.var_type.node.to_string(), value),
    }
}

/// Whether a value is of a type; a type that there is none of is for validation to refuse.
pub(super) fn is_of_type(registry: &Registry, ty: &str, value: &Value) -> bool {
    let name = match MetaTypeName::create(ty) {
        MetaTypeName::NonNull(ty) => {
            return *value != Value::Null && is_of_type(registry, ty, value);
        }
        MetaTypeName::List(ty) => {
            return match value {
                Value::List(items) => items.iter().all(|item| is_of_type(registry, ty, item)),
                // One item stands for a list of it.
                value => *value == Value::Null || is_of_type(registry, ty, value),
            };
        }
        MetaTypeName::Named(name) => name,
    };
    if *value == Value::Null {
        return true;
    }
    match registry.types.get(name) {
        Some(MetaType::Scalar { name, is_valid, .. }) => {
            is_valid.as_ref().is_none_or(|is_valid| is_valid(value))
                && (name != "Int" || is_32_bit(value))
        }
        Some(MetaType::Enum { enum_values, .. }) => match value {
            Value::Enum(name) => enum_values.contains_key(name.as_str()),
            Value::String(name) => enum_values.contains_key(name),
            _ => false,
        },
        Some(MetaType::InputObject {
            input_fields,
            oneof,
            ..
        }) => {
            let Value::Object(given) = value else {
                return false;
            };
            let one = given.len() == 1 && given.values().all(|value| *value != Value::Null);
            (!oneof || one)
                && given
                    .keys()
                    .all(|name| input_fields.contains_key(name.as_str()))
                && input_fields
                    .values()
                    .all(|field| match given.get(field.name.as_str()) {
                        Some(value) => is_of_type(registry, &field.ty, value),
                        None => field.default_value.is_some() || !field.ty.ends_with('!'),
                    })
        }
        _ => true,
    }
}

fn is_32_bit(value: &Value) -> bool {
    matches!(value, Value::Number(number) if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()))
}

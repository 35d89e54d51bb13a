//! Whether variables may stand where they are used (GraphQL specification, section 5.8.5).
//!
//! The library has a rule for it that its validation never calls, and it checks no argument with a variable in it that is
//! not given. What passes fails in the resolver's arguments, when the fields of a mutation before it have been executed.

use std::collections::HashSet;

use async_graphql::{
    Name, Pos, Positioned, ServerError, Variables,
    parser::types::{
        BaseType, Directive, ExecutableDocument, Field, OperationDefinition, OperationType,
        Selection, SelectionSet, Type,
    },
    registry::{MetaInputValue, MetaType, MetaTypeName, Registry},
};
use async_graphql_value::{ConstValue, Value, indexmap::IndexMap};

use super::{
    document::variable,
    variables::{is_of_type, misfit},
};

/// One error for each place with a variable that may not stand there, and for each argument that is not of its type with
/// the variables in it filled in. Values are of the types of their variables: see [`misfits`](super::variables::misfits).
pub(super) fn misplaced(
    registry: &Registry,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Vec<ServerError> {
    if operation.variable_definitions.is_empty() {
        return Vec::new();
    }
    let root = match operation.ty {
        OperationType::Query => Some(registry.query_type.as_str()),
        OperationType::Mutation => registry.mutation_type.as_deref(),
        OperationType::Subscription => registry.subscription_type.as_deref(),
    };
    let mut usages = Usages {
        registry,
        operation,
        variables,
        spreads: Vec::new(),
        seen: HashSet::new(),
        misplaced: Vec::new(),
    };
    usages.in_directives(&operation.directives);
    usages.in_selections(&operation.selection_set.node, root);
    // Each fragment once, and none within another: they may be many, and spread each other.
    while let Some(name) = usages.spreads.pop() {
        if let Some(fragment) = document.fragments.get(name) {
            let fragment = &fragment.node;
            usages.in_directives(&fragment.directives);
            let on = fragment.type_condition.node.on.node.as_str();
            usages.in_selections(&fragment.selection_set.node, Some(on));
        }
    }
    usages.misplaced
}

struct Usages<'a> {
    registry: &'a Registry,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    /// The fragments that are still to be looked at.
    spreads: Vec<&'a Name>,
    seen: HashSet<&'a Name>,
    misplaced: Vec<ServerError>,
}

/// Where a value stands.
struct Place<'t> {
    /// Its type, without the mark of a non-null one.
    ty: &'t str,
    required: bool,
    has_default: bool,
}

impl<'t> Place<'t> {
    fn of(ty: &'t str) -> Self {
        Self {
            ty: ty.strip_suffix('!').unwrap_or(ty),
            required: ty.ends_with('!'),
            has_default: false,
        }
    }

    fn of_input(input: &'t MetaInputValue) -> Self {
        Self {
            has_default: input.default_value.is_some(),
            ..Self::of(&input.ty)
        }
    }
}

impl<'a> Usages<'a> {
    fn in_selections(&mut self, set: &'a SelectionSet, parent: Option<&'a str>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.in_field(&field.node, parent),
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    self.in_directives(&fragment.directives);
                    let condition = fragment.type_condition.as_ref();
                    let on = condition.map(|condition| condition.node.on.node.as_str());
                    self.in_selections(&fragment.selection_set.node, on.or(parent));
                }
                Selection::FragmentSpread(spread) => {
                    self.in_directives(&spread.node.directives);
                    let name = &spread.node.fragment_name.node;
                    if self.seen.insert(name) {
                        self.spreads.push(name);
                    }
                }
            }
        }
    }

    fn in_field(&mut self, field: &'a Field, parent: Option<&'a str>) {
        self.in_directives(&field.directives);
        let parent = parent.and_then(|parent| self.registry.types.get(parent));
        let known = parent.and_then(|parent| parent.field_by_name(&field.name.node));
        if let Some(known) = known {
            self.in_arguments(&field.arguments, &known.args);
        }
        let below = known.map(|known| MetaTypeName::concrete_typename(&known.ty));
        self.in_selections(&field.selection_set.node, below);
    }

    fn in_directives(&mut self, directives: &'a [Positioned<Directive>]) {
        for directive in directives {
            let directive = &directive.node;
            let known = self.registry.directives.get(directive.name.node.as_str());
            if let Some(known) = known {
                self.in_arguments(&directive.arguments, &known.args);
            }
        }
    }

    fn in_arguments(
        &mut self,
        given: &[(Positioned<Name>, Positioned<Value>)],
        known: &IndexMap<String, MetaInputValue>,
    ) {
        for (name, value) in given {
            let Some(input) = known.get(name.node.as_str()) else {
                continue;
            };
            let misplaced = self.misplaced.len();
            self.in_value(&value.node, value.pos, &Place::of_input(input));
            let is_filled_in = matches!(value.node, Value::List(_) | Value::Object(_))
                && self.misplaced.len() == misplaced;
            if is_filled_in
                && let Some(filled_in) = self.fill_in(&value.node)
                && !is_of_type(self.registry, &input.ty, &filled_in)
            {
                let message = format!("The argument {} has to be of type {}.", name.node, input.ty);
                self.misplaced.push(misfit(message, value.pos));
            }
        }
    }

    /// A value with its variables filled in. One that is not given is left out of an object, and null in a list.
    fn fill_in(&self, value: &Value) -> Option<ConstValue> {
        Some(match value {
            Value::Variable(name) => variable(self.operation, self.variables, name)?.clone(),
            Value::List(items) => {
                let items = items.iter();
                ConstValue::List(
                    items
                        .map(|item| self.fill_in(item).unwrap_or(ConstValue::Null))
                        .collect(),
                )
            }
            Value::Object(members) => {
                let members = members.iter();
                ConstValue::Object(
                    members
                        .filter_map(|(name, value)| Some((name.clone(), self.fill_in(value)?)))
                        .collect(),
                )
            }
            literal => literal.clone().into_const()?,
        })
    }

    fn in_value(&mut self, value: &Value, pos: Pos, place: &Place<'_>) {
        match value {
            Value::Variable(name) => self.look_at(name, pos, place),
            Value::List(items) => {
                if let MetaTypeName::List(item) = MetaTypeName::create(place.ty) {
                    for value in items {
                        self.in_value(value, pos, &Place::of(item));
                    }
                }
            }
            Value::Object(members) => {
                // One object stands for a list of it.
                let name = MetaTypeName::concrete_typename(place.ty);
                let Some(MetaType::InputObject {
                    input_fields,
                    oneof,
                    ..
                }) = self.registry.types.get(name)
                else {
                    return;
                };
                for (member, value) in members {
                    if let Some(field) = input_fields.get(member.as_str()) {
                        let mut place = Place::of_input(field);
                        place.required |= oneof;
                        self.in_value(value, pos, &place);
                    } else {
                        let message = format!("There is no field {member} in {name}.");
                        self.misplaced.push(misfit(message, pos));
                    }
                }
            }
            _ => {}
        }
    }

    /// IsVariableUsageAllowed. A variable that is not defined is for validation to refuse.
    fn look_at(&mut self, name: &Name, pos: Pos, place: &Place<'_>) {
        let mut definitions = self.operation.variable_definitions.iter();
        let Some(definition) = definitions.find(|definition| definition.node.name.node == *name)
        else {
            return;
        };
        let variable = &definition.node.var_type.node;
        let default = definition.node.default_value.as_ref();
        let has_default = default.is_some_and(|default| default.node != ConstValue::Null);
        let may_be_left_out = variable.nullable && !has_default && !place.has_default;
        if (place.required && may_be_left_out) || !is_compatible(variable, place.ty) {
            let mark = if place.required { "!" } else { "" };
            let message = format!(
                "The variable ${name} of type {variable} cannot be used where {}{mark} is expected.",
                place.ty
            );
            self.misplaced.push(misfit(message, pos));
        }
    }
}

/// AreTypesCompatible, whether or not both may be null at their outside.
fn is_compatible(variable: &Type, place: &str) -> bool {
    match (MetaTypeName::create(place), &variable.base) {
        (MetaTypeName::NonNull(place), _) => !variable.nullable && is_compatible(variable, place),
        (MetaTypeName::List(place), BaseType::List(item)) => is_compatible(item, place),
        (MetaTypeName::Named(place), BaseType::Named(name)) => place == name,
        _ => false,
    }
}

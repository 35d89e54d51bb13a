//! The query root of a federated subgraph: representations are answered one by one.
//!
//! The library fails the whole of `_entities` for one representation that it cannot resolve. Here an unknown id is null
//! for that entity alone, and a representation of an unknown type or shape is an error at its own index.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ObjectType, OutputType, Positioned,
    QueryPathSegment, ServerError, ServerResult, Value, parser::types::Field, registry::Registry,
    resolver_utils::resolve_container,
};

use super::errors::request_error;
use crate::error::Error;

/// A query root whose entities are answered one by one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subgraph<Q>(pub Q);

/// How many representations of each `_entities` of a request have been begun: the library asks for them in order, and
/// does not say which one it asks for.
#[derive(Debug, Default)]
pub(super) struct Representations(Mutex<HashMap<String, usize>>);

impl Representations {
    fn next_index(&self, ctx: &Context<'_>) -> usize {
        let field = match ctx.path_node.map(|node| node.segment) {
            Some(QueryPathSegment::Name(name)) => name.to_owned(),
            _ => String::new(),
        };
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = begun.entry(field).or_default();
        *next += 1;
        *next - 1
    }
}

impl<Q: ObjectType> ContainerType for Subgraph<Q> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        self.0.resolve_field(ctx).await
    }

    async fn find_entity(&self, ctx: &Context<'_>, params: &Value) -> ServerResult<Option<Value>> {
        let index = ctx
            .data_opt::<Representations>()
            .map_or(0, |begun| begun.next_index(ctx));
        let ctx = ctx.with_index(index);
        let error = match self.0.find_entity(&ctx, params).await {
            Ok(Some(entity)) => return Ok(Some(entity)),
            // What the library itself complains about is the representation.
            Err(error) if error.source.is_some() => error,
            Ok(None) | Err(_) => unknown_representation(&ctx),
        };
        ctx.add_error(ctx.set_error_path(error));
        Ok(Some(Value::Null))
    }
}

fn unknown_representation(ctx: &Context<'_>) -> ServerError {
    let message = "each is an entity of this subgraph: `__typename` and the fields of its key";
    let mut error = request_error(Error::bad_user_input("representations", message));
    error.locations.push(ctx.item.pos);
    error
}

impl<Q: ObjectType> OutputType for Subgraph<Q> {
    fn type_name() -> Cow<'static, str> {
        Q::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Q::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        resolve_container(ctx, self).await
    }
}

impl<Q: ObjectType> ObjectType for Subgraph<Q> {}

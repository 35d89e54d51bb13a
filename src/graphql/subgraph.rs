//! The query root of a federated subgraph: representations are answered one by one.
//!
//! The library fails the whole of `_entities` for one representation that it cannot resolve. Here an unknown id is null
//! for that entity alone, and a representation of an unknown type or shape is an error at its own index.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ObjectType, OutputType, Positioned,
    QueryPathSegment, Request, ServerError, ServerResult, Value,
    dataloader::DataLoader,
    extensions::ExtensionContext,
    parser::types::{Field, Selection},
    registry::Registry,
    resolver_utils::resolve_container,
};
use futures_util::future::join;
use tokio::sync::OnceCell;

use super::{
    document::{argument, look, selected_operation},
    errors::request_error,
    limits::MAX_REPRESENTATIONS,
    loader::{AccountKey, Batches, SessionKey, batches},
    types,
};
use crate::{
    entity::{account, session},
    error::{Error, Result},
};

/// The field of a subgraph that is asked for its entities.
pub(super) const ENTITIES: &str = "_entities";

/// A query root whose entities are answered one by one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subgraph<Q>(pub Q);

/// What a request knows of its representations.
#[derive(Debug, Default)]
pub(super) struct Representations {
    /// How many of each `_entities` have been begun: the library asks for them in order, and does not say which one it
    /// asks for.
    begun: Mutex<HashMap<String, usize>>,
    named: Named,
    /// What of it there is, read before the entities are asked for.
    rows: OnceCell<Rows>,
}

/// Whom representations name.
#[derive(Debug, Default)]
struct Named {
    accounts: HashSet<AccountKey>,
    sessions: HashSet<SessionKey>,
}

#[derive(Debug)]
struct Rows {
    accounts: Result<HashMap<AccountKey, Arc<account::Model>>>,
    sessions: Result<HashMap<SessionKey, session::Model>>,
}

impl Representations {
    /// Those of a request, as far as they are in its root fields: what is in fragments is read when it is asked for.
    pub(super) fn of(request: &mut Request) -> Self {
        let named = look(request, |document, name, variables| {
            let operation = &selected_operation(document, name)?.node;
            let mut named = Named::default();
            for selection in &operation.selection_set.node.items {
                let Selection::Field(field) = &selection.node else {
                    continue;
                };
                if field.node.name.node != ENTITIES {
                    continue;
                }
                let given = argument(operation, variables, &field.node, "representations");
                if let Some(Value::List(representations)) = given.as_deref() {
                    named.extend(representations);
                }
            }
            (named.len() <= MAX_REPRESENTATIONS.into()).then_some(named)
        });
        Self {
            named: named.flatten().unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Reads all of them at once: a hundred entities that wait, each for its own, cost more than the statement.
    pub(super) async fn load(ctx: &ExtensionContext<'_>) {
        let of_request = ctx.data_opt::<Self>();
        let loader = ctx.data_opt::<DataLoader<Batches>>();
        if let (Some(this), Some(loader)) = (of_request, loader) {
            this.rows.get_or_init(|| this.named.read(loader)).await;
        }
    }

    /// An account that one names.
    pub(super) async fn account(
        ctx: &Context<'_>,
        key: AccountKey,
    ) -> Result<Option<Arc<account::Model>>> {
        match Self::read(ctx, |named| named.accounts.contains(&key)) {
            Some(rows) => found(&rows.accounts, &key),
            None => batches(ctx)?.load_one(key).await,
        }
    }

    /// A session that one names.
    pub(super) async fn session(
        ctx: &Context<'_>,
        key: SessionKey,
    ) -> Result<Option<session::Model>> {
        match Self::read(ctx, |named| named.sessions.contains(&key)) {
            Some(rows) => found(&rows.sessions, &key),
            None => batches(ctx)?.load_one(key).await,
        }
    }

    fn read<'a>(ctx: &Context<'a>, named: impl FnOnce(&Named) -> bool) -> Option<&'a Rows> {
        let this = ctx.data_opt::<Self>().filter(|this| named(&this.named))?;
        this.rows.get()
    }

    fn next_index(&self, ctx: &Context<'_>) -> usize {
        let field = match ctx.path_node.map(|node| node.segment) {
            Some(QueryPathSegment::Name(name)) => name.to_owned(),
            _ => String::new(),
        };
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let next = begun.entry(field).or_default();
        *next += 1;
        *next - 1
    }
}

impl Named {
    fn extend(&mut self, representations: &[Value]) {
        for representation in representations {
            let Value::Object(fields) = representation else {
                continue;
            };
            let (Some(Value::String(name)), Some(Value::String(id))) =
                (fields.get("__typename"), fields.get("id"))
            else {
                continue;
            };
            match (name.as_str(), types::id(id)) {
                ("Account", Some(id)) => drop(self.accounts.insert(AccountKey(id))),
                ("Session", Some(id)) => drop(self.sessions.insert(SessionKey(id))),
                _ => {}
            }
        }
    }

    fn len(&self) -> usize {
        self.accounts.len() + self.sessions.len()
    }

    async fn read(&self, loader: &DataLoader<Batches>) -> Rows {
        let (accounts, sessions) = join(
            loader.load_many(self.accounts.iter().copied()),
            loader.load_many(self.sessions.iter().copied()),
        )
        .await;
        Rows { accounts, sessions }
    }
}

fn found<K: Hash + Eq, V: Clone>(rows: &Result<HashMap<K, V>>, key: &K) -> Result<Option<V>> {
    match rows {
        Ok(rows) => Ok(rows.get(key).cloned()),
        Err(error) => Err(error.clone()),
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

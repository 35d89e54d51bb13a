//! The query root of a federated subgraph: representations are answered one by one.
//!
//! The library fails the whole of `_entities` for one representation that it cannot resolve. Here an unknown id is null
//! for that entity alone, and a representation of an unknown type or shape is an error at its own index.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ObjectType, OutputType, Positioned,
    QueryPathSegment, Request, ServerError, ServerResult, Value,
    extensions::ExtensionContext,
    parser::types::{Field, Selection},
    registry::Registry,
    resolver_utils::resolve_container,
};
use futures_util::future::join;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{
    document::{argument, look, selected_operation},
    errors::request_error,
    limits::MAX_REPRESENTATIONS,
    loader::{AccountKey, SessionKey, batches},
    types,
};
use crate::{
    account::Accounts,
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
    begun: Mutex<Vec<(String, usize)>>,
    named: Named,
    /// What of it there is, read before the entities are asked for.
    rows: OnceCell<Rows>,
}

/// Whom representations name: each id once, in order.
#[derive(Debug, Default)]
struct Named {
    accounts: Vec<Uuid>,
    sessions: Vec<Uuid>,
}

/// The row of each id that is named, or that it has none, in the order of the ids.
type RowsById<Row> = Result<Vec<(Uuid, Option<Row>)>>;

#[derive(Debug)]
struct Rows {
    accounts: RowsById<Arc<account::Model>>,
    sessions: RowsById<session::Model>,
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
            named.sort_and_dedup();
            (named.len() <= MAX_REPRESENTATIONS.into()).then_some(named)
        });
        Self {
            named: named.flatten().unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Reads all of them at once: a hundred entities that wait, each for its own, cost more than the statement. Not by the
    /// loader, which waits for more of the same request: none is still to come.
    pub(super) async fn load(ctx: &ExtensionContext<'_>) {
        let of_request = ctx.data_opt::<Self>();
        let accounts = ctx.data_opt::<Accounts>();
        if let (Some(this), Some(accounts)) = (of_request, accounts) {
            this.rows.get_or_init(|| this.named.read(accounts)).await;
        }
    }

    /// An account that one names.
    pub(super) async fn account(
        ctx: &Context<'_>,
        id: Uuid,
    ) -> Result<Option<Arc<account::Model>>> {
        match Self::read(ctx, |rows| &rows.accounts, id) {
            Some(row) => row,
            None => batches(ctx)?.load_one(AccountKey(id)).await,
        }
    }

    /// A session that one names.
    pub(super) async fn session(ctx: &Context<'_>, id: Uuid) -> Result<Option<session::Model>> {
        match Self::read(ctx, |rows| &rows.sessions, id) {
            Some(row) => row,
            None => batches(ctx)?.load_one(SessionKey(id)).await,
        }
    }

    /// What has been read of an id; `None` where nothing was.
    fn read<Row: Clone>(
        ctx: &Context<'_>,
        of: impl FnOnce(&Rows) -> &RowsById<Row>,
        id: Uuid,
    ) -> Option<Result<Option<Row>>> {
        match of(ctx.data_opt::<Self>()?.rows.get()?) {
            Ok(rows) => place_of(id, rows).map(|place| Ok(rows[place].1.clone())),
            Err(error) => Some(Err(error.clone())),
        }
    }

    fn next_index(&self, ctx: &Context<'_>) -> usize {
        let field = match ctx.path_node.map(|node| node.segment) {
            Some(QueryPathSegment::Name(name)) => name,
            _ => "",
        };
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, next)) = begun.iter_mut().find(|(name, _)| name == field) {
            *next += 1;
            return *next - 1;
        }
        begun.push((field.to_owned(), 1));
        0
    }
}

impl Named {
    fn extend(&mut self, representations: &[Value]) {
        for representation in representations {
            let Value::Object(fields) = representation else {
                continue;
            };
            let field = |name| fields.iter().find(|field| field.0 == name);
            let (Some((_, Value::String(name))), Some((_, Value::String(id)))) =
                (field("__typename"), field("id"))
            else {
                continue;
            };
            match (name.as_str(), types::id(id)) {
                ("Account", Some(id)) => self.accounts.push(id),
                ("Session", Some(id)) => self.sessions.push(id),
                _ => {}
            }
        }
    }

    fn sort_and_dedup(&mut self) {
        for ids in [&mut self.accounts, &mut self.sessions] {
            ids.sort_unstable();
            ids.dedup();
        }
    }

    fn len(&self) -> usize {
        self.accounts.len() + self.sessions.len()
    }

    async fn read(&self, accounts: &Accounts) -> Rows {
        let sessions = accounts.sessions();
        let (accounts, sessions) = join(
            by_id(
                &self.accounts,
                accounts.accounts_by_id(&self.accounts),
                |row| (row.id, Arc::new(row)),
            ),
            by_id(
                &self.sessions,
                sessions.sessions_by_id(&self.sessions),
                |row| (row.id, row),
            ),
        )
        .await;
        Rows { accounts, sessions }
    }
}

/// Reads rows, if any are named. The ids are in order.
async fn by_id<M, Row>(
    ids: &[Uuid],
    read: impl Future<Output = Result<Vec<M>>>,
    entry: fn(M) -> (Uuid, Row),
) -> RowsById<Row> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows: Vec<_> = ids.iter().map(|id| (*id, None)).collect();
    for row in read.await? {
        let (id, row) = entry(row);
        if let Some(place) = place_of(id, &rows) {
            rows[place].1 = Some(row);
        }
    }
    Ok(rows)
}

fn place_of<Row>(id: Uuid, rows: &[(Uuid, Row)]) -> Option<usize> {
    rows.binary_search_by_key(&id, |(id, _)| *id).ok()
}

impl<Q: ObjectType> ContainerType for Subgraph<Q> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        self.0.resolve_field(ctx).await
    }

    /// Boxed: the library keeps the future of each representation up to the last, and nearly all of them are done when they
    /// have begun.
    async fn find_entity(&self, ctx: &Context<'_>, params: &Value) -> ServerResult<Option<Value>> {
        Box::pin(self.entity(ctx, params)).await
    }
}

impl<Q: ObjectType> Subgraph<Q> {
    async fn entity(&self, ctx: &Context<'_>, params: &Value) -> ServerResult<Option<Value>> {
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

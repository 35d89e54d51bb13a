//! Connections: pages of sessions and accounts.

use std::sync::Arc;

use async_graphql::{
    Context, Object,
    connection::{Connection, Edge, EmptyFields},
};
use uuid::Uuid;

use super::{Account, Session, SessionEvent};
use crate::{
    entity::{
        account,
        session::{self, SessionStatus},
        session_record,
    },
    error::{Error, Result},
    graphql::{
        current,
        loader::{RecordCountKey, SessionCountKey, batches},
    },
    page::{Slice, cursor},
};

/// A page of sessions.
pub type SessionConnection = Connection<String, Session, SessionTotal, EmptyFields>;
/// A page of what happened to a session.
pub type SessionEventConnection = Connection<String, SessionEvent, SessionEventTotal, EmptyFields>;
/// A page of accounts.
pub type AccountConnection = Connection<String, Account, AccountTotal, EmptyFields>;

/// What a page of sessions is of.
pub struct SessionTotal {
    account: Uuid,
    status: Option<SessionStatus>,
}

#[Object]
impl SessionTotal {
    /// How many there are on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let key = SessionCountKey {
            account: self.account,
            status: self.status,
        };
        let count = batches(ctx)?.load_one(key).await?;
        i32::try_from(count.unwrap_or_default()).map_err(Error::internal)
    }
}

/// What a page of events is of.
pub struct SessionEventTotal {
    session: Uuid,
}

#[Object]
impl SessionEventTotal {
    /// How many there are on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = batches(ctx)?.load_one(RecordCountKey(self.session)).await?;
        i32::try_from(count.unwrap_or_default()).map_err(Error::internal)
    }
}

/// What a page of accounts is of.
pub struct AccountTotal;

#[Object]
impl AccountTotal {
    /// How many there are on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        i32::try_from(current::accounts(ctx)?.count().await?).map_err(Error::internal)
    }
}

/// A page of the sessions of an account that the request may see; `granted` where it may see everything of them too.
pub(super) fn sessions(
    slice: Slice<session::Model>,
    account: &Arc<account::Model>,
    status: Option<SessionStatus>,
    granted: bool,
) -> SessionConnection {
    let total = SessionTotal {
        account: account.id,
        status,
    };
    let mut page = Connection::with_additional_fields(slice.has_previous, slice.has_next, total);
    let node = if granted {
        Session::granted
    } else {
        Session::of_account
    };
    page.edges.extend(
        slice
            .rows
            .into_iter()
            .map(|row| Edge::new(cursor(row.id), node(row, Arc::clone(account)))),
    );
    page
}

/// A page of what happened to a session that the request may see everything of; `of_back_ends` where it may also see from
/// where back ends did it.
pub(super) fn events(
    slice: Slice<session_record::Model>,
    session: &Session,
    session_id: Uuid,
    of_back_ends: bool,
) -> SessionEventConnection {
    let total = SessionEventTotal {
        session: session_id,
    };
    let mut page = Connection::with_additional_fields(slice.has_previous, slice.has_next, total);
    page.edges.extend(slice.rows.into_iter().map(|record| {
        let cursor = cursor(record.id);
        let event = SessionEvent::recorded(record, session.clone(), of_back_ends);
        Edge::new(cursor, event)
    }));
    page
}

/// A page of accounts, for a service key that may read all.
pub(crate) fn accounts(slice: Slice<account::Model>) -> AccountConnection {
    let mut page =
        Connection::with_additional_fields(slice.has_previous, slice.has_next, AccountTotal);
    page.edges.extend(
        slice
            .rows
            .into_iter()
            .map(|row| Edge::new(cursor(row.id), Account::granted(Arc::new(row)))),
    );
    page
}

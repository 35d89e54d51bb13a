//! Batching: what the fields of one answer ask for, one statement fetches.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Context,
    dataloader::{DataLoader, Loader},
};
use uuid::Uuid;

use super::{batching, limits::MAX_REPRESENTATIONS};
use crate::{
    account::Accounts,
    entity::{
        account,
        session::{self, SessionStatus},
        session_record,
    },
    error::{Error, Result},
    page::{Page, Slice},
};

/// The longest batch; as many representations as `_entities` takes.
const MAX_BATCH: usize = MAX_REPRESENTATIONS as usize;
/// So many accounts' or sessions' pages are one statement: SQLite's compound selects have 500 arms at most.
const MAX_PAGES: usize = 100;

/// Loads for the resolvers.
#[derive(Debug)]
pub(crate) struct Batches {
    accounts: Accounts,
}

/// The loader of a schema. It keeps nothing: what has ended is seen by the next request.
pub(super) fn loader(accounts: Accounts) -> DataLoader<Batches> {
    batching::loader(Batches { accounts }).max_batch_size(MAX_BATCH)
}

/// The loader of the schema that a field is resolved in.
pub(super) fn batches<'a>(ctx: &Context<'a>) -> Result<&'a DataLoader<Batches>> {
    ctx.data_opt()
        .ok_or_else(|| Error::internal("the schema has no loader"))
}

/// An account by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AccountKey(pub Uuid);

/// A session by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionKey(pub Uuid);

/// A page of an account's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionPageKey {
    /// Whose.
    pub account: Uuid,
    /// Only those with this status.
    pub status: Option<SessionStatus>,
    /// Which page.
    pub page: Page,
}

/// A page of what happened to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RecordPageKey {
    /// Which.
    pub session: Uuid,
    /// Which page.
    pub page: Page,
}

/// How much has happened to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RecordCountKey(pub Uuid);

/// How many sessions an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionCountKey {
    /// Whose.
    pub account: Uuid,
    /// Only those with this status.
    pub status: Option<SessionStatus>,
}

impl Loader<AccountKey> for Batches {
    type Value = Arc<account::Model>;
    type Error = Error;

    async fn load(&self, keys: &[AccountKey]) -> Result<HashMap<AccountKey, Self::Value>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self.accounts.accounts_by_id(&ids).await?;
        Ok(rows
            .into_iter()
            .map(|row| (AccountKey(row.id), Arc::new(row)))
            .collect())
    }
}

impl Loader<SessionKey> for Batches {
    type Value = session::Model;
    type Error = Error;

    async fn load(&self, keys: &[SessionKey]) -> Result<HashMap<SessionKey, Self::Value>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = self.accounts.sessions().sessions_by_id(&ids).await?;
        Ok(rows
            .into_iter()
            .map(|row| (SessionKey(row.id), row))
            .collect())
    }
}

impl Loader<SessionPageKey> for Batches {
    type Value = Slice<session::Model>;
    type Error = Error;

    async fn load(&self, keys: &[SessionPageKey]) -> Result<HashMap<SessionPageKey, Self::Value>> {
        let mut pages = HashMap::new();
        for ((status, page), accounts) in
            grouped(keys.iter().map(|key| ((key.status, key.page), key.account)))
        {
            for accounts in accounts.chunks(MAX_PAGES) {
                let of_accounts = self
                    .accounts
                    .sessions()
                    .session_pages(accounts, status, page)
                    .await?;
                pages.extend(of_accounts.into_iter().map(|(account, slice)| {
                    (
                        SessionPageKey {
                            account,
                            status,
                            page,
                        },
                        slice,
                    )
                }));
            }
        }
        Ok(pages)
    }
}

impl Loader<SessionCountKey> for Batches {
    type Value = i64;
    type Error = Error;

    async fn load(
        &self,
        keys: &[SessionCountKey],
    ) -> Result<HashMap<SessionCountKey, Self::Value>> {
        let mut counts = HashMap::new();
        for (status, accounts) in grouped(keys.iter().map(|key| (key.status, key.account))) {
            let of_accounts = self
                .accounts
                .sessions()
                .session_counts(&accounts, status)
                .await?;
            counts.extend(accounts.into_iter().map(|account| {
                (
                    SessionCountKey { account, status },
                    of_accounts.get(&account).copied().unwrap_or_default(),
                )
            }));
        }
        Ok(counts)
    }
}

impl Loader<RecordPageKey> for Batches {
    type Value = Slice<session_record::Model>;
    type Error = Error;

    async fn load(&self, keys: &[RecordPageKey]) -> Result<HashMap<RecordPageKey, Self::Value>> {
        let mut pages = HashMap::new();
        for (page, sessions) in grouped(keys.iter().map(|key| (key.page, key.session))) {
            for sessions in sessions.chunks(MAX_PAGES) {
                let of_sessions = self
                    .accounts
                    .sessions()
                    .record_pages(sessions, page)
                    .await?;
                pages.extend(
                    of_sessions
                        .into_iter()
                        .map(|(session, slice)| (RecordPageKey { session, page }, slice)),
                );
            }
        }
        Ok(pages)
    }
}

impl Loader<RecordCountKey> for Batches {
    type Value = i64;
    type Error = Error;

    async fn load(&self, keys: &[RecordCountKey]) -> Result<HashMap<RecordCountKey, Self::Value>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let counts = self.accounts.sessions().record_counts(&ids).await?;
        Ok(counts
            .into_iter()
            .map(|(session, count)| (RecordCountKey(session), count))
            .collect())
    }
}

/// Accounts or sessions by what is asked of them: in one answer usually the same of all.
fn grouped<K: std::hash::Hash + Eq>(
    keys: impl Iterator<Item = (K, Uuid)>,
) -> HashMap<K, Vec<Uuid>> {
    let mut groups: HashMap<K, Vec<Uuid>> = HashMap::new();
    for (key, id) in keys {
        groups.entry(key).or_default().push(id);
    }
    groups
}

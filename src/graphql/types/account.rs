//! `Account`.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{SessionConnection, SessionStatus, connection};
use crate::{
    entity::account,
    error::Result,
    graphql::{
        current::{has_scope, own_session},
        loader::{AccountKey, SessionPageKey, batches},
    },
    page::Page,
    scope::Scope,
};

/// Somebody who signs in.
#[derive(Debug, Clone)]
pub struct Account {
    id: Uuid,
    /// The row, where it has been read already.
    row: Option<Arc<account::Model>>,
    /// Whether the request has been found to see everything of it; else that is found out when a private field is asked.
    granted: bool,
    /// Whether the answer has a session's tokens in it: with them everything of its sessions is visible as well.
    signed_in: bool,
}

impl Account {
    /// An account whose private fields the request may see.
    #[must_use]
    pub fn granted(row: Arc<account::Model>) -> Self {
        Self {
            id: row.id,
            row: Some(row),
            granted: true,
            signed_in: false,
        }
    }

    /// An account that the answer signs in.
    pub(super) fn signed_in(row: Arc<account::Model>) -> Self {
        Self {
            signed_in: true,
            ..Self::granted(row)
        }
    }

    /// An account that is read when more than its id is asked for, by somebody who may see it.
    #[must_use]
    pub fn by_id(id: Uuid) -> Self {
        Self {
            id,
            row: None,
            granted: false,
            signed_in: false,
        }
    }

    /// An account that has been read, and shows what the request may see of it.
    #[must_use]
    pub fn by_requester(row: Arc<account::Model>) -> Self {
        Self {
            id: row.id,
            row: Some(row),
            granted: false,
            signed_in: false,
        }
    }

    /// The row, for whom it is visible.
    async fn visible(&self, ctx: &Context<'_>) -> Result<Option<Arc<account::Model>>> {
        if !self.granted && !has_scope(ctx, Scope::AccountsRead) {
            let own = own_session(ctx).await?;
            return Ok(own
                .filter(|own| own.account.id == self.id)
                .map(|own| Arc::new(own.account.clone())));
        }
        match &self.row {
            Some(row) => Ok(Some(Arc::clone(row))),
            None => batches(ctx)?.load_one(AccountKey(self.id)).await,
        }
    }
}

#[Object]
impl Account {
    async fn id(&self) -> ID {
        self.id.into()
    }

    /// Visible to the account itself and to service keys with accounts:read; else null. So for all nullable fields here.
    async fn username(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self
            .visible(ctx)
            .await?
            .and_then(|row| row.username.clone()))
    }

    async fn email(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.visible(ctx).await?.and_then(|row| row.email.clone()))
    }

    async fn email_verified(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        Ok(self.visible(ctx).await?.map(|row| row.email_verified))
    }

    /// Carried in the access token's scope claim.
    async fn permissions(&self, ctx: &Context<'_>) -> Result<Option<Vec<String>>> {
        Ok(self
            .visible(ctx)
            .await?
            .map(|row| row.permission_list().map(str::to_owned).collect()))
    }

    async fn deactivated(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        Ok(self
            .visible(ctx)
            .await?
            .map(|row| row.deactivated_at.is_some()))
    }

    async fn created_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        Ok(self.visible(ctx).await?.map(|row| row.created_at))
    }

    async fn updated_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        Ok(self.visible(ctx).await?.map(|row| row.updated_at))
    }

    /// Newest first. A page has 20 where neither first nor last says otherwise, and 100 at most.
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        status: Option<SessionStatus>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Option<SessionConnection>> {
        let page = Page::from_arguments(first, after.as_deref(), last, before.as_deref())?;
        let Some(account) = self.visible(ctx).await? else {
            return Ok(None);
        };
        let key = SessionPageKey {
            account: self.id,
            status: status.map(Into::into),
            page,
        };
        let slice = batches(ctx)?.load_one(key).await?;
        // Who may see an account may not see everything of its sessions for that.
        let granted = self.signed_in;
        Ok(slice.map(|slice| connection::sessions(slice, &account, key.status, granted)))
    }
}

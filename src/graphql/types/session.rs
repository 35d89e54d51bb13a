//! `Session`.

#![expect(
    clippy::unused_async,
    reason = "the library calls every resolver asynchronously"
)]

use std::sync::Arc;

use async_graphql::{Context, ID, Json, Object};
use chrono::{DateTime, Utc};

use super::{
    Account, DeviceKind, InvalidationReason, SessionEventConnection, SessionStatus, connection,
};
use crate::{
    entity::{account, session},
    error::Result,
    graphql::{
        current,
        loader::{RecordPageKey, batches},
    },
    page::Page,
    request::Authentication,
    scope::Scope,
    session::UserAgentFamilies,
};

/// One login of one account on one device.
#[derive(Debug, Clone)]
pub struct Session {
    row: session::Model,
    account: Account,
    /// Whether the request has been found to see everything of it; else that is found out when a private field is asked.
    granted: bool,
}

impl Session {
    /// A session whose private fields, and those of its account, the request may see.
    #[must_use]
    pub fn granted(row: session::Model, account: Arc<account::Model>) -> Self {
        Self {
            granted: true,
            ..Self::of_account(row, account)
        }
    }

    /// A session of an account whose private fields the request may see.
    #[must_use]
    pub fn of_account(row: session::Model, account: Arc<account::Model>) -> Self {
        Self {
            row,
            account: Account::granted(account),
            granted: false,
        }
    }

    /// A session whose account shows what the request may see of it.
    #[must_use]
    pub fn by_requester(row: session::Model) -> Self {
        Self {
            account: Account::by_id(row.account_id),
            row,
            granted: false,
        }
    }

    /// Whether the request sees the private fields.
    async fn is_visible(&self, ctx: &Context<'_>) -> Result<bool> {
        if self.granted || current::has_scope(ctx, Scope::SessionsRead) {
            return Ok(true);
        }
        let own = current::own_session(ctx).await?;
        Ok(own.is_some_and(|own| own.account.id == self.row.account_id))
    }

    fn current_status(&self, ctx: &Context<'_>) -> Result<SessionStatus> {
        Ok(self
            .row
            .status(current::sessions(ctx)?.clock().now())
            .into())
    }
}

#[Object]
impl Session {
    async fn id(&self) -> ID {
        self.row.id.into()
    }

    async fn account(&self) -> &Account {
        &self.account
    }

    async fn status(&self, ctx: &Context<'_>) -> Result<SessionStatus> {
        self.current_status(ctx)
    }

    /// status == ACTIVE
    async fn valid(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.current_status(ctx)? == SessionStatus::Active)
    }

    /// Whether this is the session of the request.
    async fn current(&self, ctx: &Context<'_>) -> Result<bool> {
        let authentication = &current::request(ctx)?.authentication;
        Ok(
            matches!(authentication, Authentication::Session(claims) if claims.session_id == self.row.id),
        )
    }

    async fn connection_info(&self) -> ConnectionInfo {
        ConnectionInfo {
            ip: self.row.ip.clone(),
            user_agent: self.row.user_agent.clone(),
        }
    }

    async fn metadata(&self) -> Option<Json<serde_json::Value>> {
        self.row.metadata.clone().map(Json)
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When tokens were last issued for it.
    async fn refreshed_at(&self) -> DateTime<Utc> {
        self.row.refreshed_at
    }

    /// The last request seen here with it; kept to the minute, not to the request.
    async fn last_seen_at(&self, ctx: &Context<'_>) -> Result<DateTime<Utc>> {
        let noted = current::sessions(ctx)?.activity().last_seen_at(self.row.id);
        Ok(noted.map_or(self.row.last_seen_at, |noted| {
            noted.max(self.row.last_seen_at)
        }))
    }

    /// When it ends unless refreshed before; each refresh moves it, up to absoluteExpiresAt.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.row.expires_at
    }

    /// When it ends whatever happens.
    async fn absolute_expires_at(&self) -> DateTime<Utc> {
        self.row.absolute_expires_at
    }

    async fn invalidated_at(&self) -> Option<DateTime<Utc>> {
        self.row.invalidated_at
    }

    async fn invalidation_reason(&self) -> Option<InvalidationReason> {
        self.row.invalidation_reason.map(Into::into)
    }

    /// What happened to it and who did it, newest first: that it was opened, recovered from a lost refresh, or ended; not
    /// each refresh. It is kept for a time of its own. A page has 20 where neither first nor last says otherwise, and 100 at
    /// most. Visible to the account itself and to service keys with sessions:read; else null.
    async fn events(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Option<SessionEventConnection>> {
        let page = Page::from_arguments(first, after.as_deref(), last, before.as_deref())?;
        if !self.is_visible(ctx).await? {
            return Ok(None);
        }
        let session = self.row.id;
        let key = RecordPageKey { session, page };
        let slice = batches(ctx)?.load_one(key).await?;
        let of_back_ends = current::has_scope(ctx, Scope::SessionsRead);
        Ok(slice.map(|slice| connection::events(slice, self, session, of_back_ends)))
    }
}

/// Where a request came from: the one that opened or last refreshed the session, or that did what an event tells.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    ip: String,
    user_agent: String,
}

impl ConnectionInfo {
    pub(super) fn new(ip: String, user_agent: String) -> Self {
        Self { ip, user_agent }
    }

    fn families(&self, ctx: &Context<'_>) -> Result<UserAgentFamilies> {
        Ok(current::sessions(ctx)?
            .user_agents()
            .families(&self.user_agent))
    }
}

#[Object]
impl ConnectionInfo {
    async fn ip(&self) -> &str {
        &self.ip
    }

    async fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// Read from userAgent, families without versions, for lists of devices: for instance Firefox, Windows, DESKTOP. Null
    /// when unknown.
    async fn browser(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.families(ctx)?.browser)
    }

    async fn operating_system(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.families(ctx)?.operating_system)
    }

    async fn device_kind(&self, ctx: &Context<'_>) -> Result<Option<DeviceKind>> {
        Ok(self.families(ctx)?.device_kind.map(Into::into))
    }
}

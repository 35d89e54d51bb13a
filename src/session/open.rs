//! Opening a session.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, DatabaseTransaction, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, sea_query::LockType,
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Actor, LoginResult, Sessions,
    find::{by_id, is_live},
};
use crate::{
    crypto::opaque_token::RefreshToken,
    database,
    entity::{
        account,
        session::{self, InvalidationReason},
        session_record::RecordKind,
    },
    error::{Error, ErrorKind, Result},
    network::client_network,
    request::{ConnectionInfo, SessionRequest},
};

/// So many sessions are evicted with one statement: a statement has 32,766 values on SQLite, 65,535 on PostgreSQL.
const BATCH: usize = 1_000;

/// What a session is opened with.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Whose it is.
    pub account_id: Uuid,
    /// The account's `credentials_version` as it was verified: where it has changed since, no session is opened.
    /// `None` where somebody else has established who it is.
    pub credentials_version: Option<i64>,
    /// Where it is opened from.
    pub connection_info: ConnectionInfo,
    /// What the application keeps with it.
    pub metadata: Option<Value>,
}

/// Whether a session is opened or refreshed.
#[derive(Debug, Clone)]
pub enum UpsertSession {
    /// A new session with its first token.
    Insert(NewSession),
    /// A new token on the same session, for a genuine one.
    Update(RefreshToken),
}

/// A session that a transaction has opened, and those that it evicted.
pub(crate) struct Opened {
    pub(crate) session: session::Model,
    pub(crate) evicted: Vec<session::Model>,
}

impl Sessions {
    /// Opens a session, or refreshes one: under `signUp`, `signIn`, `createSession` and `refreshTokens`. Errors pass
    /// through `onUpsertSessionError`.
    ///
    /// # Errors
    ///
    /// Insert: `USER_NOT_FOUND`, `USER_DEACTIVATED`, and `AUTHENTICATION_FAILED` where the password has changed since it
    /// was verified. Update: as [`Sessions::refresh_tokens`].
    #[doc(alias = "upsertRefreshTokenAndSessionDocument")]
    pub async fn upsert_refresh_token_and_session(
        &self,
        request: &SessionRequest,
        input: UpsertSession,
    ) -> Result<LoginResult> {
        let (sessions, request) = (self.clone(), request.clone());
        self.to_the_end(async move {
            let result = match input {
                UpsertSession::Insert(new) => sessions.open(&request, new).await,
                UpsertSession::Update(token) => sessions.refresh(&request, token).await,
            };
            sessions.or_upsert_error(result, &request).await
        })
        .await
    }

    /// A result whose error has passed through `onUpsertSessionError`.
    pub(crate) async fn or_upsert_error<T>(
        &self,
        result: Result<T>,
        request: &SessionRequest,
    ) -> Result<T> {
        match result {
            Err(error) => Err(self.run_on_upsert_session_error(error, request).await),
            ok => ok,
        }
    }

    async fn open(&self, request: &SessionRequest, new: NewSession) -> Result<LoginResult> {
        let transaction = database::begin(&self.0.db).await?;
        // Sign-ins of one account pass one by one: each sees the sessions of the one before it, and the password as it is.
        let account = account::Entity::find_by_id(new.account_id)
            .lock(LockType::NoKeyUpdate)
            .one(&transaction)
            .await?
            .ok_or(ErrorKind::UserNotFound)?;
        if account.deactivated_at.is_some() {
            return Err(ErrorKind::UserDeactivated.into());
        }
        if new
            .credentials_version
            .is_some_and(|version| version != account.credentials_version)
        {
            return Err(ErrorKind::AuthenticationFailed.into());
        }
        let opened = self.insert_session(&transaction, request, new).await?;
        transaction.commit().await?;
        self.announce_opened(request, account, opened).await
    }

    /// Opens a session of an account that the transaction has locked or made.
    pub(crate) async fn insert_session(
        &self,
        transaction: &DatabaseTransaction,
        request: &SessionRequest,
        new: NewSession,
    ) -> Result<Opened> {
        let now = self.0.clock.now();
        let id = self.new_id(now)?;
        let from = new.connection_info.normalized();
        let actor = Actor::opening(request).with_connection(from.clone());
        let evicting = actor.clone().by_session(id);
        let evicted = self
            .make_room(transaction, new.account_id, &evicting)
            .await?;
        let ConnectionInfo { ip, user_agent } = from;
        let session = session::Model {
            id,
            account_id: new.account_id,
            generation: 0,
            parent: None,
            seen_generation: -1,
            ip: ip.to_string(),
            user_agent_family: self.0.user_agents.families(&user_agent).family(),
            user_agent,
            metadata: new.metadata,
            created_at: now,
            refreshed_at: now,
            last_seen_at: now,
            expires_at: now
                + self
                    .0
                    .policy
                    .session_idle_ttl
                    .min(self.0.policy.session_max_ttl),
            absolute_expires_at: now + self.0.policy.session_max_ttl,
            invalidated_at: None,
            invalidation_reason: None,
            opened_in: Some(client_network(ip).to_string()),
        };
        let session = session
            .into_active_model()
            .reset_all()
            .insert(transaction)
            .await?;
        let this = std::slice::from_ref(&session);
        self.record(transaction, RecordKind::Created, this, &actor)
            .await?;
        Ok(Opened { session, evicted })
    }

    /// Runs the hooks for what a transaction has committed, and issues the session's tokens. Where that fails the session
    /// is ended: nobody would have its tokens.
    pub(crate) async fn announce_opened(
        &self,
        request: &SessionRequest,
        account: account::Model,
        opened: Opened,
    ) -> Result<LoginResult> {
        self.run_on_session_invalidated(&opened.evicted).await;
        self.run_on_session_created(&opened.session).await;
        let this = by_id(opened.session.id);
        match self.issue(request, account, opened.session, None).await {
            Err(error) => {
                self.end(this, InvalidationReason::Logout, Actor::opening(request))
                    .await?;
                Err(error)
            }
            issued => issued,
        }
    }

    /// Evicts the least recently refreshed sessions of an account, so that one more keeps its limit.
    async fn make_room(
        &self,
        transaction: &DatabaseTransaction,
        account_id: Uuid,
        actor: &Actor,
    ) -> Result<Vec<session::Model>> {
        let live: Vec<Uuid> = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(session::Column::AccountId.eq(account_id))
            .filter(is_live(self.0.clock.now()))
            .order_by_asc(session::Column::RefreshedAt)
            .order_by_asc(session::Column::Id)
            .into_tuple()
            .all(transaction)
            .await?;
        let limit =
            usize::try_from(self.0.policy.max_sessions_per_account).map_err(Error::internal)?;
        let over = (live.len() + 1).saturating_sub(limit).min(live.len());
        let mut evicted = Vec::new();
        // More than a few, where the limit was lowered.
        for over in live[..over].chunks(BATCH) {
            let which = Condition::all().add(session::Column::Id.is_in(over.iter().copied()));
            let reason = InvalidationReason::SessionLimit;
            evicted.extend(self.mark_ended(transaction, which, reason, actor).await?);
        }
        Ok(evicted)
    }
}

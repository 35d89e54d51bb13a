//! Reading sessions: the row is the session, a token only claims it.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, Condition, ExprTrait, JoinType,
    sea_query::{Alias, Expr, Query},
};

use uuid::Uuid;

use super::{Actor, Sessions, is_void, shared::Ask, statements::session_of_account};
use crate::{
    entity::{
        account,
        session::{self, InvalidationReason, SessionStatus},
    },
    error::{Error, ErrorKind, Result, UnauthenticatedReason},
    request::{Authentication, SessionClaims, SessionRequest},
};

/// The session of a request, as the database has it.
#[derive(Debug, Clone)]
pub struct CurrentSession {
    /// The session.
    pub session: session::Model,
    /// Its account.
    pub account: account::Model,
}

impl Sessions {
    /// The session that the request's access token belongs to: `None` where it carries no token, or a service key.
    ///
    /// One statement.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` where its token does not hold, and what the database says.
    pub async fn current_session(
        &self,
        request: &SessionRequest,
    ) -> Result<Option<CurrentSession>> {
        match &request.authentication {
            Authentication::Nobody | Authentication::Service(_) => Ok(None),
            Authentication::Failed(error) => Err(error.clone()),
            Authentication::Session(claims) => self.standing(request, claims).await.map(Some),
        }
    }

    /// The session of a request that needs one.
    ///
    /// # Errors
    ///
    /// As [`Sessions::current_session`]; `UNAUTHENTICATED` with `MISSING_TOKEN` where the request carries no token, and
    /// `FORBIDDEN` where it carries a service key.
    pub async fn require_session(&self, request: &SessionRequest) -> Result<CurrentSession> {
        self.standing(request, request.session_claims()?).await
    }

    /// The session of a verified token that came with a request, if it still stands.
    pub(super) async fn standing(
        &self,
        request: &SessionRequest,
        claims: &SessionClaims,
    ) -> Result<CurrentSession> {
        let reads = &self.0.reads;
        let found = reads.ask(claims.session_id, || self.reads()).await?;
        let Some((session, account)) = found else {
            return Err(Error::unauthenticated(
                UnauthenticatedReason::SessionNotFound,
            ));
        };
        let Some(account) = account.filter(|account| account.id == claims.account_id) else {
            return Err(Error::unauthenticated(UnauthenticatedReason::UserNotFound));
        };
        if account.deactivated_at.is_some() {
            return Err(Error::unauthenticated(
                UnauthenticatedReason::UserDeactivated,
            ));
        }
        if session.status(self.0.clock.now()) != SessionStatus::Active {
            return Err(Error::unauthenticated(
                UnauthenticatedReason::InvalidSession,
            ));
        }
        if is_void(&session, claims.generation) {
            let shown = "an access token issued with a void refresh token";
            Box::pin(self.end_as_reused(request, &session, shown)).await?;
            return Err(Error::unauthenticated(
                UnauthenticatedReason::InvalidSession,
            ));
        }
        Ok(CurrentSession { session, account })
    }

    fn reads(&self) -> Ask<Uuid, Option<SessionOfAccount>> {
        let sessions = self.clone();
        Arc::new(move |ids| {
            let sessions = sessions.clone();
            Box::pin(async move { sessions.read_together(ids).await })
        })
    }

    /// Sessions with their accounts, in the order of their ids' list.
    async fn read_together(&self, ids: Vec<Uuid>) -> Vec<Result<Option<SessionOfAccount>>> {
        let statement = self.0.statements.read(&ids);
        let found = match self.0.hot.query_all(statement).await {
            Ok(rows) => rows.iter().map(session_of_account).collect(),
            Err(error) => Err(error.into()),
        };
        let mut found: Vec<SessionOfAccount> = match found {
            Ok(found) => found,
            Err(error) => return ids.iter().map(|_| Err(Error::clone(&error))).collect(),
        };
        if ids.len() == 1 {
            return vec![Ok(found.pop())];
        }
        let by_id: HashMap<Uuid, SessionOfAccount> =
            found.into_iter().map(|row| (row.0.id, row)).collect();
        ids.iter().map(|id| Ok(by_id.get(id).cloned())).collect()
    }

    /// Ends a session of which two parties hold tokens.
    async fn end_as_reused(
        &self,
        request: &SessionRequest,
        session: &session::Model,
        shown: &str,
    ) -> Result<()> {
        tracing::warn!(session_id = %session.id, account_id = %session.account_id, shown, "a session is held by two parties: it is ended");
        let (this, reason) = (by_id(session.id), InvalidationReason::RefreshTokenReused);
        let actor = Actor::of(request).by_session(session.id);
        self.end(this, reason, actor).await?;
        Ok(())
    }
}

impl SessionRequest {
    /// What the request's access token says, for fields that want a user.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` where there is no token or it does not hold, `FORBIDDEN` for a service key.
    pub fn session_claims(&self) -> Result<&SessionClaims> {
        match &self.authentication {
            Authentication::Session(claims) => Ok(claims),
            Authentication::Nobody => {
                Err(Error::unauthenticated(UnauthenticatedReason::MissingToken))
            }
            Authentication::Service(_) => Err(ErrorKind::Forbidden.into()),
            Authentication::Failed(error) => Err(error.clone()),
        }
    }
}

/// A session's row, and its account's if that is there.
pub(super) type SessionOfAccount = (session::Model, Option<account::Model>);

/// One session.
pub(crate) fn by_id(id: Uuid) -> Condition {
    Condition::all().add(session::Column::Id.eq(id))
}

/// A session that is neither ended nor run out.
pub(crate) fn is_live(now: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(session::Column::InvalidatedAt.is_null())
        .add(session::Column::ExpiresAt.gt(now))
        .add(session::Column::AbsoluteExpiresAt.gt(now))
}

/// The condition, for a write's own `WHERE`, that the caller's session still stands: between the check before and the
/// write another request may have ended it.
pub(crate) fn caller_stands(caller: &SessionClaims, now: DateTime<Utc>) -> Expr {
    let of_caller = Alias::new("caller");
    let owner = Alias::new("owner");
    let column = |column: session::Column| Expr::col((of_caller.clone(), column));
    let generation = i64::from(caller.generation);
    Expr::exists(
        Query::select()
            .expr(Expr::val(1))
            .from_as(session::Entity, of_caller.clone())
            .join_as(
                JoinType::InnerJoin,
                account::Entity,
                owner.clone(),
                Expr::col((owner.clone(), account::Column::Id)).equals((of_caller.clone(), session::Column::AccountId)),
            )
            .and_where(column(session::Column::Id).eq(caller.session_id))
            .and_where(column(session::Column::AccountId).eq(caller.account_id))
            .and_where(column(session::Column::InvalidatedAt).is_null())
            .and_where(column(session::Column::ExpiresAt).gt(now))
            .and_where(column(session::Column::AbsoluteExpiresAt).gt(now))
            // Not one that was issued with a void refresh token.
            .cond_where(
                Condition::any()
                    .add(column(session::Column::Parent).is_null())
                    .add(column(session::Column::Parent).gte(generation))
                    .add(column(session::Column::Generation).lte(generation)),
            )
            .and_where(Expr::col((owner, account::Column::DeactivatedAt)).is_null())
            .to_owned(),
    )
}

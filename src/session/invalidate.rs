//! Ending sessions.

use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, sea_query::Expr,
};
use secrecy::SecretString;
use uuid::Uuid;

use super::{
    Actor, CurrentSession, Sessions,
    find::{by_id, caller_stands, is_live},
    tokens::Presented,
};
use crate::{
    database,
    entity::{
        account,
        session::{self, InvalidationReason},
        session_record::RecordKind,
    },
    error::{Action, Error, ErrorKind, Result},
    request::{Authentication, CookieChange, ServiceIdentity, SessionClaims, SessionRequest},
};

/// Which sessions to end.
#[derive(Debug, Clone)]
pub enum InvalidateSessions {
    /// One.
    One(SessionSelector),
    /// Every session of the caller's account but his own.
    Others,
    /// Every session of an account.
    All,
}

/// Names one session.
#[derive(Debug, Clone)]
pub enum SessionSelector {
    /// By its id.
    Id(Uuid),
    /// By any token of it, expired and superseded ones too.
    Token(SecretString),
}

/// Who ends sessions.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A signed-in account, its own ones.
    Session(SessionClaims),
    /// A backend, anybody's.
    Service(ServiceIdentity),
}

impl Sessions {
    /// Ends sessions of one account, and returns those that this call ended. A user names no account or his own; a
    /// service key has to name one, except with [`InvalidateSessions::One`], where the session tells.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` where the caller's own session does not stand; `FORBIDDEN` where a user names another account;
    /// `SESSION_NOT_FOUND` where the session is not there or is another account's; `TOKEN_VERIFICATION_FAILED` and
    /// `INVALID_TOKEN` for a text that is no token of a session; `USER_NOT_FOUND` where a service key names an account
    /// that is not there; `BAD_USER_INPUT` for a mode that the caller cannot use.
    #[doc(alias = "invalidateSessions")]
    pub async fn invalidate_sessions(
        &self,
        request: &SessionRequest,
        caller: &Caller,
        account_id: Option<Uuid>,
        what: InvalidateSessions,
    ) -> Result<Vec<session::Model>> {
        if matches!(
            (&what, caller),
            (InvalidateSessions::Others, Caller::Service(_))
        ) {
            return Err(Error::bad_user_input(
                "mode",
                "a service key has no session: OTHERS is not for it",
            ));
        }
        let owner = match caller {
            Caller::Session(claims) => {
                let CurrentSession { account, .. } = self.standing(request, claims).await?;
                if account_id.is_some_and(|named| named != account.id) {
                    return Err(ErrorKind::Forbidden.into());
                }
                Some(account.id)
            }
            Caller::Service(_) => {
                if let Some(named) = account_id {
                    self.ensure_account(named).await?;
                }
                account_id
            }
        };
        let which = match (what, caller) {
            (InvalidateSessions::One(selector), _) => {
                let id = self.selected(request, selector).await?;
                self.ensure_owned(id, owner).await?;
                by_id(id)
            }
            (InvalidateSessions::Others, Caller::Session(claims)) => Condition::all()
                .add(session::Column::AccountId.eq(claims.account_id))
                .add(session::Column::Id.ne(claims.session_id)),
            (InvalidateSessions::All | InvalidateSessions::Others, _) => {
                let owner = owner.ok_or_else(|| {
                    Error::bad_user_input("accountId", "a service key has to name the account")
                })?;
                Condition::all().add(session::Column::AccountId.eq(owner))
            }
        };
        let which = match caller {
            Caller::Session(claims) => which.add(caller_stands(claims, self.0.clock.now())),
            Caller::Service(_) => which,
        };
        let actor = match caller {
            Caller::Session(claims) => Actor::of(request).by_session(claims.session_id),
            Caller::Service(identity) => Actor::of(request).by_service_key(identity),
        };
        self.end(which, InvalidationReason::Requested, actor).await
    }

    /// Ends the session of a token: of the one handed over, else of the Authorization header, else of the cookies.
    /// Expired and superseded ones are good for it. True when this call ended the session. The request has neither user
    /// nor token afterwards.
    ///
    /// # Errors
    ///
    /// `TOKEN_VERIFICATION_FAILED` for a text that is none of ours, which ends nobody's session, and `INVALID_TOKEN` for
    /// a service key.
    pub async fn logout(
        &self,
        request: &mut SessionRequest,
        token: Option<&SecretString>,
    ) -> Result<bool> {
        if request.cookies.present && request.accepts_cookies {
            request.on_destroy_session();
        }
        let ended = match token.or(request.bearer.as_ref()) {
            Some(token) => self.end_session_of_token(request, &[token]).await,
            None => self.end_session_of_cookies(request).await,
        };
        request.bearer = None;
        request.cookies = crate::request::RequestCookies::default();
        request.authentication = Authentication::Nobody;
        ended
    }

    /// Either cookie names the session; the refresh token's key is not rotated away.
    async fn end_session_of_cookies(&self, request: &SessionRequest) -> Result<bool> {
        let cookies = &request.cookies;
        let tokens: Vec<_> = cookies.refresh.iter().chain(&cookies.access).collect();
        self.end_session_of_token(request, &tokens).await
    }

    /// Ends the session of the first token that names one; `false` where there is no token.
    async fn end_session_of_token(
        &self,
        request: &SessionRequest,
        tokens: &[&SecretString],
    ) -> Result<bool> {
        let mut refused = None;
        for token in tokens {
            match self.session_of_token(request, token).await {
                Ok(id) => {
                    // The token does it, whoever else the request is from.
                    let actor = Actor::of(request).by_session(id);
                    let ended = self
                        .end(by_id(id), InvalidationReason::Logout, actor)
                        .await?;
                    return Ok(!ended.is_empty());
                }
                Err(error) => refused = Some(error),
            }
        }
        refused.map_or(Ok(false), Err)
    }

    /// Ends the session whose cookies came with a request that opens another one.
    pub(crate) async fn end_replaced_session(&self, request: &SessionRequest) -> Result<()> {
        match self.end_session_of_cookies(request).await {
            // Cookies that are none of ours have no session to end.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::TokenVerificationFailed | ErrorKind::InvalidToken
                ) =>
            {
                Ok(())
            }
            ended => ended.map(drop),
        }
    }

    async fn session_of_token(
        &self,
        request: &SessionRequest,
        token: &SecretString,
    ) -> Result<Uuid> {
        match self
            .present(request, token)
            .await
            .map_err(super::tokens::Refused::handed_over)?
        {
            Presented::Access(claims) => Ok(claims.sid),
            Presented::Refresh(token) => {
                self.note_shown(token.session_id, token.generation);
                Ok(token.session_id)
            }
            Presented::Service(_) => Err(ErrorKind::InvalidToken.into()),
        }
    }

    async fn selected(&self, request: &SessionRequest, selector: SessionSelector) -> Result<Uuid> {
        match selector {
            SessionSelector::Id(id) => Ok(id),
            // Signing in again would not make the token any better.
            SessionSelector::Token(token) => {
                self.session_of_token(request, &token)
                    .await
                    .map_err(|error| match error.action() {
                        Some(Action::SignIn) => error.with_action(None),
                        _ => error,
                    })
            }
        }
    }

    async fn ensure_owned(&self, session_id: Uuid, owner: Option<Uuid>) -> Result<()> {
        let session = session::Entity::find_by_id(session_id)
            .one(&self.0.db)
            .await?;
        let is_theirs =
            session.is_some_and(|session| owner.is_none_or(|owner| owner == session.account_id));
        if is_theirs {
            Ok(())
        } else {
            Err(ErrorKind::SessionNotFound.into())
        }
    }

    async fn ensure_account(&self, account_id: Uuid) -> Result<()> {
        account::Entity::find_by_id(account_id)
            .one(&self.0.db)
            .await?
            .map(drop)
            .ok_or_else(|| ErrorKind::UserNotFound.into())
    }

    /// Ends the live sessions among those that a condition selects, and runs the hooks.
    pub(crate) async fn end(
        &self,
        which: Condition,
        reason: InvalidationReason,
        actor: Actor,
    ) -> Result<Vec<session::Model>> {
        let sessions = self.clone();
        self.to_the_end(async move {
            let transaction = database::begin(sessions.db()).await?;
            let ended = sessions
                .mark_ended(&transaction, which, reason, &actor)
                .await?;
            transaction.commit().await?;
            sessions.run_on_session_invalidated(&ended).await;
            Ok(ended)
        })
        .await
    }

    /// What a transaction does to end sessions; the hooks are run once it is committed.
    pub(crate) async fn mark_ended(
        &self,
        transaction: &DatabaseTransaction,
        which: Condition,
        reason: InvalidationReason,
        actor: &Actor,
    ) -> Result<Vec<session::Model>> {
        let now = self.0.clock.now();
        let ended = session::Entity::update_many()
            .col_expr(session::Column::InvalidatedAt, Expr::value(now))
            .col_expr(session::Column::InvalidationReason, Expr::value(reason))
            .filter(which)
            .filter(is_live(now))
            .exec_with_returning(transaction)
            .await?;
        self.record(transaction, RecordKind::Invalidated, &ended, actor)
            .await?;
        Ok(ended)
    }
}

impl SessionRequest {
    /// What happens to the client's tokens when its session is destroyed: its cookies are cleared.
    #[doc(alias = "onCallDestroySession")]
    pub fn on_destroy_session(&self) {
        self.change_cookies(CookieChange::Clear);
    }
}

//! Refreshing: a refresh token for its successor.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, FromQueryResult,
    Iden, Iterable,
    sea_query::{Expr, Query, Returning, UpdateStatement},
};
use secrecy::SecretString;

use super::{
    Circumstances, LoginResult, RefreshOutcome, Sessions, Transition, UpsertSession,
    UserAgentBinding, decide,
    find::{by_id, is_live},
    tokens::Presented,
};
use crate::{
    crypto::opaque_token::RefreshToken,
    entity::{
        account,
        session::{self, InvalidationReason},
    },
    error::{Action, Error, ErrorKind, InvalidSessionReason, Result},
    network::client_network,
    request::{ConnectionInfo, SessionRequest},
};

/// Another request may change the row between reading and writing; after so many times something is wrong.
const MAX_ATTEMPTS: usize = 20;

/// What `refreshTokens` is called with.
#[derive(Debug, Clone, Default)]
pub struct RefreshTokensInput {
    /// The refresh token; where absent, the refresh cookie's.
    pub refresh_token: Option<SecretString>,
}

impl Sessions {
    /// Exchanges a refresh token for new tokens of the same session. On the usual path that is one conditional write in
    /// one round trip; a forged token costs no statement at all.
    ///
    /// # Errors
    ///
    /// `INVALID_TOKENS` without a refresh token, `TOKEN_VERIFICATION_FAILED` and `INVALID_TOKEN` for a text that is none,
    /// `INVALID_LOCATION_INFO_IP` and `INVALID_LOCATION_INFO_USER_AGENT` without them; `SESSION_NOT_FOUND`,
    /// `USER_DEACTIVATED`, `INVALID_SESSION` and `REFRESH_TOKEN_REUSED` by the table of the
    /// [module](super#refresh-tokens). All have the action `SIGN_IN` where signing in helps.
    #[doc(alias = "refreshTokens")]
    pub async fn refresh_tokens(
        &self,
        request: &SessionRequest,
        input: RefreshTokensInput,
    ) -> Result<LoginResult> {
        let presented = match input
            .refresh_token
            .as_ref()
            .or(request.cookies.refresh.as_ref())
        {
            None => Err(ErrorKind::InvalidTokens.into()),
            Some(token) => match self.present(request, token).await {
                Ok(Presented::Refresh(token)) => Ok(token),
                Ok(_) => Err(ErrorKind::InvalidToken.into()),
                Err(refused) => Err(refused.handed_over()),
            },
        };
        match presented {
            Ok(token) => {
                self.upsert_refresh_token_and_session(request, UpsertSession::Update(token))
                    .await
            }
            Err(error) => Err(self.run_on_upsert_session_error(error, request).await),
        }
    }

    pub(super) async fn refresh(
        &self,
        request: &SessionRequest,
        token: RefreshToken,
    ) -> Result<LoginResult> {
        let from = self.connection_info(request)?;
        for _ in 0..MAX_ATTEMPTS {
            let generation = i64::from(token.generation);
            let usual = Exchange {
                if_generation: generation,
                if_parent: None,
                parent: Some(generation),
            };
            if let Some((session, account)) = self.exchange(token, &from, &usual).await? {
                return self
                    .issue(request, account, session, Some(RefreshOutcome::Rotated))
                    .await;
            }
            if let Some(result) = self.refresh_unusual(request, token, &from).await? {
                return Ok(result);
            }
        }
        Err(Error::unavailable()
            .caused_by("a session changed too often while it was being refreshed"))
    }

    /// What the usual write did not do: reads the row and decides. `None` where another request was faster, and the
    /// token is to be looked at again. It reads in a new statement: one that reads beside the lost update would see the
    /// row as it was before, and call an honest retry a theft.
    async fn refresh_unusual(
        &self,
        request: &SessionRequest,
        token: RefreshToken,
        from: &ConnectionInfo,
    ) -> Result<Option<LoginResult>> {
        let found = session::Entity::find_by_id(token.session_id)
            .find_also_related(account::Entity)
            .one(&self.0.db)
            .await?;
        let (row, account) = found
            .ok_or_else(|| Error::new(ErrorKind::SessionNotFound).with_action(Action::SignIn))?;
        let account = account
            .ok_or_else(|| Error::new(ErrorKind::UserNotFound).with_action(Action::SignIn))?;
        if account.deactivated_at.is_some() {
            return Err(Error::new(ErrorKind::UserDeactivated).with_action(Action::SignIn));
        }
        let generation = i64::from(token.generation);
        match decide(&row, token.generation, &self.circumstances(&row, from)) {
            // It would have been rotated, had the row been like this a moment ago.
            Transition::Rotate => Ok(None),
            Transition::RotateAhead => {
                tracing::warn!(session_id = %row.id, "a refresh token is one generation ahead: the database lost a commit");
                let ahead = Exchange {
                    if_generation: row.generation,
                    if_parent: None,
                    parent: Some(generation),
                };
                self.exchange_to(request, token, from, &ahead, RefreshOutcome::Rotated)
                    .await
            }
            Transition::Converge => self
                .issue(request, account, row, Some(RefreshOutcome::Converged))
                .await
                .map(Some),
            Transition::Recover => {
                let lost = Exchange {
                    if_generation: row.generation,
                    if_parent: row.parent,
                    parent: row.parent,
                };
                let recovered = self
                    .exchange_to(request, token, from, &lost, RefreshOutcome::Recovered)
                    .await?;
                if recovered.is_some() {
                    warn_of_recovery(&row, from);
                }
                Ok(recovered)
            }
            Transition::EndAsReused => {
                let as_read = by_id(row.id).add(session::Column::Generation.eq(row.generation));
                if self
                    .end(as_read, InvalidationReason::RefreshTokenReused)
                    .await?
                    .is_empty()
                {
                    return Ok(None);
                }
                tracing::warn!(session_id = %row.id, account_id = %row.account_id, ip = %from.ip, "a refresh token was reused: the session is ended");
                Err(ErrorKind::RefreshTokenReused.into())
            }
            Transition::Refuse(reason) => {
                self.note_refusal(&row, token, from, reason);
                Err(Error::invalid_session(reason))
            }
        }
    }

    fn circumstances(&self, row: &session::Model, from: &ConnectionInfo) -> Circumstances {
        let noted = self.0.activity.seen_generation(row.id).unwrap_or(-1);
        Circumstances {
            now: self.0.clock.now(),
            grace: self.0.policy.refresh_grace + self.0.policy.clock_skew,
            recovery: self.0.policy.refresh_recovery,
            agent_matches: self.agent_matches(&row.user_agent, &from.user_agent),
            seen_generation: Ord::max(row.seen_generation, noted),
        }
    }

    fn note_refusal(
        &self,
        row: &session::Model,
        token: RefreshToken,
        from: &ConnectionInfo,
        reason: InvalidSessionReason,
    ) {
        match reason {
            InvalidSessionReason::AgentChanged => {
                self.note_shown(token);
                tracing::warn!(session_id = %row.id, ip = %from.ip, "another user agent presented a session's refresh token");
            }
            InvalidSessionReason::RolledBack => {
                tracing::error!(session_id = %row.id, row = row.generation, token = token.generation, "a refresh token is from a later state than the database: was a backup restored?");
            }
            InvalidSessionReason::Invalidated | InvalidSessionReason::Expired => {}
        }
    }

    async fn exchange_to(
        &self,
        request: &SessionRequest,
        token: RefreshToken,
        from: &ConnectionInfo,
        exchange: &Exchange,
        outcome: RefreshOutcome,
    ) -> Result<Option<LoginResult>> {
        let Some((session, account)) = self.exchange(token, from, exchange).await? else {
            return Ok(None);
        };
        self.issue(request, account, session, Some(outcome))
            .await
            .map(Some)
    }

    /// The one conditional write, with everything that the answer needs. `None` where a condition did not hold.
    async fn exchange(
        &self,
        token: RefreshToken,
        from: &ConnectionInfo,
        exchange: &Exchange,
    ) -> Result<Option<(session::Model, account::Model)>> {
        let backend = self.0.db.get_database_backend();
        let now = self.0.clock.now();
        let column = |column: session::Column| Expr::col((session::Entity, column));
        let idle_end = now + self.0.policy.session_idle_ttl;
        let expires_at = Expr::case(
            column(session::Column::AbsoluteExpiresAt).lt(idle_end),
            column(session::Column::AbsoluteExpiresAt),
        )
        .finally(idle_end);
        let next = match exchange.parent {
            // A token that is ahead of the row takes the row to its own successor.
            Some(parent) if exchange.if_parent.is_none() => parent + 1,
            _ => exchange.if_generation + 1,
        };
        let family = self.agent_family(&from.user_agent);
        let mut update = Query::update();
        update
            .table(session::Entity)
            .values([
                (session::Column::Generation, next.into()),
                (session::Column::Parent, exchange.parent.into()),
                (session::Column::RefreshedAt, now.into()),
                (session::Column::LastSeenAt, now.into()),
                (session::Column::ExpiresAt, expires_at.into()),
                (session::Column::Ip, from.ip.to_string().into()),
                (session::Column::UserAgent, from.user_agent.clone().into()),
                (
                    session::Column::UserAgentFamily,
                    self.0
                        .user_agents
                        .families(&from.user_agent)
                        .family()
                        .into(),
                ),
            ])
            .and_where(column(session::Column::Id).eq(token.session_id))
            .and_where(column(session::Column::Generation).eq(exchange.if_generation))
            .cond_where(is_live(now));
        if let Some(parent) = exchange.if_parent {
            update.and_where(column(session::Column::Parent).eq(parent));
        }
        if self.0.policy.user_agent_binding != UserAgentBinding::Off {
            let equal = column(session::Column::UserAgent).eq(from.user_agent.clone());
            let same_family =
                family.map(|family| column(session::Column::UserAgentFamily).eq(family));
            update.cond_where(Condition::any().add(equal).add_option(same_family));
        }
        with_active_account(&mut update, backend);
        let Some(row) = self.0.db.query_one(&update).await? else {
            return Ok(None);
        };
        let session = session::Model::from_query_result(&row, "s_")?;
        let account = account::Model::from_query_result(&row, "a_")?;
        Ok(Some((session, account)))
    }
}

/// From which state of the row to which.
struct Exchange {
    if_generation: i64,
    if_parent: Option<i64>,
    parent: Option<i64>,
}

/// Makes a session's update depend on its account being active, and return both rows: as columns `s_…` and `a_…`.
fn with_active_account(update: &mut UpdateStatement, backend: DbBackend) {
    let text = |column: &dyn Iden| column.to_string();
    let sessions = session::Column::iter().map(|column| {
        let name = text(&column);
        format!(r#""sessions"."{name}" AS "s_{name}""#)
    });
    let owner = r#""accounts"."id" = "sessions"."account_id""#;
    let accounts: Vec<String> = if backend == DbBackend::Postgres {
        update
            .from(account::Entity)
            .and_where(Expr::cust(owner))
            .and_where(account::Column::DeactivatedAt.is_null());
        account::Column::iter()
            .map(|column| {
                let name = text(&column);
                format!(r#""accounts"."{name}" AS "a_{name}""#)
            })
            .collect()
    } else {
        // SQLite returns columns of the updated table only.
        update.and_where(Expr::cust(format!(
            r#"EXISTS (SELECT 1 FROM "accounts" WHERE {owner} AND "accounts"."deactivated_at" IS NULL)"#
        )));
        account::Column::iter()
            .map(|column| {
                let name = text(&column);
                format!(
                    r#"(SELECT "accounts"."{name}" FROM "accounts" WHERE {owner}) AS "a_{name}""#
                )
            })
            .collect()
    };
    update.returning(Returning::new().exprs(sessions.chain(accounts).map(Expr::cust)));
}

/// A recovery is never silent; from another network than the lost exchange it is worth a look.
fn warn_of_recovery(lost: &session::Model, from: &ConnectionInfo) {
    let lost_network = lost.ip.parse().map(client_network);
    if lost_network.is_ok_and(|network| network == client_network(from.ip)) {
        tracing::info!(session_id = %lost.id, "a lost refresh was recovered from");
    } else {
        tracing::warn!(session_id = %lost.id, ip = %from.ip, "a lost refresh was recovered from another network");
    }
}

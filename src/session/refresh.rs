//! Refreshing: a refresh token for its successor.

use sea_orm::{ColumnTrait, EntityTrait};
use secrecy::SecretString;

use super::{
    Actor, Circumstances, LoginResult, RefreshOutcome, SessionEventKind, Sessions, Transition,
    UpsertSession, decide, exchange::ExchangeAsRead, find::by_id, statements::Exchanged,
    tokens::Presented,
};
use crate::{
    crypto::opaque_token::RefreshToken,
    database,
    entity::{
        account,
        session::{self, InvalidationReason},
        session_record::RecordKind,
    },
    error::{Action, Error, ErrorKind, InvalidSessionReason, Result},
    metrics,
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
    /// `RATE_LIMITED` where the session has been refreshed too often, which leaves it and its tokens as they are;
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
        let result = self.refresh_genuine(request, token).await;
        metrics::refreshed(&result);
        result
    }

    async fn refresh_genuine(
        &self,
        request: &SessionRequest,
        token: RefreshToken,
    ) -> Result<LoginResult> {
        // A genuine token, and no statement yet: what is refused leaves the session and the token as they are.
        if let Some(rate) = self.0.policy.refresh_limit {
            let now = self.0.clock.now();
            self.0.refreshes.charge(token.session_id, rate, now)?;
        }
        let from = self.connection_info(request)?;
        for _ in 0..MAX_ATTEMPTS {
            if let Some((session, account)) = self.exchange_usual(token, &from).await? {
                let outcome = Some(RefreshOutcome::Rotated);
                self.announce(&session, SessionEventKind::Refreshed, outcome);
                return self.issue(request, account, session, outcome).await;
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
            // Either the row was not like this a moment ago, or it has the agent's families as they were read once.
            transition @ (Transition::Rotate | Transition::RotateAhead) => {
                if transition == Transition::RotateAhead {
                    tracing::warn!(session_id = %row.id, "a refresh token is one generation ahead: the database lost a commit");
                }
                let successor = ExchangeAsRead {
                    row: &row,
                    generation: generation + 1,
                    parent: Some(generation),
                };
                let exchanged = self.exchange_as_read(self.db(), from, &successor).await?;
                self.announce_exchanged(request, exchanged, RefreshOutcome::Rotated)
                    .await
            }
            Transition::Converge => self
                .issue(request, account, row, Some(RefreshOutcome::Converged))
                .await
                .map(Some),
            Transition::Recover => {
                let lost = ExchangeAsRead {
                    row: &row,
                    generation: row.generation + 1,
                    parent: row.parent,
                };
                let exchanged = self.recover(request, from, &lost).await?;
                if exchanged.is_some() {
                    warn_of_recovery(&row, from);
                }
                self.announce_exchanged(request, exchanged, RefreshOutcome::Recovered)
                    .await
            }
            Transition::EndAsReused => {
                let as_read = by_id(row.id).add(session::Column::Generation.eq(row.generation));
                let reason = InvalidationReason::RefreshTokenReused;
                let actor = Actor::of(request).by_session(row.id);
                if self.end(as_read, reason, actor).await?.is_empty() {
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
                self.note_shown(token.session_id, token.generation);
                tracing::warn!(session_id = %row.id, ip = %from.ip, "another user agent presented a session's refresh token");
            }
            InvalidSessionReason::RolledBack => {
                tracing::error!(session_id = %row.id, row = row.generation, token = token.generation, "a refresh token is from a later state than the database: was a backup restored?");
            }
            InvalidSessionReason::Invalidated | InvalidSessionReason::Expired => {}
        }
    }

    /// The exchange and its record, or neither.
    async fn recover(
        &self,
        request: &SessionRequest,
        from: &ConnectionInfo,
        lost: &ExchangeAsRead<'_>,
    ) -> Result<Option<Exchanged>> {
        let transaction = database::begin(self.db()).await?;
        let exchanged = self.exchange_as_read(&transaction, from, lost).await?;
        if let Some((session, _)) = &exchanged {
            let this = std::slice::from_ref(session);
            let actor = Actor::of(request).by_session(session.id);
            self.record(&transaction, RecordKind::Recovered, this, &actor)
                .await?;
        }
        transaction.commit().await?;
        Ok(exchanged)
    }

    async fn announce_exchanged(
        &self,
        request: &SessionRequest,
        exchanged: Option<Exchanged>,
        outcome: RefreshOutcome,
    ) -> Result<Option<LoginResult>> {
        let Some((session, account)) = exchanged else {
            return Ok(None);
        };
        self.announce(&session, SessionEventKind::Refreshed, Some(outcome));
        self.issue(request, account, session, Some(outcome))
            .await
            .map(Some)
    }
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

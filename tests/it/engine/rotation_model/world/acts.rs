//! What each action does, and what the model says to its answer.

use proptest::{prelude::*, test_runner::TestCaseResult};
use sea_orm::{ActiveModelTrait, IntoActiveModel};
use secrecy::{ExposeSecret, SecretString};
use sessiongraph::{
    entity::session::{self, InvalidationReason},
    error::{Action as NextStep, Error},
    request::{Authentication, ServiceIdentity, SessionRequest},
    scope::Scopes,
    session::{
        Caller, InvalidateSessions, LoginResult, RefreshOutcome, RefreshTokensInput,
        SessionSelector,
    },
};
use uuid::Uuid;

use super::{
    super::{
        SKEW,
        action::{Action, Agent, Answer, Held, Kind, NeedsSession, Party, Replica},
        model::{Generation, Outcome},
    },
    World, pick,
};
use crate::support::engine::request;

impl World<'_> {
    pub(super) async fn act(&mut self, action: Action) -> Result<Option<Outcome>, TestCaseError> {
        match action {
            Action::Refresh(held, agent, at, answer) => {
                let Some(token) = self.held_refresh(held) else {
                    return Ok(None);
                };
                self.refresh(token, held.0, agent, at, answer)
                    .await
                    .map(Some)
            }
            Action::Show(Kind::Access, held, at, needs) => {
                let Some(token) = self.held_access(held) else {
                    return Ok(None);
                };
                let now = self.time_at(at);
                let needs = needs == NeedsSession::Yes;
                let expected = self.model.show_access(token, needs, at, now);
                let shown = self.show(self.access[token].clone(), needs, at).await;
                expect(&expected, shown).map(Some)
            }
            Action::Show(Kind::Refresh, held, at, _) => {
                let Some(token) = self.held_refresh(held) else {
                    return Ok(None);
                };
                let expected = self.model.show_refresh(token, at);
                let shown = self.show(self.refresh[&token].clone(), true, at).await;
                expect(&expected, shown).map(Some)
            }
            Action::Steal(back) => {
                self.thief.refresh.extend(pick(&self.owner.refresh, back));
                self.thief.access.extend(pick(&self.owner.access, back));
                Ok(None)
            }
            Action::Wait(wait) => {
                self.wait(wait);
                Ok(None)
            }
            Action::LogOut(kind, held, at) => self.log_out(kind, held, at).await,
            Action::Invalidate(held, at) => self.invalidate(held, at).await,
            Action::InvalidateByService(at) => self.invalidate_by_service(at).await.map(Some),
            Action::Flush(at) => {
                self.model.flush(at);
                self.replica(at).sessions.flush_activity().await.unwrap();
                Ok(None)
            }
            Action::Failover(commits) => {
                self.fail_over(commits).await;
                Ok(None)
            }
        }
    }

    async fn refresh(
        &mut self,
        token: Generation,
        by: Party,
        agent: Agent,
        at: Replica,
        answer: Answer,
    ) -> Result<Outcome, TestCaseError> {
        let now = self.time_at(at);
        let live = self.model.session.live();
        let expected = self.model.refresh(token, agent, at, now);
        let engine = self.replica(at);
        engine.statements.take();
        let mut request = request();
        request.user_agent = Some(agent.text().to_owned());
        let input = RefreshTokensInput {
            refresh_token: Some(self.refresh[&token].clone()),
        };
        let result = engine.sessions.refresh_tokens(&request, input).await;
        let statements = engine.statements.take().len();
        let outcome = match &result {
            Ok(result) => outcome(result),
            Err(error) => {
                prop_assert_eq!(error.action(), Some(NextStep::SignIn));
                refused(error)
            }
        };
        let outcome = expect(&expected, outcome)?;
        let Ok(result) = result else {
            return Ok(outcome);
        };
        if token == live && matches!(outcome, Outcome::Rotated(_)) {
            prop_assert_eq!(statements, 1, "(c): one conditional write");
        }
        self.receive(&outcome, live, &result)?;
        let receiver = match (answer, by) {
            (Answer::Arrives, Party::Owner) => &mut self.owner,
            (Answer::Arrives, Party::Thief) | (Answer::Intercepted, _) => &mut self.thief,
            (Answer::Lost, _) => return Ok(outcome),
        };
        let generation = self.model.session.live();
        if receiver.refresh.last() != Some(&generation) {
            receiver.refresh.push(generation);
        }
        receiver.access.push(self.model.newest_access());
        Ok(outcome)
    }

    /// What holds of every answer, whatever the model says.
    fn receive(
        &mut self,
        outcome: &Outcome,
        live_before: Generation,
        result: &LoginResult,
    ) -> TestCaseResult {
        let (Outcome::Rotated(new) | Outcome::Converged(new) | Outcome::Recovered(new)) = outcome
        else {
            return Ok(());
        };
        let text = result.tokens.refresh_token.expose_secret();
        let known = self.refresh.get(new).map(ExposeSecret::expose_secret);
        if matches!(outcome, Outcome::Converged(_)) {
            prop_assert_eq!(*new, live_before, "the session forked");
            prop_assert_eq!(known, Some(text), "the same successor, byte by byte");
        } else {
            // Whatever was live before is so no longer: there is one live token.
            prop_assert!(*new > live_before);
            prop_assert!(known.is_none() || self.has_failed_over);
        }
        for (generation, other) in &self.refresh {
            prop_assert_eq!(generation == new, other.expose_secret() == text);
        }
        self.refresh
            .insert(*new, result.tokens.refresh_token.clone());
        self.access.push(result.tokens.access_token.clone());
        let claimed = result.claims.generation().map(|claimed| claimed as usize);
        prop_assert_eq!(claimed, Some(*new));
        prop_assert_eq!(
            result.tokens.access_token_expires_at + SKEW,
            self.model.newest_access_is_over_at()
        );
        prop_assert_eq!(
            result.tokens.refresh_token_expires_at,
            self.model.session.expires_at
        );
        Ok(())
    }

    /// A request for a field that needs a session, or for one that does not.
    async fn show(&self, token: SecretString, needs_session: bool, at: Replica) -> Outcome {
        let sessions = &self.replica(at).sessions;
        let request = sessions.handle_request(bearing(token)).await.unwrap();
        if let Authentication::Failed(error) = &request.authentication {
            return refused(error);
        }
        if !needs_session {
            return Outcome::Accepted;
        }
        match sessions.current_session(&request).await {
            Ok(Some(current)) if current.session.id == self.session_id => Outcome::Accepted,
            Ok(_) => panic!("the session of a token is another one"),
            Err(error) => refused(&error),
        }
    }

    async fn log_out(
        &mut self,
        kind: Kind,
        held: Held,
        at: Replica,
    ) -> Result<Option<Outcome>, TestCaseError> {
        let found = match kind {
            Kind::Access => self.held_access(held).map(|token| {
                (
                    self.model.access_generation(token),
                    self.access[token].clone(),
                )
            }),
            Kind::Refresh => self
                .held_refresh(held)
                .map(|token| (token, self.refresh[&token].clone())),
        };
        let Some((generation, text)) = found else {
            return Ok(None);
        };
        let expected = self.model.log_out(at, generation, self.time_at(at));
        let mut request = request();
        let ended = self.replica(at).sessions.logout(&mut request, Some(&text));
        let ended = Outcome::Ended(usize::from(ended.await.unwrap()));
        expect(&expected, ended).map(Some)
    }

    async fn invalidate(
        &mut self,
        held: Held,
        at: Replica,
    ) -> Result<Option<Outcome>, TestCaseError> {
        let Some(token) = self.held_access(held) else {
            return Ok(None);
        };
        let now = self.time_at(at);
        let expected = match self.model.show_access(token, true, at, now) {
            Outcome::Accepted => self.model.end(InvalidationReason::Requested, now),
            refused => refused,
        };
        let sessions = &self.replica(at).sessions;
        let request = bearing(self.access[token].clone());
        let request = sessions.handle_request(request).await.unwrap();
        let answer = match request.session_claims().cloned() {
            Ok(claims) => {
                let which = InvalidateSessions::One(SessionSelector::Id(self.session_id));
                let caller = Caller::Session(claims);
                let ended = sessions.invalidate_sessions(&request, &caller, None, which);
                ended_or_refused(ended.await)
            }
            Err(error) => refused(&error),
        };
        expect(&expected, answer).map(Some)
    }

    async fn invalidate_by_service(&mut self, at: Replica) -> Result<Outcome, TestCaseError> {
        let now = self.time_at(at);
        let expected = self.model.end(InvalidationReason::Requested, now);
        let caller = Caller::Service(ServiceIdentity {
            id: Uuid::nil(),
            name: "backend".to_owned(),
            scopes: Scopes::default(),
        });
        let (request, account) = (request(), Some(self.account_id));
        let sessions = &self.replica(at).sessions;
        let ended =
            sessions.invalidate_sessions(&request, &caller, account, InvalidateSessions::All);
        expect(&expected, ended_or_refused(ended.await))
    }

    /// An end that was answered is not lost: a failover of that kind would let anybody in again.
    async fn fail_over(&mut self, commits: usize) {
        if self.model.session.ended.is_some() {
            return;
        }
        self.has_failed_over = true;
        self.history
            .truncate(self.history.len().saturating_sub(commits).max(1));
        let (session, row) = self.history.last().cloned().unwrap();
        self.model.session = session;
        let row = row.into_active_model().reset_all();
        row.update(&self.replicas[0].db).await.unwrap();
    }
}

fn bearing(token: SecretString) -> SessionRequest {
    let mut request = request();
    request.bearer = Some(token);
    request
}

fn expect(expected: &Outcome, answered: Outcome) -> Result<Outcome, TestCaseError> {
    prop_assert_eq!(expected, &answered, "the model is on the left");
    Ok(answered)
}

fn outcome(result: &LoginResult) -> Outcome {
    let generation = usize::try_from(result.session.generation).unwrap();
    match result.outcome.unwrap() {
        RefreshOutcome::Rotated => Outcome::Rotated(generation),
        RefreshOutcome::Converged => Outcome::Converged(generation),
        RefreshOutcome::Recovered => Outcome::Recovered(generation),
    }
}

fn refused(error: &Error) -> Outcome {
    Outcome::Refused(error.code().to_owned(), error.reason())
}

fn ended_or_refused(ended: Result<Vec<session::Model>, Error>) -> Outcome {
    match ended {
        Ok(ended) => Outcome::Ended(ended.len()),
        Err(error) => refused(&error),
    }
}

//! Does what a scenario says with real engines, and compares each answer and the row with the model.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::SecretString;
use sessiongraph::{clock::Clock, entity::session};
use uuid::Uuid;

use super::{
    GRACE, SKEW,
    action::{Action, Edge, Held, Party, Replica, Setting, Wait},
    model::{Generation, Model, Outcome, Session},
    service::{Service, start},
};
use crate::support::engine::Engine;

mod acts;

#[derive(Default)]
struct Tokens {
    refresh: Vec<Generation>,
    access: Vec<usize>,
}

/// One session, who holds what of it, and the model beside it.
pub(super) struct World<'a> {
    service: &'a Service,
    replicas: &'a [Engine; 2],
    second_clock: i32,
    now: DateTime<Utc>,
    pub(super) model: Model,
    session_id: Uuid,
    account_id: Uuid,
    owner: Tokens,
    thief: Tokens,
    /// Every refresh token that was ever answered.
    refresh: BTreeMap<Generation, SecretString>,
    access: Vec<SecretString>,
    /// All states of the row, for a failover to go back to.
    history: Vec<(Session, session::Model)>,
    has_failed_over: bool,
    log: Vec<String>,
}

impl<'a> World<'a> {
    /// The owner signs in.
    pub(super) async fn open(service: &'a Service, setting: Setting) -> Self {
        let case = service.cases.replace(service.cases.get() + 1);
        let name = format!("owner{case}");
        let replicas = if setting.recovery {
            &service.recovering
        } else {
            &service.strict
        };
        let mut world = Self {
            service,
            replicas,
            second_clock: setting.second_clock,
            now: start(),
            model: Model::open(setting.recovery, start()),
            session_id: Uuid::nil(),
            account_id: Uuid::nil(),
            owner: Tokens::default(),
            thief: Tokens::default(),
            refresh: BTreeMap::new(),
            access: Vec::new(),
            history: Vec::new(),
            has_failed_over: false,
            log: Vec::new(),
        };
        world.set_clocks();
        let login = replicas[0].sign_up(&name).await;
        world.session_id = login.session.id;
        world.account_id = login.session.account_id;
        world.refresh.insert(0, login.tokens.refresh_token);
        world.access.push(login.tokens.access_token);
        world.owner.refresh.push(0);
        world.owner.access.push(0);
        world
            .history
            .push((world.model.session.clone(), login.session));
        world
    }

    /// Does it, and compares. `None` where there was nothing to do it with.
    pub(super) async fn step(&mut self, action: Action) -> Result<Option<Outcome>, TestCaseError> {
        let (was_over, live_before) = (self.is_over(), self.model.session.live());
        let outcome = self
            .act(action)
            .await
            .map_err(|error| self.explain(action, &error))?;
        let row = self
            .check_row()
            .await
            .map_err(|error| self.explain(action, &error))?;
        if let Some(outcome) = &outcome {
            let mut kind = outcome.kind();
            if *outcome == Outcome::Rotated(live_before + 2) {
                kind += ", one generation ahead";
            }
            if !was_over && self.model.session.ended.is_some() {
                kind += ", which ends the session";
            }
            *self.service.answers.borrow_mut().entry(kind).or_default() += 1;
        }
        self.log.push(format!(
            "{action:?} -> {outcome:?}; row {} of {:?}, {:?}",
            row.generation, row.parent, row.invalidation_reason
        ));
        if self.history.last().is_none_or(|(_, last)| *last != row) {
            self.history.push((self.model.session.clone(), row));
        }
        Ok(outcome)
    }

    fn explain(&self, action: Action, error: &TestCaseError) -> TestCaseError {
        let log = self.log.join("\n");
        TestCaseError::fail(format!("{error}\nat {action:?}\nafter\n{log}\n"))
    }

    /// Whether the session has ended or run out.
    pub(super) fn is_over(&self) -> bool {
        self.model.over(self.now).is_some()
    }

    /// There is one row, and it is what the model says.
    async fn check_row(&self) -> Result<session::Model, TestCaseError> {
        let rows = session::Entity::find().filter(session::Column::AccountId.eq(self.account_id));
        let mut rows = rows.all(&self.replicas[0].db).await.unwrap();
        prop_assert_eq!(rows.len(), 1, "(d): a constant amount of storage");
        let row = rows.remove(0);
        let session = &self.model.session;
        let number = |generation| i64::try_from(generation).unwrap();
        prop_assert_eq!(row.generation, number(session.live()));
        prop_assert_eq!(row.parent, session.just_superseded().map(number));
        let seen = session.newest_seen().map_or(-1, number);
        prop_assert_eq!(row.seen_generation, seen);
        prop_assert_eq!(row.invalidation_reason, session.ended);
        prop_assert_eq!(row.invalidated_at.is_some(), session.ended.is_some());
        prop_assert_eq!(row.refreshed_at, session.issued_at);
        prop_assert_eq!(row.expires_at, session.expires_at);
        prop_assert_eq!(row.user_agent.as_str(), session.agent.text());
        Ok(row)
    }

    fn wait(&mut self, wait: Wait) {
        let (target, edge, at) = match wait {
            Wait::Milliseconds(ms) => return self.advance_to(self.now + Duration::from_millis(ms)),
            Wait::Days(days) => {
                return self.advance_to(self.now + Duration::from_hours(24 * days));
            }
            // The grace's last instant still counts.
            Wait::Grace(edge, at) => {
                let last = self.model.session.issued_at + GRACE + SKEW;
                (last + Duration::from_micros(1), edge, at)
            }
            Wait::Access(edge, at) => (self.model.newest_access_is_over_at(), edge, at),
            Wait::Session(edge, at) => (self.model.session.expires_at, edge, at),
        };
        let target = match edge {
            Edge::Before => target - Duration::from_micros(1),
            Edge::After => target,
        };
        let ahead = self.time_at(at) - self.now;
        self.advance_to(target - ahead);
    }

    /// Time does not go back.
    fn advance_to(&mut self, target: DateTime<Utc>) {
        self.now = self.now.max(target);
        self.set_clocks();
    }

    fn set_clocks(&self) {
        for at in [Replica::First, Replica::Second] {
            let clock = &self.replica(at).clock;
            let forward = self.time_at(at) - clock.now();
            match forward.to_std() {
                Ok(forward) => clock.advance(forward),
                Err(_) => clock.go_back(forward.abs().to_std().unwrap()),
            }
        }
    }

    fn time_at(&self, at: Replica) -> DateTime<Utc> {
        match at {
            Replica::First => self.now,
            Replica::Second => self.now + TimeDelta::milliseconds(self.second_clock.into()),
        }
    }

    fn replica(&self, at: Replica) -> &'a Engine {
        &self.replicas[at as usize]
    }

    fn held_refresh(&self, Held(party, back): Held) -> Option<Generation> {
        pick(&self.party(party).refresh, back)
    }

    fn held_access(&self, Held(party, back): Held) -> Option<usize> {
        pick(&self.party(party).access, back)
    }

    fn party(&self, party: Party) -> &Tokens {
        match party {
            Party::Owner => &self.owner,
            Party::Thief => &self.thief,
        }
    }
}

/// The newest, the one before it, and so on down to the oldest.
fn pick(tokens: &[usize], back: usize) -> Option<usize> {
    let newest = tokens.len().checked_sub(1)?;
    Some(tokens[newest.saturating_sub(back)])
}

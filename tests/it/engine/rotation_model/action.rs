//! What can happen to a session, and in which circumstances.

use std::fmt;

use proptest::prelude::*;

use crate::support::engine::{FIREFOX, SAFARI};

/// Firefox after an update: the same agent as a family, another text.
const FIREFOX_UPDATED: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:151.0) Gecko/20100101 Firefox/151.0";

/// A case: what happens, and where.
#[derive(Clone)]
pub(super) struct Scenario {
    pub(super) setting: Setting,
    pub(super) actions: Vec<Action>,
}

/// One action a line: what proptest shrinks a failure to is to be read.
impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.setting)?;
        for (number, action) in self.actions.iter().enumerate() {
            writeln!(f, "{number:3}. {action:?}")?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) recovery: bool,
    /// By how much the second replica's clock is wrong, in milliseconds.
    pub(super) second_clock: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    /// Whose session it is.
    Owner,
    /// Who holds copies.
    Thief,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replica {
    First,
    Second,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agent {
    Firefox,
    FirefoxUpdated,
    Safari,
}

impl Agent {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Firefox => FIREFOX,
            Self::FirefoxUpdated => FIREFOX_UPDATED,
            Self::Safari => SAFARI,
        }
    }
}

/// What becomes of an answer with tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Arrives,
    Lost,
    /// It gets to the thief instead.
    Intercepted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Access,
    Refresh,
}

/// One of a party's tokens: its newest, the one before that, and so on down to its oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held(pub(super) Party, pub(super) usize);

/// The last instant before a change, or the first one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Before,
    After,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    Milliseconds(u64),
    Days(u64),
    /// Until the grace of the current token ends, by a replica's clock.
    Grace(Edge, Replica),
    /// Until the newest access token expires.
    Access(Edge, Replica),
    /// Until the session does.
    Session(Edge, Replica),
}

/// A party without a token of the kind does nothing.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Refresh(Held, Agent, Replica, Answer),
    /// A request with a token in its Authorization header, for a field that needs a session or for one that does not.
    Show(Kind, Held, Replica, NeedsSession),
    /// The thief copies the owner's newest tokens, or earlier ones.
    Steal(usize),
    Wait(Wait),
    LogOut(Kind, Held, Replica),
    /// `invalidateSessions` by the holder of an access token, of its own session.
    Invalidate(Held, Replica),
    /// `invalidateSessions` by a service key.
    InvalidateByService(Replica),
    Flush(Replica),
    /// The database loses its last commits.
    Failover(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NeedsSession {
    Yes,
    No,
}

pub(super) fn scenarios() -> BoxedStrategy<Scenario> {
    let turn = prop_oneof![
        7 => action().prop_map(|action| vec![action]),
        1 => late_retry(),
    ];
    (settings(), prop::collection::vec(turn, 1..32))
        .prop_map(|(setting, turns)| Scenario {
            setting,
            actions: turns.concat(),
        })
        .boxed()
}

pub(super) fn settings() -> impl Strategy<Value = Setting> {
    (prop::bool::weighted(0.85), -8_000_i32..=8_000).prop_map(|(recovery, second_clock)| Setting {
        recovery,
        second_clock,
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => (held(), agents(), replicas(), answers())
            .prop_map(|(held, agent, at, answer)| Action::Refresh(held, agent, at, answer)),
        6 => (replicas(), answers())
            .prop_map(|(at, answer)| Action::Refresh(Held(Party::Owner, 0), Agent::Firefox, at, answer)),
        6 => (held(), replicas(), prop::bool::weighted(0.7)).prop_map(|(held, at, needs)| {
            let needs = if needs { NeedsSession::Yes } else { NeedsSession::No };
            Action::Show(Kind::Access, held, at, needs)
        }),
        1 => (held(), replicas())
            .prop_map(|(held, at)| Action::Show(Kind::Refresh, held, at, NeedsSession::Yes)),
        4 => (0_usize..3).prop_map(Action::Steal),
        12 => waits().prop_map(Action::Wait),
        3 => replicas().prop_map(Action::Flush),
        1 => (1_usize..4).prop_map(Action::Failover),
        1 => prop_oneof![
            (kinds(), held(), replicas()).prop_map(|(kind, held, at)| Action::LogOut(kind, held, at)),
            (held(), replicas()).prop_map(|(held, at)| Action::Invalidate(held, at)),
            replicas().prop_map(Action::InvalidateByService),
        ],
    ]
}

/// The owner does not get an answer, and asks again after the grace.
fn late_retry() -> impl Strategy<Value = Vec<Action>> {
    let away = prop_oneof![Just(Answer::Lost), Just(Answer::Intercepted)];
    (away, replicas(), replicas(), answers()).prop_map(|(away, before, after, answer)| {
        let newest = Held(Party::Owner, 0);
        vec![
            Action::Refresh(newest, Agent::Firefox, before, away),
            Action::Wait(Wait::Grace(Edge::After, after)),
            Action::Refresh(newest, Agent::Firefox, after, answer),
        ]
    })
}

fn held() -> impl Strategy<Value = Held> {
    let party = prop_oneof![3 => Just(Party::Owner), 2 => Just(Party::Thief)];
    (
        party,
        prop_oneof![5 => Just(0_usize), 2 => Just(1), 1 => 2_usize..6],
    )
        .prop_map(|(party, back)| Held(party, back))
}

fn agents() -> impl Strategy<Value = Agent> {
    prop_oneof![
        8 => Just(Agent::Firefox),
        1 => Just(Agent::FirefoxUpdated),
        1 => Just(Agent::Safari),
    ]
}

pub(super) fn replicas() -> impl Strategy<Value = Replica> {
    prop_oneof![2 => Just(Replica::First), 1 => Just(Replica::Second)]
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        3 => Just(Answer::Arrives),
        3 => Just(Answer::Lost),
        1 => Just(Answer::Intercepted),
    ]
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Access), Just(Kind::Refresh)]
}

fn waits() -> impl Strategy<Value = Wait> {
    let edge = || prop_oneof![Just(Edge::Before), Just(Edge::After)];
    prop_oneof![
        4 => (1_u64..20_000).prop_map(Wait::Milliseconds),
        3 => (30_000_u64..120_000).prop_map(Wait::Milliseconds),
        2 => (200_000_u64..400_000).prop_map(Wait::Milliseconds),
        1 => (1_u64..7).prop_map(Wait::Days),
        5 => (edge(), replicas()).prop_map(|(edge, at)| Wait::Grace(edge, at)),
        2 => (edge(), replicas()).prop_map(|(edge, at)| Wait::Access(edge, at)),
        // More often before: what comes after is dull.
        1 => (prop_oneof![4 => Just(Edge::Before), 1 => Just(Edge::After)], replicas())
            .prop_map(|(edge, at)| Wait::Session(edge, at)),
    ]
}

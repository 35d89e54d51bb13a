//! Random scenarios. Single actions alone would seldom come near what matters, so some come in sequences.

use proptest::prelude::*;

use super::action::{
    Action, Agent, Answer, Edge, Held, Kind, NeedsSession, Party, Replica, Scenario, Setting, Wait,
};

/// What the owner got last.
pub(super) const NEWEST: Held = Held(Party::Owner, 0);

pub(super) fn scenarios() -> BoxedStrategy<Scenario> {
    let turn = prop_oneof![
        28 => action().prop_map(|action| vec![action]),
        3 => late_retry(),
        4 => sighting(),
        3 => at_an_edge(),
        2 => failover(),
        1 => long_use(),
    ];
    (settings(), prop::collection::vec(turn, 1..28))
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
            .prop_map(|(at, answer)| Action::Refresh(NEWEST, Agent::Firefox, at, answer)),
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

/// The owner does not get an answer, and asks again after the grace; then whoever got it may show up.
fn late_retry() -> impl Strategy<Value = Vec<Action>> {
    let away = prop_oneof![Just(Answer::Lost), Just(Answer::Intercepted)];
    let shown = prop::option::weighted(0.3, (kinds(), replicas()));
    (away, replicas(), replicas(), answers(), shown).prop_map(
        |(away, before, after, answer, shown)| {
            let copy = Held(Party::Thief, 0);
            let shown = shown.map(|(kind, at)| Action::Show(kind, copy, at, NeedsSession::Yes));
            let retry = [
                Action::Refresh(NEWEST, Agent::Firefox, before, away),
                Action::Wait(Wait::Grace(Edge::After, after)),
                Action::Refresh(NEWEST, Agent::Firefox, after, answer),
            ];
            retry.into_iter().chain(shown).collect()
        },
    )
}

/// An answer gets to somebody who shows something, and the token before it is presented after the grace.
fn sighting() -> impl Strategy<Value = Vec<Action>> {
    let receiver = prop_oneof![Just(Party::Owner), Just(Party::Thief)];
    let expired = prop::bool::weighted(0.3);
    let shows = prop::collection::vec((0_usize..2, 0_u8..8, replicas()), 1..5);
    (receiver, replicas(), expired, shows, replicas(), answers()).prop_map(
        |(receiver, before, expired, shows, after, answer)| {
            let (given, parent) = match receiver {
                Party::Owner => (Answer::Arrives, 1),
                Party::Thief => (Answer::Intercepted, 0),
            };
            let mut actions = vec![Action::Refresh(NEWEST, Agent::Firefox, before, given)];
            if expired {
                actions.push(Action::Wait(Wait::Access(Edge::After, before)));
            }
            for (back, way, at) in shows {
                let held = Held(receiver, back);
                actions.push(match way {
                    0 | 1 => Action::Show(Kind::Access, held, at, NeedsSession::Yes),
                    2 => Action::Show(Kind::Access, held, at, NeedsSession::No),
                    3 => Action::Show(Kind::Refresh, held, at, NeedsSession::Yes),
                    4 => Action::Refresh(held, Agent::Safari, at, Answer::Lost),
                    _ => Action::Flush(at),
                });
            }
            let parent = Held(Party::Owner, parent);
            actions.push(Action::Wait(Wait::Grace(Edge::After, after)));
            actions.push(Action::Refresh(parent, Agent::Firefox, after, answer));
            actions
        },
    )
}

/// Something happens at the very instant when what it depends on changes.
fn at_an_edge() -> impl Strategy<Value = Vec<Action>> {
    let edge = prop_oneof![Just(Edge::Before), Just(Edge::After)];
    (0_u8..4, edge, replicas(), answers()).prop_map(|(what, edge, at, answer)| {
        let refresh = |back| Action::Refresh(Held(Party::Owner, back), Agent::Firefox, at, answer);
        let show = Action::Show(Kind::Access, NEWEST, at, NeedsSession::Yes);
        let (wait, action) = match what {
            0 => (Wait::Access(edge, at), show),
            1 => (Wait::Grace(edge, at), refresh(0)),
            2 => (Wait::Grace(edge, at), refresh(1)),
            // Only before: what comes after is dull.
            _ => (Wait::Session(Edge::Before, at), refresh(0)),
        };
        vec![Action::Wait(wait), action]
    })
}

/// The database loses commits, and a client has what they were of.
fn failover() -> impl Strategy<Value = Vec<Action>> {
    (1_usize..4, agents(), replicas(), answers()).prop_map(|(commits, agent, at, answer)| {
        vec![
            Action::Refresh(NEWEST, Agent::Firefox, at, Answer::Arrives),
            Action::Failover(commits),
            Action::Refresh(NEWEST, agent, at, answer),
        ]
    })
}

/// Time enough to come to the session's absolute end.
fn long_use() -> impl Strategy<Value = Vec<Action>> {
    let visits = prop::collection::vec((4_u64..7, replicas()), 2..6);
    visits.prop_map(|visits| {
        let visit = |(days, at)| {
            [
                Action::Wait(Wait::Days(days)),
                Action::Refresh(NEWEST, Agent::Firefox, at, Answer::Arrives),
            ]
        };
        visits.into_iter().flat_map(visit).collect()
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

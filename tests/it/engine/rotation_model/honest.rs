//! A client that loses answers, and nobody else.

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};

use super::{
    action::{
        Action, Agent, Answer, Held, Kind, NeedsSession, Party, Replica, Scenario, Setting, Wait,
    },
    model::Outcome,
    service::Service,
    strategy::{NEWEST, replicas, settings},
    world::World,
};

pub(super) fn honest_scenarios() -> BoxedStrategy<Scenario> {
    (settings(), prop::collection::vec(turn(), 1..12))
        .prop_map(|(setting, turns)| Scenario {
            setting: Setting {
                recovery: true,
                ..setting
            },
            actions: turns.concat(),
        })
        .boxed()
}

/// A refresh of which up to three answers in a row are lost, and what the client does with the one that arrives.
pub(super) fn turn() -> impl Strategy<Value = Vec<Action>> {
    let agent = prop_oneof![3 => Just(Agent::Firefox), 1 => Just(Agent::FirefoxUpdated)];
    let retry_after = prop_oneof![0_u64..30_000, 30_000_u64..3_600_000];
    let lost = prop::collection::vec((replicas(), retry_after), 0..=3);
    let other_tab = prop::option::weighted(0.3, replicas());
    let use_it = prop_oneof![
        3 => (0_usize..3, replicas())
            .prop_map(|(back, at)| Action::Show(Kind::Access, Held(Party::Owner, back), at, NeedsSession::Yes)),
        1 => replicas().prop_map(Action::Flush),
        2 => (0_u64..600_000).prop_map(|milliseconds| Action::Wait(Wait::Milliseconds(milliseconds))),
    ];
    let uses = prop::collection::vec(use_it, 0..6);
    (agent, lost, replicas(), other_tab, uses).prop_map(|(agent, lost, at, other_tab, uses)| {
        let mut actions = Vec::new();
        for (at, retry_after) in lost {
            actions.push(Action::Refresh(NEWEST, agent, at, Answer::Lost));
            actions.push(Action::Wait(Wait::Milliseconds(retry_after)));
        }
        actions.push(Action::Refresh(NEWEST, agent, at, Answer::Arrives));
        let before = Held(Party::Owner, 1);
        actions.extend(other_tab.map(|at| Action::Refresh(before, agent, at, Answer::Arrives)));
        actions.extend(uses);
        actions
    })
}

/// Does it all; nothing of it may sign the client out.
pub(super) async fn stays_signed_in(
    service: &Service,
    scenario: Scenario,
) -> Result<(), TestCaseError> {
    let mut world = World::open(service, scenario.setting).await;
    let mut last = None;
    for action in scenario.actions {
        // A CONVERGED answer may have come at the grace's last instant. A tab that asks a moment later would be RECOVERED,
        // and what the first was given would be void: that narrow gap the design leaves open, so it is left out here.
        let other_tab = matches!(action, Action::Refresh(Held(_, 1), ..));
        if other_tab && matches!(last, Some(Outcome::Converged(_))) {
            continue;
        }
        let outcome = world.step(action).await?;
        let expired = matches!(&outcome, Some(Outcome::Refused(_, Some("TOKEN_EXPIRED"))));
        let refused = matches!(&outcome, Some(Outcome::Refused(..)));
        prop_assert!(expired || !refused, "{action:?}: {outcome:?}");
        last = outcome;
    }
    prop_assert!(!world.is_over());
    Ok(())
}

/// The simulation of ROTATION.md: a client that refreshes whenever its access token has expired, and loses a part of the
/// answers. It asks again after a moment, and less and less eagerly. Returns how many
/// answers were lost.
pub(super) async fn simulate(service: &Service, refreshes: u32, lost_percent: u32) -> u32 {
    let seed = [u8::try_from(lost_percent).unwrap(); 32];
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let setting = Setting {
        recovery: true,
        second_clock: 2_000,
    };
    let mut world = World::open(service, setting).await;
    let mut lost_answers = 0;
    for _ in 0..refreshes {
        for wait in [5, 20, 60, 180].into_iter().chain(std::iter::repeat(600)) {
            let at = any_replica(&mut random);
            let lost = random.random_ratio(lost_percent, 100);
            let answer = if lost { Answer::Lost } else { Answer::Arrives };
            let action = Action::Refresh(NEWEST, Agent::Firefox, at, answer);
            let outcome = world.step(action).await.unwrap();
            assert!(
                !matches!(outcome, Some(Outcome::Refused(..))),
                "after {lost_answers} lost answers: {outcome:?}"
            );
            if !lost {
                break;
            }
            lost_answers += 1;
            wait_for(&mut world, random.random_range(wait / 2..=wait)).await;
        }
        let show = Action::Show(
            Kind::Access,
            NEWEST,
            any_replica(&mut random),
            NeedsSession::Yes,
        );
        assert_eq!(world.step(show).await.unwrap(), Some(Outcome::Accepted));
        wait_for(&mut world, 310).await;
    }
    lost_answers
}

async fn wait_for(world: &mut World<'_>, seconds: u64) {
    let wait = Action::Wait(Wait::Milliseconds(1_000 * seconds));
    world.step(wait).await.unwrap();
}

fn any_replica(random: &mut TestRng) -> Replica {
    if random.random_ratio(1, 2) {
        Replica::First
    } else {
        Replica::Second
    }
}

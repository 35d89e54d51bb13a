//! A thief and the owner who both go on using the session.

use proptest::prelude::*;
use sessiongraph::entity::session::InvalidationReason;

use super::{
    action::{Action, Agent, Answer, Held, Kind, NeedsSession, Party, Replica, Scenario, Wait},
    honest::turn,
    service::Service,
    strategy::{NEWEST, replicas, settings},
    world::World,
};

/// An honest time, a theft, and two rounds in which both parties refresh and then show their access token, each later
/// than the grace after the other.
pub(super) fn thefts() -> BoxedStrategy<Scenario> {
    let prelude = prop::collection::vec(turn(), 0..4);
    let unanswered = |at, answer| Action::Refresh(NEWEST, Agent::Firefox, at, answer);
    let theft = prop_oneof![
        3 => (0_usize..3).prop_map(|back| vec![Action::Steal(back)]),
        1 => replicas()
            .prop_map(move |at| vec![unanswered(at, Answer::Lost), Action::Steal(0)]),
        1 => replicas().prop_map(move |at| vec![unanswered(at, Answer::Intercepted)]),
    ];
    let visit = || (60_000_u64..900_000, replicas(), replicas());
    let rounds = (any::<bool>(), [visit(), visit(), visit(), visit()]);
    (settings(), prelude, theft, rounds)
        .prop_map(|(setting, prelude, theft, (thief_first, visits))| {
            let order = if thief_first {
                [Party::Thief, Party::Owner]
            } else {
                [Party::Owner, Party::Thief]
            };
            let visits = order.into_iter().cycle().zip(visits);
            let rounds = visits.flat_map(|(party, visit)| uses_the_service(party, visit));
            let mut actions = prelude.concat();
            actions.extend(theft);
            actions.extend(rounds);
            Scenario { setting, actions }
        })
        .boxed()
}

fn uses_the_service(party: Party, (wait, first, second): (u64, Replica, Replica)) -> [Action; 3] {
    let newest = Held(party, 0);
    [
        Action::Wait(Wait::Milliseconds(wait)),
        Action::Refresh(newest, Agent::Firefox, first, Answer::Arrives),
        Action::Show(Kind::Access, newest, second, NeedsSession::Yes),
    ]
}

pub(super) async fn is_noticed(service: &Service, scenario: Scenario) -> Result<(), TestCaseError> {
    let mut world = World::open(service, scenario.setting).await;
    for action in scenario.actions {
        world.step(action).await?;
    }
    prop_assert_eq!(
        world.model.session.ended,
        Some(InvalidationReason::RefreshTokenReused)
    );
    Ok(())
}

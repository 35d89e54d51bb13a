//! Refresh-token rotation against a model: random scenarios are done with real engines over real databases, and each
//! answer and each row must be what DESIGN section 3 (a) to (h) says.

use std::{collections::BTreeMap, time::Duration};

use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use tokio::runtime::Handle;

use self::{
    action::Scenario,
    honest::{honest_scenarios, simulate, stays_signed_in},
    service::Service,
    strategy::scenarios,
    theft::{is_noticed, thefts},
    world::World,
};
use crate::support::{database::TestDatabase, on_each_database};

mod action;
mod honest;
mod model;
mod service;
mod strategy;
mod theft;
mod world;

const GRACE: Duration = Duration::from_secs(30);
const SKEW: Duration = Duration::from_secs(5);
const ACCESS_TTL: Duration = Duration::from_mins(5);
const IDLE_TTL: Duration = Duration::from_hours(7 * 24);
/// Shorter than the default, so that scenarios get there.
const MAX_TTL: Duration = Duration::from_hours(20 * 24);

/// Every answer that there is; each has to come about.
const ANSWERS: [&str; 16] = [
    "ROTATED",
    "ROTATED, one generation ahead",
    "CONVERGED",
    "RECOVERED",
    "REFRESH_TOKEN_REUSED, which ends the session",
    "INVALID_SESSION AGENT_CHANGED",
    "INVALID_SESSION EXPIRED",
    "INVALID_SESSION INVALIDATED",
    "INVALID_SESSION ROLLED_BACK",
    "accepted",
    "UNAUTHENTICATED INVALID_SESSION",
    "UNAUTHENTICATED INVALID_SESSION, which ends the session",
    "UNAUTHENTICATED INVALID_TOKEN",
    "UNAUTHENTICATED TOKEN_EXPIRED",
    "ended 0",
    "ended 1, which ends the session",
];

on_each_database! {
    async fn every_answer_and_every_row_are_as_the_design_says(database: TestDatabase) {
        let answers = check(&database, 300, scenarios(), as_the_model_says).await;
        for answer in ANSWERS {
            assert!(answers.contains_key(answer), "never {answer}: {answers:#?}");
        }
    }

    async fn an_honest_client_that_loses_answers_is_never_signed_out(database: TestDatabase) {
        check(&database, 60, honest_scenarios(), stays_signed_in).await;
    }

    async fn a_session_that_thief_and_owner_use_ends(database: TestDatabase) {
        check(&database, 80, thefts(), is_noticed).await;
    }

    async fn lost_answers_end_no_honest_session_in_hundreds_of_refreshes(database: TestDatabase) {
        let service = Service::start(&database).await;
        for (lost_percent, at_least) in [(5, 10), (20, 40)] {
            let lost = simulate(&service, 300, lost_percent).await;
            assert!(lost >= at_least, "{lost_percent} %: {lost}");
        }
    }
}

async fn as_the_model_says(service: &Service, scenario: Scenario) -> Result<(), TestCaseError> {
    let mut world = World::open(service, scenario.setting).await;
    let mut afterwards = 0;
    for action in scenario.actions {
        world.step(action).await?;
        // A session that is over stays so: a few looks at it are enough.
        afterwards += u32::from(world.is_over());
        if afterwards > 4 {
            break;
        }
    }
    Ok(())
}

/// Runs a property with the same cases every time, and says what they shrink to where it does not hold. How often there
/// was which answer.
async fn check<S: Strategy>(
    database: &TestDatabase,
    cases: u32,
    strategy: S,
    property: impl AsyncFn(&Service, S::Value) -> Result<(), TestCaseError>,
) -> BTreeMap<String, u32> {
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(6_749),
        ..ProptestConfig::default()
    });
    let service = Service::start(database).await;
    let result = tokio::task::block_in_place(|| {
        runner.run(&strategy, |case| {
            Handle::current().block_on(property(&service, case))
        })
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    service.answers.take()
}

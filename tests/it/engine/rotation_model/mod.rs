//! Refresh-token rotation against a model: random scenarios are done with real engines over real databases, and each
//! answer and each row must be what DESIGN section 3 (a) to (h) says.

use std::time::Duration;

use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use tokio::runtime::Handle;

use self::{
    action::{Scenario, scenarios},
    world::{Service, World},
};
use crate::support::{database::TestDatabase, on_each_database};

mod action;
mod model;
mod world;

const GRACE: Duration = Duration::from_secs(30);
const SKEW: Duration = Duration::from_secs(5);
const ACCESS_TTL: Duration = Duration::from_mins(5);
const IDLE_TTL: Duration = Duration::from_hours(7 * 24);
/// Shorter than the default, so that scenarios get there.
const MAX_TTL: Duration = Duration::from_hours(20 * 24);

on_each_database! {
    async fn every_answer_and_every_row_are_as_the_design_says(database: TestDatabase) {
        check(&database, 300, scenarios(), async |service: &Service, scenario: Scenario| {
            let mut world = World::open(service, scenario.setting).await;
            for action in scenario.actions {
                world.step(action).await?;
            }
            Ok(())
        })
        .await;
    }
}

/// Runs a property with the same cases every time, and says what they shrink to where it does not hold.
async fn check<S: Strategy>(
    database: &TestDatabase,
    cases: u32,
    strategy: S,
    property: impl AsyncFn(&Service, S::Value) -> Result<(), TestCaseError>,
) {
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
}

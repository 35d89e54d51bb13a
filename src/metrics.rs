//! What is counted, for whoever collects it: [`metrics`](https://docs.rs/metrics) hands it to the recorder that the program
//! has installed, and to nobody where there is none. The server's is a Prometheus endpoint, `/metrics`.
//!
//! | metric | labels | counts |
//! | --- | --- | --- |
//! | `sessiongraph_refreshes_total` | `outcome`: `ROTATED`, `CONVERGED`, `RECOVERED`, or the code of the error | presentations of genuine refresh tokens |
//! | `sessiongraph_sessions_opened_total` | | sessions opened by this process |
//! | `sessiongraph_sessions_ended_total` | `reason`, as in the schema | sessions ended by this process |
//! | `sessiongraph_sessions_pruned_total` | | rows of sessions deleted by this process |
//! | `sessiongraph_password_hashes_total` | | runs of Argon2, for passwords that are set or verified, right or wrong |

use metrics::{counter, describe_counter};

use sea_orm::{ActiveEnum, Iterable};

use crate::{
    entity::session::InvalidationReason,
    error::Result,
    session::{LoginResult, RefreshOutcome},
};

const REFRESHES: &str = "sessiongraph_refreshes_total";
const OPENED: &str = "sessiongraph_sessions_opened_total";
const ENDED: &str = "sessiongraph_sessions_ended_total";
const PRUNED: &str = "sessiongraph_sessions_pruned_total";
const HASHES: &str = "sessiongraph_password_hashes_total";

/// Tells the recorder what there is, so that its answer explains itself and is complete from the start.
pub fn describe() {
    describe_counter!(REFRESHES, "Presentations of genuine refresh tokens");
    describe_counter!(OPENED, "Sessions opened");
    describe_counter!(ENDED, "Sessions ended");
    describe_counter!(PRUNED, "Sessions deleted after their retention");
    describe_counter!(HASHES, "Passwords hashed, to be set or verified");
    for outcome in [
        RefreshOutcome::Rotated,
        RefreshOutcome::Converged,
        RefreshOutcome::Recovered,
    ] {
        counter!(REFRESHES, "outcome" => outcome_name(outcome)).absolute(0);
    }
    for reason in InvalidationReason::iter() {
        counter!(ENDED, "reason" => reason.to_value()).absolute(0);
    }
    counter!(OPENED).absolute(0);
    counter!(PRUNED).absolute(0);
    counter!(HASHES).absolute(0);
}

pub(crate) fn refreshed(result: &Result<LoginResult>) {
    let outcome = match result {
        Ok(login) => login.outcome.map_or("ROTATED", outcome_name),
        Err(error) => error.code(),
    };
    counter!(REFRESHES, "outcome" => outcome.to_owned()).increment(1);
}

pub(crate) fn opened() {
    counter!(OPENED).increment(1);
}

pub(crate) fn ended(reason: Option<InvalidationReason>) {
    let reason = reason.map(|reason| reason.to_value()).unwrap_or_default();
    counter!(ENDED, "reason" => reason).increment(1);
}

pub(crate) fn pruned(rows: u64) {
    counter!(PRUNED).increment(rows);
}

pub(crate) fn password_hashed() {
    counter!(HASHES).increment(1);
}

fn outcome_name(outcome: RefreshOutcome) -> &'static str {
    match outcome {
        RefreshOutcome::Rotated => "ROTATED",
        RefreshOutcome::Converged => "CONVERGED",
        RefreshOutcome::Recovered => "RECOVERED",
    }
}

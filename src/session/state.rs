//! What a genuine refresh token means for its session: a pure decision over values.
//!
//! The table is that of the [module documentation](super#refresh-tokens); [`decide`] is the only place that knows it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    entity::session::{self, SessionStatus},
    error::InvalidSessionReason,
};

/// One token recovers at most so many times.
pub(crate) const MAX_RECOVERIES: i64 = 3;

/// What decides about a token beside the row and the token itself.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// The present.
    pub now: DateTime<Utc>,
    /// How long a superseded token gets its successor again; clock skew included.
    pub grace: Duration,
    /// Whether a lost answer is recovered from.
    pub recovery: bool,
    /// Whether the presented user agent is the session's.
    pub agent_matches: bool,
    /// The highest generation of which a token has been shown, exchanges apart, in the row or in memory.
    pub seen_generation: i64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The current token: exchange it for its successor.
    Rotate,
    /// A token one generation ahead of the row, which lost its last commit: take it as the current one.
    RotateAhead,
    /// The token just superseded: the same successor again.
    Converge,
    /// The token just superseded, whose successor never arrived: a new successor.
    Recover,
    /// Two parties hold the session: end it.
    EndAsReused,
    /// Refuse, and leave the session as it is.
    Refuse(InvalidSessionReason),
}

/// Decides about a genuine token of a session that is there, of an account that is active.
#[must_use]
pub fn decide(row: &session::Model, presented: u32, circumstances: &Circumstances) -> Transition {
    match row.status(circumstances.now) {
        SessionStatus::Invalidated => return Transition::Refuse(InvalidSessionReason::Invalidated),
        SessionStatus::Expired => return Transition::Refuse(InvalidSessionReason::Expired),
        SessionStatus::Active => {}
    }
    let presented = i64::from(presented);
    let accepted = if presented > row.generation + 1 {
        return Transition::Refuse(InvalidSessionReason::RolledBack);
    } else if presented == row.generation + 1 {
        Transition::RotateAhead
    } else if presented == row.generation {
        Transition::Rotate
    } else if row.parent != Some(presented) {
        return Transition::EndAsReused;
    } else if age(row, circumstances.now) <= circumstances.grace {
        Transition::Converge
    } else if circumstances.recovery
        // Nothing that was issued for it has been seen: neither its successor nor one that a recovery made void.
        && circumstances.seen_generation <= presented
        && row.generation - presented <= MAX_RECOVERIES
    {
        Transition::Recover
    } else {
        return Transition::EndAsReused;
    };
    if circumstances.agent_matches {
        accepted
    } else {
        Transition::Refuse(InvalidSessionReason::AgentChanged)
    }
}

/// Whether an access token was issued with a refresh token that has become void: its answer was lost, and recovered
/// from, so whoever shows it is not who recovered.
#[must_use]
pub(crate) fn is_void(row: &session::Model, issued_with: u32) -> bool {
    let issued_with = i64::from(issued_with);
    row.parent.is_some_and(|parent| parent < issued_with) && issued_with < row.generation
}

/// How long ago the row's generation was issued; clocks of replicas that differ make it no less than nothing.
fn age(row: &session::Model, now: DateTime<Utc>) -> Duration {
    (now - row.refreshed_at).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests;

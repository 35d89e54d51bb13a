//! What can happen to a session.

use std::fmt;

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

//! What DESIGN section 3 says of a session, in its own terms: every token that was ever issued, and what became of it.
//! It knows nothing of how the engine tells all that from one row.

use std::collections::BTreeSet;

use chrono::{DateTime, Timelike, Utc};
use sessiongraph::entity::session::InvalidationReason;

use super::action::{Agent, Replica};
use crate::engine::rotation_model::{ACCESS_TTL, GRACE, IDLE_TTL, MAX_TTL, SKEW};

/// A generation: the place of a refresh token among those of its session.
pub(super) type Generation = usize;

/// What an action answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Rotated(Generation),
    Converged(Generation),
    Recovered(Generation),
    /// A request was who it claimed to be.
    Accepted,
    /// So many sessions were ended.
    Ended(usize),
    /// Code and reason.
    Refused(String, Option<&'static str>),
}

impl Outcome {
    /// Which answer it is, without numbers.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Rotated(_) => "ROTATED".to_owned(),
            Self::Converged(_) => "CONVERGED".to_owned(),
            Self::Recovered(_) => "RECOVERED".to_owned(),
            Self::Accepted => "accepted".to_owned(),
            Self::Ended(sessions) => format!("ended {sessions}"),
            Self::Refused(code, reason) => [Some(code.as_str()), *reason]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    fn refused(code: &str) -> Self {
        Self::Refused(code.to_owned(), None)
    }

    fn invalid_session(reason: &'static str) -> Self {
        Self::Refused("INVALID_SESSION".to_owned(), Some(reason))
    }

    fn unauthenticated(reason: &'static str) -> Self {
        Self::Refused("UNAUTHENTICATED".to_owned(), Some(reason))
    }
}

/// What became of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing yet: it is the live one.
    Live,
    /// Another one was issued for it.
    SupersededBy(Generation),
    /// Its answer was lost, and the token before it recovered.
    Void,
}

#[derive(Debug, Clone, Copy)]
struct Issued {
    in_exchange_for: Option<Generation>,
    fate: Fate,
}

/// What the database keeps: a failover takes it back as a whole.
#[derive(Debug, Clone)]
pub(super) struct Session {
    issued: Vec<Issued>,
    /// By the clock of the replica that issued it.
    pub(super) issued_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    /// It slides no further than here.
    ends_at: DateTime<Utc>,
    /// What it was opened or last rotated with.
    pub(super) agent: Agent,
    pub(super) ended: Option<InvalidationReason>,
    /// Of which generations something has been shown, as far as that is written.
    seen: BTreeSet<Generation>,
}

impl Session {
    /// The one token that is neither superseded nor void.
    pub(super) fn live(&self) -> Generation {
        self.issued.len() - 1
    }

    /// The token that the live one was issued for.
    pub(super) fn just_superseded(&self) -> Option<Generation> {
        self.issued[self.live()].in_exchange_for
    }

    /// The newest generation of which something has been shown, as far as that is written.
    pub(super) fn newest_seen(&self) -> Option<Generation> {
        self.seen.last().copied()
    }

    fn issue(&mut self, in_exchange_for: Generation) -> Generation {
        let new = self.issued.len();
        self.issued.push(Issued {
            in_exchange_for: Some(in_exchange_for),
            fate: Fate::Live,
        });
        self.issued[in_exchange_for].fate = Fate::SupersededBy(new);
        new
    }
}

#[derive(Debug, Clone, Copy)]
struct AccessToken {
    generation: Generation,
    expires_at: DateTime<Utc>,
}

#[derive(Debug)]
pub(super) struct Model {
    recovery: bool,
    pub(super) session: Session,
    access: Vec<AccessToken>,
    /// What each replica has seen and not written.
    memory: [BTreeSet<Generation>; 2],
}

impl Model {
    /// A session that the owner has just opened, with its first tokens.
    pub(super) fn open(recovery: bool, now: DateTime<Utc>) -> Self {
        let session = Session {
            issued: vec![Issued {
                in_exchange_for: None,
                fate: Fate::Live,
            }],
            issued_at: now,
            expires_at: now + IDLE_TTL,
            ends_at: now + MAX_TTL,
            agent: Agent::Firefox,
            ended: None,
            seen: BTreeSet::new(),
        };
        let mut model = Self {
            recovery,
            session,
            access: Vec::new(),
            memory: [BTreeSet::new(), BTreeSet::new()],
        };
        model.issue_access(0, now);
        model
    }

    pub(super) fn refresh(
        &mut self,
        token: Generation,
        agent: Agent,
        at: Replica,
        now: DateTime<Utc>,
    ) -> Outcome {
        if let Some(over) = self.over(now) {
            return Outcome::invalid_session(over);
        }
        let outcome = self.would_answer(token, at, now);
        let session = &mut self.session;
        match outcome {
            Outcome::Refused(..) => {
                if outcome == Outcome::refused("REFRESH_TOKEN_REUSED") {
                    session.ended = Some(InvalidationReason::RefreshTokenReused);
                }
                return outcome;
            }
            // It would be accepted, so the agent decides.
            _ if (agent == Agent::Safari) != (session.agent == Agent::Safari) => {
                self.memory[at as usize].insert(token);
                return Outcome::invalid_session("AGENT_CHANGED");
            }
            Outcome::Converged(live) => {
                self.issue_access(live, now);
                return outcome;
            }
            Outcome::Recovered(_) => {
                let lost = session.live();
                session.issued[lost].fate = Fate::Void;
                session.issue(token);
            }
            _ => {
                if token > session.live() {
                    // The failover lost that this one was issued.
                    session.issue(session.live());
                }
                session.issue(token);
            }
        }
        session.issued_at = now;
        session.expires_at = session.ends_at.min(now + IDLE_TTL);
        session.agent = agent;
        let live = session.live();
        self.issue_access(live, now);
        outcome
    }

    /// What the token itself deserves, before its user agent is looked at.
    fn would_answer(&self, token: Generation, at: Replica, now: DateTime<Utc>) -> Outcome {
        let session = &self.session;
        let live = session.live();
        if token > live + 1 {
            return Outcome::invalid_session("ROLLED_BACK");
        }
        let next = live.max(token) + 1;
        let fate = session
            .issued
            .get(token)
            .map_or(Fate::Live, |issued| issued.fate);
        match fate {
            Fate::Live => Outcome::Rotated(next),
            Fate::SupersededBy(successor) if successor == live => {
                let answers_so_far = session
                    .issued
                    .iter()
                    .filter(|other| other.in_exchange_for == Some(token));
                let recoveries = answers_so_far.count() - 1;
                if now <= session.issued_at + GRACE + SKEW {
                    Outcome::Converged(live)
                } else if self.recovery && recoveries < 3 && !self.successor_arrived(token, at) {
                    Outcome::Recovered(next)
                } else {
                    Outcome::refused("REFRESH_TOKEN_REUSED")
                }
            }
            Fate::SupersededBy(_) | Fate::Void => Outcome::refused("REFRESH_TOKEN_REUSED"),
        }
    }

    /// Whether this replica can know that somebody got an answer to the token: then something later was shown here.
    fn successor_arrived(&self, token: Generation, at: Replica) -> bool {
        let written = self.session.seen.iter();
        let mut known = written.chain(&self.memory[at as usize]);
        known.any(|seen| *seen > token)
    }

    /// A request with an access token, for a field that needs a session or for one that does not.
    pub(super) fn show_access(
        &mut self,
        token: usize,
        needs_session: bool,
        at: Replica,
        now: DateTime<Utc>,
    ) -> Outcome {
        let AccessToken {
            generation,
            expires_at,
        } = self.access[token];
        self.memory[at as usize].insert(generation);
        if now >= expires_at + SKEW {
            return Outcome::unauthenticated("TOKEN_EXPIRED");
        }
        if !needs_session {
            return Outcome::Accepted;
        }
        if self.over(now).is_some() {
            return Outcome::unauthenticated("INVALID_SESSION");
        }
        if self.is_known_void(generation) {
            self.session.ended = Some(InvalidationReason::RefreshTokenReused);
            return Outcome::unauthenticated("INVALID_SESSION");
        }
        Outcome::Accepted
    }

    /// A request with a refresh token where an access token belongs.
    pub(super) fn show_refresh(&mut self, token: Generation, at: Replica) -> Outcome {
        self.memory[at as usize].insert(token);
        Outcome::unauthenticated("INVALID_TOKEN")
    }

    pub(super) fn log_out(&mut self, at: Replica, seen: Generation, now: DateTime<Utc>) -> Outcome {
        self.memory[at as usize].insert(seen);
        self.end(InvalidationReason::Logout, now)
    }

    pub(super) fn end(&mut self, reason: InvalidationReason, now: DateTime<Utc>) -> Outcome {
        if self.over(now).is_some() {
            return Outcome::Ended(0);
        }
        self.session.ended = Some(reason);
        Outcome::Ended(1)
    }

    pub(super) fn flush(&mut self, at: Replica) {
        let noted = std::mem::take(&mut self.memory[at as usize]);
        if self.session.ended.is_none() {
            self.session.seen.extend(noted);
        }
    }

    pub(super) fn over(&self, now: DateTime<Utc>) -> Option<&'static str> {
        if self.session.ended.is_some() {
            Some("INVALIDATED")
        } else if now >= self.session.expires_at {
            Some("EXPIRED")
        } else {
            None
        }
    }

    /// Whether an access token of this generation is known to be from a lost answer. Storage is constant (d): once the
    /// recovered token is exchanged in its turn, that is forgotten, and the access token lives out its few minutes.
    fn is_known_void(&self, generation: Generation) -> bool {
        let issued = self.session.issued.get(generation);
        issued.is_some_and(|issued| {
            issued.fate == Fate::Void && issued.in_exchange_for == self.session.just_superseded()
        })
    }

    /// Instants in a JWT are whole seconds.
    fn issue_access(&mut self, generation: Generation, now: DateTime<Utc>) {
        let expires_at = self.session.expires_at.min(now + ACCESS_TTL);
        self.access.push(AccessToken {
            generation,
            expires_at: expires_at.with_nanosecond(0).unwrap_or(expires_at),
        });
    }

    /// The number of the access token that was issued last.
    pub(super) fn newest_access(&self) -> usize {
        self.access.len() - 1
    }

    pub(super) fn access_generation(&self, token: usize) -> Generation {
        self.access[token].generation
    }

    /// When the newest access token is expired for good, clocks that differ allowed for.
    pub(super) fn newest_access_is_over_at(&self) -> DateTime<Utc> {
        self.access[self.newest_access()].expires_at + SKEW
    }
}

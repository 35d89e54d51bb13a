//! The engine: sessions, their tokens, and who a request is from. Usable without HTTP and without GraphQL.
//!
//! It knows accounts only as far as sessions need them: whether they are there and active, and their permissions.
//! Passwords are [`crate::account`]'s.
//!
//! # Refresh tokens
//!
//! A refresh token is a function of session and *generation*: `sgr_` and base64url of version, key id, session id,
//! generation and a MAC over them. None is stored. The session's row has the current `generation`, and its `parent`:
//! the generation that the current one was issued for, the one token before it that may still be honest.
//!
//! | presented generation | when | answer | write |
//! | --- | --- | --- | --- |
//! | (bad MAC or spelling) | | `TOKEN_VERIFICATION_FAILED` | no statement |
//! | any | no row; account deactivated; over | `SESSION_NOT_FOUND`; `USER_DEACTIVATED`; `INVALID_SESSION` | none |
//! | the row's | | [`ROTATED`](RefreshOutcome::Rotated) | parent = g, generation + 1, if generation = g |
//! | the parent | within the grace | [`CONVERGED`](RefreshOutcome::Converged): the row's token again | none |
//! | the parent | later, no later generation than g seen here, recovery on, generation - g ≤ 3 | [`RECOVERED`](RefreshOutcome::Recovered) | generation + 1, if both as read |
//! | the parent | later, otherwise | `REFRESH_TOKEN_REUSED` | end, if generation as read |
//! | below the row's, not the parent | | `REFRESH_TOKEN_REUSED` | end |
//! | the row's + 1 | a failover lost the last commit | `ROTATED` from there, and a warning | as if it were the row's |
//! | above that | a backup was restored | `INVALID_SESSION`, `ROLLED_BACK` | none |
//! | the row's, the parent or + 1 | accepted, but from another user agent | `INVALID_SESSION`, `AGENT_CHANGED` | none |
//!
//! The generation that an access token was issued with is in its `jti`. One between parent and row belongs to an answer
//! that was lost and recovered from: whoever shows it holds a copy, and the session ends.
//!
//! # Why
//!
//! Without a grace, two tabs that refresh at once would sign their user out. Without recovery, so would a telephone that
//! goes offline in mid-refresh. What both cost is bounded: the thief of a token gains at most until either party shows
//! something that proves two hold the session.

mod activity;
mod authenticate;
mod connection;
mod delivery;
mod events;
mod exchange;
mod find;
mod fresh;
mod hooks;
mod invalidate;
mod list;
mod open;
mod policy;
mod prune;
mod records;
mod refresh;
mod service_keys;
mod shared;
mod state;
mod statements;
mod to_the_end;
mod tokens;
mod user_agent;

use std::{fmt, sync::Arc};

use sea_orm::DatabaseConnection;
use tokio_util::task::TaskTracker;
use tracing::instrument::WithSubscriber;
use uuid::Uuid;

pub use self::{
    activity::Activity,
    delivery::TokenTransport,
    events::{SessionEvent, SessionEventKind, Subscriber},
    find::CurrentSession,
    hooks::{HookContext, Hooks, LoginDraft, RequestDecision},
    invalidate::{Caller, InvalidateSessions, SessionSelector},
    open::{NewSession, UpsertSession},
    policy::Policy,
    records::RecordFilter,
    refresh::RefreshTokensInput,
    service_keys::ServiceKeySummary,
    tokens::{LoginResult, RefreshOutcome, Tokens},
    user_agent::{DeviceKind, UserAgentBinding, UserAgentFamilies, UserAgents},
};
pub(crate) use self::{
    find::{by_id, caller_stands},
    records::Actor,
};
// Under `session_events` and the upkeep, which are what programs use.
#[doc(hidden)]
pub use self::events::{Events, Listener, Notice, Relay, Topic};
pub(crate) use self::state::is_void;
pub use self::state::{Circumstances, Transition, decide};
use self::{
    exchange::UsualExchange,
    find::SessionOfAccount,
    shared::Shared,
    statements::{Exchanged, Statements},
    to_the_end::ToTheEnd,
};
use crate::{
    clock::{Clock, SystemClock},
    crypto::{access_token::Verifier, counter_key::CounterKey},
    database::HotStatements,
    error::{Error, Result},
    keys::TokenKeys,
    limit::Budgets,
    random::{Random, SystemRandom},
    traces,
};

/// The engine. Cheap to clone; clones are the same engine.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    db: DatabaseConnection,
    keys: Arc<dyn TokenKeys>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    policy: Policy,
    verifier: Verifier,
    hooks: Hooks,
    activity: Activity,
    events: Events,
    user_agents: UserAgents,
    refreshes: Budgets,
    tasks: TaskTracker,
    statements: Statements,
    reads: Shared<Uuid, Option<SessionOfAccount>>,
    exchanges: Shared<UsualExchange, Option<Exchanged>>,
    hot: HotStatements,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// Begins an engine over a migrated database.
    #[doc(alias = "new Sessions")]
    #[must_use]
    pub fn builder(db: DatabaseConnection) -> SessionsBuilder {
        SessionsBuilder {
            db,
            keys: None,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            policy: Policy::default(),
            keep_connections: false,
        }
    }

    /// The waterfalls, to register handlers on.
    #[must_use]
    pub fn hooks(&self) -> &Hooks {
        &self.0.hooks
    }

    /// The lifetimes and limits in force.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &DatabaseConnection {
        &self.0.db
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.0.clock.as_ref()
    }

    /// What has been seen of sessions and is not written yet.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.0.activity
    }

    /// The reader of user agents.
    #[must_use]
    pub fn user_agents(&self) -> &UserAgents {
        &self.0.user_agents
    }

    /// Work that goes on though nobody may wait for it any more; to be waited for before the process ends.
    #[must_use]
    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Runs work to its end, whether or not the caller is still there: what follows from a commit is not left out.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let work = traces::carried(work).with_current_subscriber();
        ToTheEnd::new(self.0.tasks.track_future(work)).await?
    }

    /// The key that counters of limits are named with.
    pub(crate) async fn counter_key(&self) -> Result<CounterKey> {
        self.0.keys.counter_key().await
    }

    pub(crate) fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    pub(crate) fn random(&self) -> &dyn Random {
        self.0.random.as_ref()
    }
}

/// Collects what an engine is made of.
#[derive(Debug)]
pub struct SessionsBuilder {
    db: DatabaseConnection,
    keys: Option<Arc<dyn TokenKeys>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    policy: Policy,
    keep_connections: bool,
}

impl SessionsBuilder {
    /// The keys that tokens are made with: a [`Keyring`](crate::keys::Keyring), a
    /// [`FixedSecret`](crate::keys::FixedSecret), or your own. Required.
    #[must_use]
    pub fn keys(self, keys: impl TokenKeys) -> Self {
        self.shared_keys(Arc::new(keys))
    }

    /// As [`keys`](Self::keys), for keys that something else holds too.
    #[must_use]
    pub fn shared_keys(mut self, keys: Arc<dyn TokenKeys>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Lifetimes and limits.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where random bytes come from.
    #[must_use]
    pub fn random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Keeps up to four of PostgreSQL's connections, where the pool has 16 or more, for the statements that read the sessions
    /// of requests and exchange refresh tokens, instead of giving them back to the pool each time: sqlx tries a connection
    /// whenever it comes back. One goes back when it was not used for a second, after a minute in any case, and when the
    /// pool is closed.
    ///
    /// `SeaORM`'s metric callback does not see these statements, and the pool's `before_acquire` and `after_release` do not
    /// run for each of them. The server's engine keeps connections; without this call nothing is kept.
    #[must_use]
    pub fn keep_connections(mut self) -> Self {
        self.keep_connections = true;
        self
    }

    /// The engine.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, field `keys`, where no keys were given.
    pub fn build(self) -> Result<Sessions> {
        let keys = self
            .keys
            .ok_or_else(|| Error::bad_user_input("keys", "an engine needs keys"))?;
        let verifier = Verifier::new(&self.policy.issuer, &self.policy.audience);
        let statements = Statements::new(
            self.db.get_database_backend(),
            self.policy.user_agent_binding,
        );
        let hot = HotStatements::new(self.db.clone(), self.keep_connections);
        Ok(Sessions(Arc::new(Inner {
            db: self.db,
            keys,
            clock: self.clock,
            random: self.random,
            policy: self.policy,
            verifier,
            hooks: Hooks::default(),
            activity: Activity::default(),
            events: Events::default(),
            user_agents: UserAgents::default(),
            refreshes: Budgets::default(),
            tasks: TaskTracker::new(),
            statements,
            reads: Shared::default(),
            exchanges: Shared::default(),
            hot,
        })))
    }
}

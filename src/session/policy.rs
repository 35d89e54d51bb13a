//! Lifetimes and limits.

use std::time::Duration;

use super::UserAgentBinding;
use crate::limit::Rate;

const DAY: Duration = Duration::from_hours(24);

/// Lifetimes and limits of sessions; the defaults are the server's.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim.
    pub audience: String,
    /// How long an access token lives.
    pub access_token_ttl: Duration,
    /// How long a session lives from its last refresh.
    pub session_idle_ttl: Duration,
    /// How long a session lives in all.
    pub session_max_ttl: Duration,
    /// How long a superseded refresh token gets its successor again.
    pub refresh_grace: Duration,
    /// Whether a refresh whose answer was lost can be recovered from.
    pub refresh_recovery: bool,
    /// How far clocks may differ.
    pub clock_skew: Duration,
    /// How many active sessions an account has; the least recently refreshed is evicted.
    pub max_sessions_per_account: u32,
    /// Whether a session stays with the user agent that opened it.
    pub user_agent_binding: UserAgentBinding,
    /// Whether a query whose access cookie has expired is renewed on the way.
    pub silent_renewal: bool,
    /// How many sign-ins may fail by identifier, ten times that by client network; `None` for any number. See
    /// [`crate::limit`].
    pub sign_in_failures: Option<Rate>,
    /// How many sign-ups a client network may make; `None` for any number.
    pub sign_up_limit: Option<Rate>,
    /// How often a session may be refreshed in one process; `None` for any number.
    pub refresh_limit: Option<Rate>,
    /// How long after a session was opened its client network is known: an account that strangers fail at without end
    /// stays open to it.
    pub retention: Duration,
    /// How long it is recorded who opened, recovered or ended a session, whether that is still there or not.
    pub audit_retention: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:4000".to_owned(),
            audience: "sessiongraph".to_owned(),
            access_token_ttl: Duration::from_mins(5),
            session_idle_ttl: 7 * DAY,
            session_max_ttl: 90 * DAY,
            refresh_grace: Duration::from_secs(30),
            refresh_recovery: true,
            clock_skew: Duration::from_secs(5),
            max_sessions_per_account: 50,
            user_agent_binding: UserAgentBinding::Family,
            silent_renewal: true,
            sign_in_failures: Some(Rate {
                count: 10,
                per: Duration::from_mins(15),
            }),
            sign_up_limit: Some(Rate {
                count: 1_000,
                per: Duration::from_hours(1),
            }),
            refresh_limit: Some(Rate {
                count: 600,
                per: Duration::from_mins(1),
            }),
            retention: 30 * DAY,
            audit_retention: 90 * DAY,
        }
    }
}

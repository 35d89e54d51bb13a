//! Lifetimes and limits.

use std::time::Duration;

use super::UserAgentBinding;

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
        }
    }
}

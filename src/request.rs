//! [`SessionRequest`]: what a request brings that concerns sessions, and what of it goes back.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::SecretString;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    crypto::{access_token::Claims, password::Waiting},
    error::{Error, Result},
    scope::Scopes,
};

/// What kind of GraphQL operation a request runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Operation {
    /// Reads.
    #[default]
    Query,
    /// Writes.
    Mutation,
    /// A stream of events.
    Subscription,
}

/// The tokens in a request's cookies, where its cookies count.
#[derive(Debug, Clone, Default)]
pub struct RequestCookies {
    /// The access token.
    pub access: Option<SecretString>,
    /// The refresh token.
    pub refresh: Option<SecretString>,
    /// Whether a cookie of either name came at all, even an unusable one.
    pub present: bool,
}

/// What the response does to the client's cookies.
#[derive(Debug, Clone)]
pub enum CookieChange {
    /// Sets both, each for as long as its token lives.
    Set {
        /// The access token.
        access: SecretString,
        /// How long it lives.
        access_max_age: Duration,
        /// The refresh token.
        refresh: SecretString,
        /// How long it lives.
        refresh_max_age: Duration,
    },
    /// Clears both.
    Clear,
}

/// Who a request is from, as its token says. A claim: whether the session still stands, the row tells.
#[derive(Debug, Clone, Default)]
pub enum Authentication {
    /// No token.
    #[default]
    Nobody,
    /// A genuine access token that has not expired.
    Session(SessionClaims),
    /// A service key that is not revoked.
    Service(ServiceIdentity),
    /// A token that does not hold; raised by the fields that need a session.
    Failed(Error),
}

/// What a verified access token says.
#[derive(Debug, Clone)]
pub struct SessionClaims {
    /// The session: the `sid` claim.
    pub session_id: Uuid,
    /// The account: the `sub` claim.
    pub account_id: Uuid,
    /// The generation of the session that the token was issued with.
    pub generation: u32,
    /// All claims.
    pub claims: Arc<Claims>,
}

/// Which service key a request has.
#[derive(Debug, Clone)]
pub struct ServiceIdentity {
    /// The key's id.
    pub id: Uuid,
    /// The operator's name for it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
}

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The client's address.
    pub ip: IpAddr,
    /// Its `User-Agent`.
    pub user_agent: String,
}

/// The longest user agent that is kept, in bytes; longer texts are cut. No browser's is longer.
pub const MAX_USER_AGENT_LENGTH: usize = 1_024;

impl ConnectionInfo {
    /// In the form in which it is kept and compared: an IPv4-mapped address is an IPv4 one, a user agent has no white
    /// space around it and is not endless.
    #[must_use]
    pub fn normalized(self) -> Self {
        let text = self.user_agent.trim();
        let text = &text[..text.floor_char_boundary(MAX_USER_AGENT_LENGTH)];
        Self {
            ip: self.ip.to_canonical(),
            user_agent: text.trim_end().to_owned(),
        }
    }
}

/// What a request brings that concerns sessions. Cheap to clone; clones share what goes back to the client.
#[derive(Clone, Default)]
pub struct SessionRequest {
    /// The token in the Authorization header; it goes before the cookies.
    pub bearer: Option<SecretString>,
    /// The tokens in the cookies.
    pub cookies: RequestCookies,
    /// Whether cookies may be set and cleared: the request is one that a foreign page cannot make silently.
    pub accepts_cookies: bool,
    /// Whether the transport is HTTP, which has responses to carry cookies; false on a WebSocket.
    pub has_response_headers: bool,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// What the request runs.
    pub operation: Operation,
    /// What the application's own handlers want to find again, for instance the tenant.
    pub extensions: ::http::Extensions,
    /// Who it is from; set by `Sessions::handle_request`.
    pub authentication: Authentication,
    /// Cancelled when the client has gone away.
    pub client_gone: CancellationToken,
    pub(crate) answer: Arc<Answer>,
}

/// What the operations of one HTTP request share.
#[derive(Default)]
pub(crate) struct Answer {
    cookies: Mutex<Option<CookieChange>>,
    /// A batch is renewed once.
    pub(crate) renewal: OnceCell<Result<Arc<Claims>>>,
}

impl fmt::Debug for SessionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRequest")
            .field("ip", &self.ip)
            .field("user_agent", &self.user_agent)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

impl SessionRequest {
    /// A request without anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The access token: the header's, else the cookie's.
    #[must_use]
    pub fn access_token(&self) -> Option<&SecretString> {
        self.bearer.as_ref().or(self.cookies.access.as_ref())
    }

    /// Notes what the response does to the client's cookies; the last change counts.
    pub fn change_cookies(&self, change: CookieChange) {
        *self
            .answer
            .cookies
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(change);
    }

    /// What the response does to the client's cookies, taken once by whoever writes the response.
    #[must_use]
    pub fn take_cookie_change(&self) -> Option<CookieChange> {
        self.answer
            .cookies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Who waits for a password to be hashed.
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting {
            ip: self.ip,
            client_gone: self.client_gone.clone(),
        }
    }
}

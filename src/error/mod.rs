//! The one error type, and the codes that clients see.
//!
//! Every failure of this crate is an [`Error`]. What a client is told about it (code, reason, action, field) is
//! decided here and nowhere else; `graphql` only copies it into `errors[].extensions`. Text that is not ours, such as
//! a database's, is kept as the [`source`](std::error::Error::source) for the log and never reaches a client.

mod database;
mod reason;

use std::{borrow::Cow, fmt, sync::Arc};

use self::reason::SIGN_IN_TOO_OLD;
pub use self::reason::{Action, InvalidSessionReason, UnauthenticatedReason};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong; see the table of error codes in the documentation.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A field needs a session, and the request does not give one.
    #[error("{}", .0.message())]
    Unauthenticated(UnauthenticatedReason),
    /// The token handed over is malformed or not genuine.
    #[error("The token could not be verified.")]
    TokenVerificationFailed,
    /// The token handed over is genuine, but of the wrong kind.
    #[error("The token is of the wrong kind.")]
    InvalidToken,
    /// `refreshTokens` without any refresh token.
    #[error("A refresh token is needed, and there is none.")]
    InvalidTokens,
    /// No such session.
    #[error("There is no such session.")]
    SessionNotFound,
    /// The session is over or may not be used.
    #[error("{}", .0.message())]
    InvalidSession(InvalidSessionReason),
    /// A refresh token that had lost its validity for good was presented; the session is ended.
    #[error(
        "The refresh token had been used before: a copy is in somebody's hands, and the session was ended."
    )]
    RefreshTokenReused,
    /// No such account.
    #[error("There is no such account.")]
    UserNotFound,
    /// The account is deactivated.
    #[error("The account is deactivated.")]
    UserDeactivated,
    /// Wrong identifier or password.
    #[error("The identifier or the password is wrong.")]
    AuthenticationFailed,
    /// Signed in, without the right.
    #[error("Not allowed.")]
    Forbidden,
    /// The session was opened longer ago than what is asked for allows.
    #[error("Sign in again: the last time is too long ago for this.")]
    SignInTooOld {
        /// How long ago it may have been, in seconds.
        max_age: u64,
    },
    /// The user name belongs to another account.
    #[error("The user name is taken.")]
    UsernameTaken,
    /// The e-mail address belongs to another account.
    #[error("The e-mail address is taken.")]
    EmailTaken,
    /// One input field or argument is not as it must be.
    #[error("{field}: {message}")]
    BadUserInput {
        /// The input field or argument.
        field: Cow<'static, str>,
        /// What is allowed.
        message: Cow<'static, str>,
    },
    /// Sign-up is switched off.
    #[error("Signing up is switched off.")]
    SignUpDisabled,
    /// Too many attempts.
    #[error("Too many attempts.")]
    RateLimited {
        /// Seconds until the next attempt is worthwhile.
        retry_after: u64,
    },
    /// The request has no client address.
    #[error("The request has no client IP address.")]
    InvalidLocationInfoIp,
    /// The request has no user agent.
    #[error("The request has no User-Agent.")]
    InvalidLocationInfoUserAgent,
    /// The request is not one that GraphQL over HTTP, or an extension of it, knows.
    #[error("{0}")]
    BadRequest(Cow<'static, str>),
    /// The GraphQL document does not parse.
    #[error("The document is not valid GraphQL.")]
    GraphqlParseFailed,
    /// The document, or its variables, do not fit the schema.
    #[error("{0}")]
    GraphqlValidationFailed(Cow<'static, str>),
    /// The document is over one of the limits.
    #[error("The document is too complex: its {limit} of {value} is over the limit of {allowed}.")]
    QueryTooComplex {
        /// Which limit.
        limit: &'static str,
        /// What the document has.
        value: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// A document is asked for by a hash that nobody has sent the document of; the client then sends both.
    #[error("PersistedQueryNotFound")]
    PersistedQueryNotFound,
    /// The database does not answer, or a queue is full.
    #[error("The service is not available at the moment.")]
    ServiceUnavailable {
        /// Seconds until the next attempt is worthwhile.
        retry_after: u64,
    },
    /// A hook's own error.
    #[error("{message}")]
    Custom {
        /// `extensions.code`.
        code: Cow<'static, str>,
        /// The text that the client sees.
        message: Cow<'static, str>,
    },
    /// Anything else; the client is told nothing.
    #[error("Internal server error.")]
    Internal,
}

/// A failure, with what the client should do about it.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    action: Option<Action>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of a kind, with the action that usually goes with it.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        let action = match &kind {
            ErrorKind::Unauthenticated(UnauthenticatedReason::TokenExpired) => {
                Some(Action::Refresh)
            }
            ErrorKind::Unauthenticated(_)
            | ErrorKind::TokenVerificationFailed
            | ErrorKind::InvalidToken
            | ErrorKind::InvalidTokens
            | ErrorKind::InvalidSession(_)
            | ErrorKind::RefreshTokenReused
            | ErrorKind::SignInTooOld { .. } => Some(Action::SignIn),
            ErrorKind::RateLimited { .. } | ErrorKind::ServiceUnavailable { .. } => {
                Some(Action::Retry)
            }
            _ => None,
        };
        Self {
            kind,
            action,
            source: None,
        }
    }

    /// `UNAUTHENTICATED` with its reason.
    #[must_use]
    pub fn unauthenticated(reason: UnauthenticatedReason) -> Self {
        Self::new(ErrorKind::Unauthenticated(reason))
    }

    /// `INVALID_SESSION` with its reason.
    #[must_use]
    pub fn invalid_session(reason: InvalidSessionReason) -> Self {
        Self::new(ErrorKind::InvalidSession(reason))
    }

    /// `BAD_USER_INPUT`: the field, and what is allowed. Never put what the client sent into the message.
    #[must_use]
    pub fn bad_user_input(
        field: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(ErrorKind::BadUserInput {
            field: field.into(),
            message: message.into(),
        })
    }

    /// `SERVICE_UNAVAILABLE`, worth another try in a second.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(ErrorKind::ServiceUnavailable { retry_after: 1 })
    }

    /// `INTERNAL_SERVER_ERROR`; the cause goes to the log only.
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal).caused_by(cause)
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(cause.into()));
        self
    }

    /// The same failure with another action.
    #[must_use]
    pub fn with_action(mut self, action: impl Into<Option<Action>>) -> Self {
        self.action = action.into();
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// `extensions.code`.
    #[must_use]
    pub fn code(&self) -> &str {
        match &self.kind {
            ErrorKind::Unauthenticated(_) => "UNAUTHENTICATED",
            ErrorKind::TokenVerificationFailed => "TOKEN_VERIFICATION_FAILED",
            ErrorKind::InvalidToken => "INVALID_TOKEN",
            ErrorKind::InvalidTokens => "INVALID_TOKENS",
            ErrorKind::SessionNotFound => "SESSION_NOT_FOUND",
            ErrorKind::InvalidSession(_) => "INVALID_SESSION",
            ErrorKind::RefreshTokenReused => "REFRESH_TOKEN_REUSED",
            ErrorKind::UserNotFound => "USER_NOT_FOUND",
            ErrorKind::UserDeactivated => "USER_DEACTIVATED",
            ErrorKind::AuthenticationFailed => "AUTHENTICATION_FAILED",
            ErrorKind::Forbidden | ErrorKind::SignInTooOld { .. } => "FORBIDDEN",
            ErrorKind::UsernameTaken => "USERNAME_TAKEN",
            ErrorKind::EmailTaken => "EMAIL_TAKEN",
            ErrorKind::BadUserInput { .. } => "BAD_USER_INPUT",
            ErrorKind::SignUpDisabled => "SIGN_UP_DISABLED",
            ErrorKind::RateLimited { .. } => "RATE_LIMITED",
            ErrorKind::InvalidLocationInfoIp => "INVALID_LOCATION_INFO_IP",
            ErrorKind::InvalidLocationInfoUserAgent => "INVALID_LOCATION_INFO_USER_AGENT",
            ErrorKind::BadRequest(_) => "BAD_REQUEST",
            ErrorKind::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            ErrorKind::GraphqlValidationFailed(_) => "GRAPHQL_VALIDATION_FAILED",
            ErrorKind::QueryTooComplex { .. } => "QUERY_TOO_COMPLEX",
            ErrorKind::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            ErrorKind::ServiceUnavailable { .. } => "SERVICE_UNAVAILABLE",
            ErrorKind::Custom { code, .. } => code,
            ErrorKind::Internal => "INTERNAL_SERVER_ERROR",
        }
    }

    /// `extensions.reason`, of the codes that have one.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match &self.kind {
            ErrorKind::Unauthenticated(reason) => Some(reason.as_str()),
            ErrorKind::InvalidSession(reason) => Some(reason.as_str()),
            ErrorKind::SignInTooOld { .. } => Some(SIGN_IN_TOO_OLD),
            _ => None,
        }
    }

    /// `extensions.action`, where there is something that the client should do next.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        self.action
    }

    /// `extensions.field` of `BAD_USER_INPUT`.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match &self.kind {
            ErrorKind::BadUserInput { field, .. } => Some(field),
            _ => None,
        }
    }

    /// `extensions.retryAfter`, in seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match &self.kind {
            ErrorKind::RateLimited { retry_after }
            | ErrorKind::ServiceUnavailable { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_error_tells_the_client_nothing() {
        let error = Error::internal("connection string postgres://user:password@host");
        assert_eq!(error.to_string(), "Internal server error.");
        assert_eq!(error.code(), "INTERNAL_SERVER_ERROR");
    }
}

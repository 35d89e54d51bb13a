//! What codes alone do not say: reasons, and what the client should do next.

/// `extensions.action`: what the client should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Call `refreshTokens`, then repeat the request.
    Refresh,
    /// Ask the user to sign in again.
    SignIn,
    /// Repeat the request after `retryAfter` seconds.
    Retry,
}

impl Action {
    /// The text in `extensions.action`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refresh => "REFRESH",
            Self::SignIn => "SIGN_IN",
            Self::Retry => "RETRY",
        }
    }
}

/// `extensions.reason` of `FORBIDDEN`, where signing in again helps.
pub(super) const SIGN_IN_TOO_OLD: &str = "SIGN_IN_TOO_OLD";

/// Why a field that needs a session did not get one: `extensions.reason` of `UNAUTHENTICATED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnauthenticatedReason {
    /// The request carries no token.
    MissingToken,
    /// The access token has expired, or only a refresh cookie is left.
    TokenExpired,
    /// Malformed, bad signature, unknown key, wrong issuer or audience.
    TokenVerificationFailed,
    /// A genuine token of the wrong kind.
    InvalidToken,
    /// The token's session is not there.
    SessionNotFound,
    /// The token's session is over.
    InvalidSession,
    /// The token's account is not there.
    UserNotFound,
    /// The token's account is deactivated.
    UserDeactivated,
}

impl UnauthenticatedReason {
    /// The text in `extensions.reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingToken => "MISSING_TOKEN",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::TokenVerificationFailed => "TOKEN_VERIFICATION_FAILED",
            Self::InvalidToken => "INVALID_TOKEN",
            Self::SessionNotFound => "SESSION_NOT_FOUND",
            Self::InvalidSession => "INVALID_SESSION",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::UserDeactivated => "USER_DEACTIVATED",
        }
    }

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::MissingToken => "Sign in first: the request carries no token.",
            Self::TokenExpired => "The access token has expired.",
            Self::TokenVerificationFailed => "The access token could not be verified.",
            Self::InvalidToken => "The token is not an access token.",
            Self::SessionNotFound => "The session is not there any more.",
            Self::InvalidSession => "The session is over.",
            Self::UserNotFound => "The account is not there any more.",
            Self::UserDeactivated => "The account is deactivated.",
        }
    }
}

/// Why a session may not be used: `extensions.reason` of `INVALID_SESSION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidSessionReason {
    /// It was ended.
    Invalidated,
    /// It ran out.
    Expired,
    /// Another user agent presented its token.
    AgentChanged,
    /// The token is from a later state than the database has: a backup was restored.
    RolledBack,
}

impl InvalidSessionReason {
    /// The text in `extensions.reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalidated => "INVALIDATED",
            Self::Expired => "EXPIRED",
            Self::AgentChanged => "AGENT_CHANGED",
            Self::RolledBack => "ROLLED_BACK",
        }
    }

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Invalidated => "The session has ended.",
            Self::Expired => "The session has expired.",
            Self::AgentChanged => "The session belongs to another user agent.",
            Self::RolledBack => "The session's state is older than the token.",
        }
    }
}

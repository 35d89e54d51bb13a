//! Enumerations, each the twin of one of the engine's.

use async_graphql::Enum;

/// How tokens reach the client.
#[derive(Enum, Debug, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "crate::session::TokenTransport")]
pub enum TokenTransport {
    /// Tokens are in LoginResult.tokens.
    Body,
    /// Tokens are set as HttpOnly cookies and LoginResult.tokens is null, so no script ever sees them.
    Cookie,
}

/// What refreshTokens did.
#[derive(Enum, Debug, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "crate::session::RefreshOutcome")]
pub enum RefreshOutcome {
    /// The current refresh token was exchanged for its successor.
    Rotated,
    /// Another request had exchanged it within the grace: the same successor, again.
    Converged,
    /// The answer to an earlier exchange never arrived: a new successor, and the lost one is void.
    Recovered,
}

/// Whether a session can be used.
#[derive(Enum, Debug, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "crate::entity::session::SessionStatus")]
pub enum SessionStatus {
    /// It can.
    Active,
    /// It ran out.
    Expired,
    /// It was ended.
    Invalidated,
}

/// Why a session was ended.
#[derive(Enum, Debug, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "crate::entity::session::InvalidationReason")]
pub enum InvalidationReason {
    /// By its owner, or by a sign-in with cookies that took its place.
    Logout,
    /// invalidateSessions
    Requested,
    /// With the account's password.
    PasswordChanged,
    /// With the account.
    AccountDeactivated,
    /// A refresh token that had lost its validity for good was presented: a copy is in somebody's hands.
    RefreshTokenReused,
    /// Evicted, the least recently refreshed first, when the account went over its session limit.
    SessionLimit,
}

/// What a session's user agent runs on.
#[derive(Enum, Debug, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "crate::session::DeviceKind")]
pub enum DeviceKind {
    /// A desktop or laptop computer.
    Desktop,
    /// A telephone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A crawler.
    Bot,
}

/// Which sessions to end.
#[derive(Enum, Debug, Copy, Clone, PartialEq, Eq)]
pub enum InvalidateSessionsMode {
    /// The session named by sessionId or token.
    One,
    /// Every session of the account but the caller's. Not for service keys: they have none.
    Others,
    /// Every session of the account, the caller's too.
    All,
}

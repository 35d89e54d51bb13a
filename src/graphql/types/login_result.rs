//! `LoginResult` and `Tokens`.

use std::sync::Arc;

use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;

use super::{Account, RefreshOutcome, Session};
use crate::session::{self, TokenTransport};

/// Whoever receives it holds the session's tokens, so every field of its account and its session is visible in it.
#[derive(SimpleObject)]
pub struct LoginResult {
    account: Account,
    session: Session,
    /// Null with transport COOKIE.
    tokens: Option<Tokens>,
    /// What refreshTokens did; null from every other mutation.
    refresh_outcome: Option<RefreshOutcome>,
}

impl LoginResult {
    /// The answer for a login whose tokens go this way.
    #[must_use]
    pub fn new(login: session::LoginResult, transport: TokenTransport) -> Self {
        let account = Arc::new(login.account);
        Self {
            account: Account::signed_in(Arc::clone(&account)),
            session: Session::granted(login.session, account),
            tokens: (transport == TokenTransport::Body).then(|| Tokens::from(&login.tokens)),
            refresh_outcome: login.outcome.map(Into::into),
        }
    }
}

/// A session's tokens.
#[derive(SimpleObject)]
pub struct Tokens {
    /// Always Bearer.
    token_type: &'static str,
    /// A signed JWT (RFC 9068 shape), verifiable with the keys at /.well-known/jwks.json.
    access_token: String,
    access_token_expires_at: DateTime<Utc>,
    /// Opaque. Single use: each refresh returns its successor.
    refresh_token: String,
    refresh_token_expires_at: DateTime<Utc>,
}

impl From<&session::Tokens> for Tokens {
    fn from(tokens: &session::Tokens) -> Self {
        Self {
            token_type: "Bearer",
            access_token: tokens.access_token.expose_secret().to_owned(),
            access_token_expires_at: tokens.access_token_expires_at,
            refresh_token: tokens.refresh_token.expose_secret().to_owned(),
            refresh_token_expires_at: tokens.refresh_token_expires_at,
        }
    }
}

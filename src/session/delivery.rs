//! How tokens reach the client: in the answer's body, or as cookies that no script can read.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;

use super::{LoginResult, Sessions};
use crate::{
    error::{Error, Result},
    request::{CookieChange, SessionRequest},
};

/// Browsers drop a cookie of more than 4,096 bytes, name and attributes included, without a word.
const MAX_COOKIE_TOKEN_LENGTH: usize = 3_800;

/// How tokens reach the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenTransport {
    /// In the answer.
    #[default]
    Body,
    /// As `HttpOnly` cookies.
    Cookie,
}

impl Sessions {
    /// Has the tokens of a login set as cookies, where that is their transport.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, field `transport`, where the access token is too long for a cookie.
    pub(crate) fn deliver(
        &self,
        request: &SessionRequest,
        result: &LoginResult,
        transport: TokenTransport,
    ) -> Result<()> {
        if transport == TokenTransport::Body {
            return Ok(());
        }
        let tokens = &result.tokens;
        if tokens.access_token.expose_secret().len() > MAX_COOKIE_TOKEN_LENGTH {
            return Err(Error::bad_user_input(
                "transport",
                "the access token, with this account's permissions and claims, is too long for a cookie",
            ));
        }
        let now = self.clock().now();
        request.change_cookies(CookieChange::Set {
            access: tokens.access_token.clone(),
            access_max_age: left(tokens.access_token_expires_at, now),
            refresh: tokens.refresh_token.clone(),
            refresh_max_age: left(tokens.refresh_token_expires_at, now),
        });
        Ok(())
    }
}

impl SessionRequest {
    /// Refuses cookies where a request's cookies would not count.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, field `transport`.
    pub(crate) fn ensure_transport(&self, transport: TokenTransport) -> Result<()> {
        if transport == TokenTransport::Cookie
            && !(self.accepts_cookies && self.has_response_headers)
        {
            return Err(Error::bad_user_input(
                "transport",
                "COOKIE is for requests of the server's own or an allowed origin: a JSON body, and `Origin` or \
                 `Sec-Fetch-Site: same-origin`",
            ));
        }
        Ok(())
    }

    /// How refreshed tokens go back: a token that came in a cookie only goes back into cookies.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, field `transport`.
    pub(crate) fn refresh_transport(
        &self,
        came_in_cookie: bool,
        wanted: Option<TokenTransport>,
    ) -> Result<TokenTransport> {
        let usual = if came_in_cookie {
            TokenTransport::Cookie
        } else {
            TokenTransport::Body
        };
        let transport = wanted.unwrap_or(usual);
        if came_in_cookie && transport == TokenTransport::Body {
            return Err(Error::bad_user_input(
                "transport",
                "a token that came in a cookie only goes back into cookies",
            ));
        }
        self.ensure_transport(transport)?;
        Ok(transport)
    }
}

fn left(until: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (until - now).to_std().unwrap_or_default()
}

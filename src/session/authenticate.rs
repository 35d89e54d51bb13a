//! Who a request is from.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    LoginResult, RefreshTokensInput, RequestDecision, Sessions, TokenTransport,
    tokens::{Presented, Refused},
};
use crate::{
    crypto::access_token::Claims,
    error::{Error, ErrorKind, Result, UnauthenticatedReason},
    request::{Authentication, Operation, SessionClaims, SessionRequest},
};

impl Sessions {
    /// Runs the `onRequest` waterfall and returns the request, now with who it is from. Its built-in first handler
    /// verifies the token and asks no database, unless the token is a service key or the request is renewed on the way.
    ///
    /// # Errors
    ///
    /// What a handler rejects the request with. A token that does not hold is no error here: it is kept in the request
    /// and raised by the fields that need a session.
    #[doc(alias = "handleRequest")]
    pub async fn handle_request(&self, request: SessionRequest) -> Result<SessionRequest> {
        let first = match self.authenticate(&request).await {
            Ok(authentication) => RequestDecision::Continue(SessionRequest {
                authentication,
                ..request
            }),
            Err(error) => RequestDecision::Fail(request, error),
        };
        self.run_on_request(first).await
    }

    /// Renews the tokens that the request carries in cookies, and puts the session into it. `None` when it carries no
    /// refresh token.
    ///
    /// # Errors
    ///
    /// As [`Sessions::refresh_tokens`].
    #[doc(alias = "trySetSession")]
    pub async fn try_set_session(
        &self,
        request: &mut SessionRequest,
    ) -> Result<Option<LoginResult>> {
        if request.cookies.refresh.is_none() {
            return Ok(None);
        }
        let result = self
            .refresh_tokens(request, RefreshTokensInput::default())
            .await?;
        self.deliver(request, &result, TokenTransport::Cookie)?;
        request.authentication =
            Authentication::Session(session_claims(Arc::clone(&result.claims)));
        Ok(Some(result))
    }

    /// When the request's access token expires, clock skew allowed for; `None` where it has none that is genuine.
    pub async fn token_end(&self, request: &SessionRequest) -> Option<DateTime<Utc>> {
        match self.present(request, request.access_token()?).await {
            Ok(Presented::Access(claims)) => Some(self.access_ends_at(&claims)),
            _ => None,
        }
    }

    async fn authenticate(&self, request: &SessionRequest) -> Result<Authentication> {
        let Some(token) = request.access_token() else {
            return if request.cookies.refresh.is_none() {
                Ok(Authentication::Nobody)
            } else if self.renews(request) {
                Box::pin(self.renew(request)).await
            } else {
                Err(Error::unauthenticated(UnauthenticatedReason::TokenExpired))
            };
        };
        match self.present(request, token).await {
            Ok(Presented::Access(claims)) if !self.has_expired(&claims) => {
                Ok(Authentication::Session(session_claims(claims)))
            }
            Ok(Presented::Access(_)) | Err(Refused::UnknownKey) if self.renews(request) => {
                Box::pin(self.renew(request)).await
            }
            Ok(Presented::Access(_)) => {
                Err(Error::unauthenticated(UnauthenticatedReason::TokenExpired))
            }
            Ok(Presented::Refresh(token)) => {
                self.note_shown(token.session_id, token.generation);
                Err(Error::unauthenticated(UnauthenticatedReason::InvalidToken))
            }
            // A service key in a cookie would be sent along by every page of the site.
            Ok(Presented::Service(_)) if request.bearer.is_none() => {
                Err(Error::unauthenticated(UnauthenticatedReason::InvalidToken))
            }
            Ok(Presented::Service(key)) => {
                let found = Box::pin(self.find_service_key(&key)).await?;
                found
                    .map(Authentication::Service)
                    .ok_or_else(|| Refused::NotGenuine.unauthenticated())
            }
            Err(refused) => Err(refused.unauthenticated()),
        }
    }

    /// Whether an expired access cookie is renewed on the way: a mutation repeated after a lost answer must not have
    /// rotated anything by the way, so only queries are.
    fn renews(&self, request: &SessionRequest) -> bool {
        self.0.policy.silent_renewal
            && request.bearer.is_none()
            && request.cookies.refresh.is_some()
            && request.accepts_cookies
            && request.has_response_headers
            && request.operation == Operation::Query
    }

    /// Renews, once for all operations of an HTTP request.
    async fn renew(&self, request: &SessionRequest) -> Result<Authentication> {
        let renewal = request.answer.renewal.get_or_init(|| async {
            let mut renewed = request.clone();
            match self.try_set_session(&mut renewed).await {
                Ok(Some(result)) => Ok(result.claims),
                Ok(None) => Err(Error::unauthenticated(UnauthenticatedReason::MissingToken)),
                Err(error) => Err(not_renewed(error)),
            }
        });
        let claims = renewal.await.clone()?;
        Ok(Authentication::Session(session_claims(claims)))
    }
}

/// Why the fields that need a session have none, where the refresh cookie is not good either.
fn not_renewed(error: Error) -> Error {
    let reason = match error.kind() {
        ErrorKind::TokenVerificationFailed => UnauthenticatedReason::TokenVerificationFailed,
        ErrorKind::InvalidToken | ErrorKind::InvalidTokens => UnauthenticatedReason::InvalidToken,
        ErrorKind::SessionNotFound => UnauthenticatedReason::SessionNotFound,
        ErrorKind::InvalidSession(_) | ErrorKind::RefreshTokenReused => {
            UnauthenticatedReason::InvalidSession
        }
        ErrorKind::UserNotFound => UnauthenticatedReason::UserNotFound,
        ErrorKind::UserDeactivated => UnauthenticatedReason::UserDeactivated,
        _ => return error,
    };
    Error::unauthenticated(reason)
}

fn session_claims(claims: Arc<Claims>) -> SessionClaims {
    SessionClaims {
        session_id: claims.sid,
        account_id: claims.sub,
        generation: claims.generation().unwrap_or_default(),
        claims,
    }
}

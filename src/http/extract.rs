//! Extractors for axum: who a request is from, for routes beside the GraphQL endpoint.

use std::{borrow::Cow, convert::Infallible, net::SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRef, FromRequestParts, OptionalFromRequestParts},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::HttpSessions;
use crate::{
    error::{Action, Error, ErrorKind, Result, UnauthenticatedReason},
    request::{Operation, SessionRequest},
    session::CurrentSession,
};

/// What a request brings that concerns sessions: to be put into the data of a GraphQL request, whose
/// [`SessionExtension`](crate::graphql::SessionExtension) then finds out who it is from.
///
/// The peer's address is there where the router was made into a service with it
/// (`into_make_service_with_connect_info::<SocketAddr>()`). What a middleware has put into the extensions of the HTTP
/// request, a tenant for instance, is in [`SessionRequest::extensions`].
impl<S> FromRequestParts<S> for SessionRequest
where
    HttpSessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(parts, state).await;
        let peer = peer.ok().map(|ConnectInfo(peer)| peer.ip());
        let http = HttpSessions::from_ref(state);
        let mut request = http.request(peer, &parts.method, &parts.headers);
        request.extensions = parts.extensions.clone();
        Ok(request)
    }
}

/// The session of the request, read from the database: it stands at this moment. Tokens count as at the GraphQL
/// endpoint: a bearer token on any request, a cookie only on those that a foreign page cannot make silently, which are
/// POSTs of JSON from a trusted origin. Nothing is renewed on the way: an expired cookie is `TOKEN_EXPIRED`, and the
/// client refreshes.
///
/// `Option<CurrentSession>` is `None` where the request carries no token, or a service key; a token that does not hold is
/// refused all the same.
impl<S> FromRequestParts<S> for CurrentSession
where
    HttpSessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        let http = HttpSessions::from_ref(state);
        let request = authenticated(&http, parts, state).await?;
        Ok(http.sessions().require_session(&request).await?)
    }
}

impl<S> OptionalFromRequestParts<S> for CurrentSession
where
    HttpSessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = SessionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> Result<Option<Self>, SessionRejection> {
        let http = HttpSessions::from_ref(state);
        let request = authenticated(&http, parts, state).await?;
        Ok(http.sessions().current_session(&request).await?)
    }
}

/// The request, after the `onRequest` waterfall.
async fn authenticated<S>(
    http: &HttpSessions,
    parts: &mut Parts,
    state: &S,
) -> Result<SessionRequest>
where
    HttpSessions: FromRef<S>,
    S: Send + Sync,
{
    let Ok(mut request) =
        <SessionRequest as FromRequestParts<S>>::from_request_parts(parts, state).await;
    // Whoever writes the response knows nothing of new cookies.
    request.has_response_headers = false;
    request.accepts_cookies = false;
    request.operation = match parts.method {
        Method::GET | Method::HEAD | Method::OPTIONS => Operation::Query,
        _ => Operation::Mutation,
    };
    http.sessions().handle_request(request).await
}

/// An error as an HTTP answer: 401 with a challenge (RFC 6750 section 3), 403, and so on. Its JSON has the `code`, and
/// where there are such the `reason` and the `action`, that GraphQL clients get; of causes the log alone knows.
///
/// Any error of this crate becomes one by `?`:
///
/// ```
/// use std::time::Duration;
///
/// use axum::extract::State;
/// use sessiongraph::{
///     http::{HttpSessions, SessionRejection},
///     session::CurrentSession,
/// };
///
/// async fn delete_everything(
///     State(http): State<HttpSessions>,
///     current: CurrentSession,
/// ) -> Result<&'static str, SessionRejection> {
///     http.sessions().require_fresh(&current, Duration::from_mins(5))?;
///     Ok("done")
/// }
/// # let _ = axum::Router::new().route("/", axum::routing::get(delete_everything));
/// ```
#[derive(Debug, Clone)]
pub struct SessionRejection(Error);

impl SessionRejection {
    /// The error.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.0
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.0.kind() {
            ErrorKind::Unauthenticated(_) | ErrorKind::SignInTooOld { .. } => {
                StatusCode::UNAUTHORIZED
            }
            ErrorKind::BadUserInput { .. }
            | ErrorKind::InvalidLocationInfoIp
            | ErrorKind::InvalidLocationInfoUserAgent => StatusCode::BAD_REQUEST,
            ErrorKind::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::ServiceUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::FORBIDDEN,
        }
    }

    /// The challenge. A request without a token is told no error (RFC 6750 section 3.1); for a sign-in that is too old
    /// there is RFC 9470 section 3.
    fn challenge(&self) -> Option<Cow<'static, str>> {
        match self.0.kind() {
            ErrorKind::Unauthenticated(UnauthenticatedReason::MissingToken) => {
                Some("Bearer".into())
            }
            ErrorKind::Unauthenticated(_) => Some("Bearer error=\"invalid_token\"".into()),
            ErrorKind::Forbidden => Some("Bearer error=\"insufficient_scope\"".into()),
            ErrorKind::SignInTooOld { max_age } => Some(
                format!("Bearer error=\"insufficient_user_authentication\", max_age=\"{max_age}\"")
                    .into(),
            ),
            _ => None,
        }
    }
}

impl From<Error> for SessionRejection {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        let error = &self.0;
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(error = ?error, "a request could not be authenticated");
        }
        let mut body = json!({ "code": error.code(), "message": error.to_string() });
        if let Some(reason) = error.reason() {
            body["reason"] = reason.into();
        }
        if let Some(action) = error.action() {
            body["action"] = Action::as_str(action).into();
        }
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = (status, headers, body.to_string()).into_response();
        let challenge = self.challenge();
        if let Some(Ok(challenge)) = challenge.map(|text| HeaderValue::try_from(text.as_ref())) {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = error.retry_after() {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

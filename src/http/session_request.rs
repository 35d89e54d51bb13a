//! From an HTTP request to a [`SessionRequest`], and from what became of it to cookies.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};

use super::{App, graphql_over_http::is_json};
use crate::request::{CookieChange, SessionRequest};

impl SessionRequest {
    /// What an HTTP request brings, cookies apart: the bearer token, the `User-Agent`, and the address that the caller
    /// knows it comes from.
    #[must_use]
    pub fn from_headers(ip: IpAddr, headers: &HeaderMap) -> Self {
        let mut request = Self::new();
        request.bearer = bearer(headers);
        request.ip = Some(ip);
        request.user_agent = headers
            .get(header::USER_AGENT)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        request
    }
}

/// Reads what concerns sessions, cookies included where they count.
pub(super) fn session_request(
    app: &App,
    peer: IpAddr,
    method: &Method,
    headers: &HeaderMap,
) -> SessionRequest {
    let mut request = SessionRequest::from_headers(app.proxies.client_ip(peer, headers), headers);
    request.has_response_headers = true;
    request.accepts_cookies = app.cookies.count(method, headers, is_json(headers));
    if request.accepts_cookies {
        request.cookies = app.cookies.read(headers);
    }
    request
}

/// The token of the Authorization header (RFC 6750 section 2.1). An empty header, or `Bearer` with nothing behind it, is
/// no token: clients send that. Any other text is one that does not hold.
fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?;
    bearer_of(&String::from_utf8_lossy(value.as_bytes()))
}

/// The token in the text of an Authorization header, or of what stands for one.
pub(super) fn bearer_of(text: &str) -> Option<SecretString> {
    let text = text.trim();
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        None if text.eq_ignore_ascii_case("bearer") => "",
        _ => text,
    };
    (!token.is_empty()).then(|| SecretString::from(token))
}

/// What the upgrade to a WebSocket brings. It has no body, so its cookies count by `Origin` alone; what is sent back
/// carries none.
pub(super) fn socket_request(app: &App, peer: IpAddr, headers: &HeaderMap) -> SessionRequest {
    let mut request = SessionRequest::from_headers(app.proxies.client_ip(peer, headers), headers);
    if app.cookies.counts_by_origin(headers) {
        request.cookies = app.cookies.read(headers);
    }
    request
}

/// The `Set-Cookie` headers of an answer.
pub(super) fn set_cookies(app: &App, request: &SessionRequest) -> Vec<HeaderValue> {
    match request.take_cookie_change() {
        None => Vec::new(),
        Some(CookieChange::Clear) => app.cookies.clear().into(),
        Some(CookieChange::Set {
            access,
            access_max_age,
            refresh,
            refresh_max_age,
        }) => {
            let access = (access.expose_secret(), access_max_age);
            app.cookies
                .set(access, (refresh.expose_secret(), refresh_max_age))
                .into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorization_header_is_read_as_clients_send_it() {
        let token = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(|token| token.expose_secret().to_owned())
        };
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("bearer  abc ").as_deref(), Some("abc"));
        for none in ["", " ", "Bearer", "Bearer ", "bearer  "] {
            assert_eq!(token(none), None, "{none:?}");
        }
        assert!(token("Basic dXNlcjpwYXNz").is_some());
        assert_eq!(bearer(&HeaderMap::new()).map(|_| ()), None);
    }
}

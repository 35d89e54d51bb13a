//! From an HTTP request to a [`SessionRequest`], and from what became of it to cookies.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use axum::http::{HeaderMap, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};

use super::{CookiePolicy, TrustedProxies, json_body::is_json};
use crate::{
    request::{CookieChange, SessionRequest},
    session::Sessions,
};

/// The token of the Authorization header (RFC 6750 section 2.1). An empty header, or `Bearer` with nothing behind it, is
/// no token: clients send that. Any other text is one that does not hold.
fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?;
    bearer_of(&text(value))
}

/// A header's text; what is not UTF-8 is replaced. All but a few are, which is seen in a fraction of the time.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
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

/// The engine, and how a server reads what concerns it from HTTP requests: which cookies count, and which proxies are
/// believed. An axum server of your own has it in its router's state, where the extractors find it:
///
/// ```
/// use axum::{Router, extract::FromRef, routing::get};
/// use sessiongraph::{http::HttpSessions, session::CurrentSession};
///
/// #[derive(Clone, FromRef)]
/// struct AppState {
///     sessions: HttpSessions,
///     greeting: &'static str,
/// }
///
/// async fn me(current: CurrentSession) -> String {
///     current.account.id.to_string()
/// }
///
/// # fn routes(sessions: sessiongraph::session::Sessions) -> Router {
/// let state = AppState { sessions: HttpSessions::new(sessions), greeting: "Hello!" };
/// Router::new().route("/me", get(me)).with_state(state)
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct HttpSessions {
    sessions: Sessions,
    cookies: Option<CookiePolicy>,
    proxies: Arc<TrustedProxies>,
}

impl HttpSessions {
    /// Without cookies, and without trusted proxies: the client's address is the connection's.
    #[must_use]
    pub fn new(sessions: Sessions) -> Self {
        Self {
            sessions,
            cookies: None,
            proxies: Arc::default(),
        }
    }

    /// With cookies that carry tokens, where they count by this policy.
    #[must_use]
    pub fn with_cookies(mut self, cookies: CookiePolicy) -> Self {
        self.cookies = Some(cookies);
        self
    }

    /// Behind proxies.
    #[must_use]
    pub fn with_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = Arc::new(proxies);
        self
    }

    /// The engine.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Reads what concerns sessions, cookies included where they count. Who the request is from is not known yet:
    /// `Sessions::handle_request` finds out, which in a GraphQL server the `SessionExtension` calls. `peer` is the
    /// connection's other end.
    #[must_use]
    pub fn request(
        &self,
        peer: Option<IpAddr>,
        method: &Method,
        headers: &HeaderMap,
    ) -> SessionRequest {
        let mut request = self.without_cookies(peer, headers);
        request.has_response_headers = true;
        if let Some(cookies) = &self.cookies {
            request.accepts_cookies = cookies.count(method, headers, is_json(headers));
            if request.accepts_cookies {
                request.cookies = cookies.read(headers);
            }
        }
        request
    }

    /// What the upgrade to a WebSocket brings. It has no body, so its cookies count by `Origin` alone; what is sent back
    /// carries none.
    #[must_use]
    pub fn socket_request(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> SessionRequest {
        let mut request = self.without_cookies(peer, headers);
        if let Some(cookies) = &self.cookies
            && cookies.counts_by_origin(headers)
        {
            request.cookies = cookies.read(headers);
        }
        request
    }

    fn without_cookies(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> SessionRequest {
        let mut request = SessionRequest::new();
        request.bearer = bearer(headers);
        request.ip = peer.map(|peer| self.proxies.client_ip(peer, headers));
        request.user_agent = headers
            .get(header::USER_AGENT)
            .map(|value| text(value).into_owned());
        request
    }

    /// The `Set-Cookie` headers of the answer to a request; taken once.
    #[must_use]
    pub fn set_cookies(&self, request: &SessionRequest) -> Vec<HeaderValue> {
        match (&self.cookies, request.take_cookie_change()) {
            (None, _) | (_, None) => Vec::new(),
            (Some(cookies), Some(CookieChange::Clear)) => cookies.clear().into(),
            (
                Some(cookies),
                Some(CookieChange::Set {
                    access,
                    access_max_age,
                    refresh,
                    refresh_max_age,
                }),
            ) => {
                let access = (access.expose_secret(), access_max_age);
                let refresh = (refresh.expose_secret(), refresh_max_age);
                cookies.set(access, refresh).into()
            }
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

//! The cookies that carry tokens: when they count, how they are read, set and cleared.
//!
//! Owns names, attributes and the rule against forged requests. It does not know what is in the
//! tokens. A browser sends cookies with requests that any page makes, so a cookie counts only on a
//! request that a foreign page cannot make silently.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use cookie::{Cookie, SameSite};
use secrecy::SecretString;
use url::Url;

use crate::request::RequestCookies;

const ACCESS: &str = "__Host-sessiongraph_access";
const REFRESH: &str = "__Host-sessiongraph_refresh";
/// Browsers take the `__Host-` prefix from secure cookies only (RFC 6265bis, section 4.1.3.2).
const INSECURE_ACCESS: &str = "sessiongraph_access";
const INSECURE_REFRESH: &str = "sessiongraph_refresh";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How this server treats its cookies.
#[derive(Clone, Debug)]
pub struct CookiePolicy {
    secure: bool,
    own_origin: String,
    allowed_origins: Vec<String>,
}

impl CookiePolicy {
    /// The policy of a server at `own_origin` that trusts pages of `allowed_origins` too.
    ///
    /// Origins are brought into the form in which browsers send them, so that
    /// `HTTPS://Example.com:443/` is `https://example.com`; one that has no such form (`null`, `*`)
    /// never matches. With `secure` false the cookies lose `Secure` and the `__Host-` prefix, for
    /// plain HTTP.
    #[must_use]
    pub fn new(secure: bool, own_origin: &str, allowed_origins: &[String]) -> Self {
        Self {
            secure,
            own_origin: serialized_origin(own_origin).unwrap_or_default(),
            allowed_origins: allowed_origins
                .iter()
                .filter_map(|origin| serialized_origin(origin))
                .collect(),
        }
    }

    /// Whether cookies count on this request: a POST with a JSON body from a page that is trusted.
    ///
    /// Trusted is an `Origin` that is the server's own or on the allow list, or, where there is no
    /// `Origin`, `Sec-Fetch-Site: same-origin`. With neither header cookies do not count, so a
    /// gateway that passes cookies on has to pass `Origin` on.
    ///
    /// # Why
    ///
    /// A page of another origin can send a JSON body only after a preflight request, which it is
    /// refused; the two headers are written by the browser, and no script can change them.
    #[must_use]
    pub fn count(&self, method: &Method, headers: &HeaderMap, is_json_body: bool) -> bool {
        if method != Method::POST || !is_json_body {
            return false;
        }
        if headers.contains_key(header::ORIGIN) {
            return self.counts_by_origin(headers);
        }
        single(headers, &SEC_FETCH_SITE).is_some_and(|site| site == "same-origin")
    }

    /// Whether cookies count by `Origin` alone: for the WebSocket upgrade, which has no body and
    /// always has an `Origin` when it comes from a browser.
    ///
    /// Several `Origin` headers and `null` are no origin.
    #[must_use]
    pub fn counts_by_origin(&self, headers: &HeaderMap) -> bool {
        single(headers, &header::ORIGIN).is_some_and(|origin| {
            // An own origin without a serialised form is empty here.
            !origin.is_empty()
                && (origin == self.own_origin.as_str()
                    || self.allowed_origins.iter().any(|o| origin == o.as_str()))
        })
    }

    /// Reads the tokens out of the cookies, whether they count or not.
    ///
    /// A cookie that comes twice is as good as none: a sibling domain can add one of its own, and
    /// nothing tells which of them is ours. So is an empty one, and one that is not ASCII.
    #[must_use]
    pub fn read(&self, headers: &HeaderMap) -> RequestCookies {
        let cookies: Vec<_> = headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|line| Cookie::split_parse(ascii_or_replaced(line)))
            .filter_map(Result::ok)
            .collect();
        let is_there = |name: &str| cookies.iter().any(|c| c.name() == name);
        let (access, refresh) = self.names();
        RequestCookies {
            access: token(&cookies, access),
            refresh: token(&cookies, refresh),
            present: is_there(access) || is_there(refresh),
        }
    }

    /// The `Set-Cookie` values for an access and a refresh token, each with what is left of its
    /// life (rounded up to whole seconds).
    ///
    /// A text that cannot stand in a cookie is not set; tokens never are such texts.
    #[must_use]
    pub fn set(&self, access: (&str, Duration), refresh: (&str, Duration)) -> [HeaderValue; 2] {
        let (access_name, refresh_name) = self.names();
        [
            self.header(access_name, access.0, access.1),
            self.header(refresh_name, refresh.0, refresh.1),
        ]
    }

    /// The `Set-Cookie` values that remove both cookies.
    #[must_use]
    pub fn clear(&self) -> [HeaderValue; 2] {
        self.set(("", Duration::ZERO), ("", Duration::ZERO))
    }

    /// The names of the access and of the refresh cookie.
    const fn names(&self) -> (&'static str, &'static str) {
        if self.secure {
            (ACCESS, REFRESH)
        } else {
            (INSECURE_ACCESS, INSECURE_REFRESH)
        }
    }

    /// One `Set-Cookie` value.
    ///
    /// It has no `Expires`: some gateways join cookies by commas, and its date has one. For the
    /// same reason the crate's own removal cookies are not used.
    fn header(&self, name: &str, value: &str, life: Duration) -> HeaderValue {
        let value = if is_cookie_value(value) { value } else { "" };
        let life = if value.is_empty() {
            Duration::ZERO
        } else {
            life
        };
        let cookie = Cookie::build((name, value))
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .path("/")
            .max_age(cookie::time::Duration::seconds(whole_seconds(life)));
        let mut header = HeaderValue::try_from(cookie.to_string())
            // Out of reach behind the check above; browsers ignore an empty one.
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }
}

/// The form in which browsers send an origin (RFC 6454, section 6.2).
fn serialized_origin(origin: &str) -> Option<String> {
    let origin = Url::parse(origin).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

/// The value of a header that came exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// The text of a header line, each byte outside ASCII as U+FFFD.
///
/// # Why
///
/// A cookie of somebody else must not make ours unreadable. And the parser trims Unicode space
/// around names, which browsers do not: a cookie named `U+2003 __Host-…`, which a sibling domain
/// may set, would be read as ours.
fn ascii_or_replaced(line: &HeaderValue) -> String {
    let bytes = line.as_bytes().iter();
    bytes
        .map(|&b| {
            if b.is_ascii() {
                char::from(b)
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect()
}

/// The token in the one cookie of this name.
fn token(cookies: &[Cookie<'_>], name: &str) -> Option<SecretString> {
    let mut named = cookies.iter().filter(|c| c.name() == name);
    let value = named.next()?.value();
    let usable = named.next().is_none() && !value.is_empty() && value.is_ascii();
    usable.then(|| SecretString::from(value))
}

/// Whether every byte is a cookie-octet (RFC 6265, section 4.1.1).
fn is_cookie_value(value: &str) -> bool {
    value
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\'))
}

/// Seconds, rounded up, so that no cookie is gone before its token is.
fn whole_seconds(duration: Duration) -> i64 {
    let seconds = duration.as_secs();
    let begun = u64::from(duration.subsec_nanos() > 0);
    i64::try_from(seconds.saturating_add(begun)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

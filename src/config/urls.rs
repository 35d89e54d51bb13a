//! The kinds of value that are URLs, or parts of one.

use std::net::SocketAddr;

use figment::value::Value;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url, form_urlencoded};

use super::describe::{MASK, quote};
use super::kind::{Kind, text};
use super::types::Origin;

/// The address under which clients reach the server.
pub(super) struct PublicUrl;

impl Kind for PublicUrl {
    type Value = Url;

    fn allowed() -> String {
        "an http or https URL without user, query and fragment, such as `https://auth.example.com`"
            .into()
    }

    fn parse(value: &Value) -> Option<Url> {
        let url = web_url(text(value)?)?;
        let bare = url.query().is_none() && url.fragment().is_none();
        bare.then_some(url)
    }

    fn show(value: &Url) -> Option<String> {
        Some(quote(issuer(value)))
    }
}

/// An http or https URL that is written out, and has no user.
fn web_url(text: &str) -> Option<Url> {
    // The parser forgives a good deal (missing slashes, line ends, back slashes) that here is a slip.
    let (scheme, rest) = text.split_once("://")?;
    let known = ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '@' | '*');
    if !known || rest.is_empty() || rest.starts_with('/') || rest.contains(odd) {
        return None;
    }
    Url::parse(text).ok()
}

/// The URL's text, without the slash that a URL of an origin alone is always written with.
pub(super) fn issuer(url: &Url) -> &str {
    let text = url.as_str();
    if url.path() == "/" {
        text.strip_suffix('/').unwrap_or(text)
    } else {
        text
    }
}

/// The public URL of a server that listens there, or `None` for an address that no URL can have.
pub(super) fn url_of(listen: SocketAddr) -> Option<Url> {
    let host = match listen.ip().to_canonical() {
        ip if ip.is_unspecified() => Host::Domain("localhost".to_owned()),
        std::net::IpAddr::V4(ip) => Host::Ipv4(ip),
        std::net::IpAddr::V6(ip) => Host::Ipv6(ip),
    };
    Url::parse(&format!("http://{host}:{}", listen.port())).ok()
}

/// A whole web origin.
pub(super) struct WebOrigin;

impl Kind for WebOrigin {
    type Value = Origin;

    fn allowed() -> String {
        "a whole http or https origin such as `https://app.example.com`: no path, no `*`, no `null`"
            .into()
    }

    fn parse(value: &Value) -> Option<Origin> {
        let text = text(value)?;
        let (_, rest) = text.split_once("://")?;
        if rest.contains(['/', '?', '#']) {
            return None;
        }
        web_url(text).map(|url| Origin(url.origin().ascii_serialization()))
    }

    fn show(value: &Origin) -> Option<String> {
        Some(quote(value.as_str()))
    }
}

/// Where the database is. Kept as a secret because a password may be in it.
pub(super) struct DatabaseUrl;

impl Kind for DatabaseUrl {
    type Value = SecretString;
    const SECRET: bool = true;

    fn allowed() -> String {
        "`sqlite://FILE`, or `postgres://USER:PASSWORD@HOST/DATABASE` with `/`, `?`, `#` and `@` in \
         the password percent-encoded"
            .into()
    }

    fn parse(value: &Value) -> Option<SecretString> {
        let text = text(value)?;
        // The database library panics on what is no URL at all.
        let url = Url::parse(text).ok()?;
        let usable = match url.scheme() {
            "sqlite" => text.len() > "sqlite:".len(),
            // An `@` behind the host is the end of a password that was cut in two by one of `/?#`: such
            // a URL names another host than was meant, and its password could not be masked.
            "postgres" | "postgresql" => {
                let behind_host = &url[url::Position::BeforePath..];
                text.contains("://") && !behind_host.contains('@') && url.fragment().is_none()
            }
            _ => false,
        };
        usable.then(|| SecretString::from(text))
    }

    fn show(value: &SecretString) -> Option<String> {
        Some(quote(&masked(value)))
    }
}

/// Whether the database is PostgreSQL.
pub(super) fn is_postgres(database_url: &SecretString) -> bool {
    database_url
        .expose_secret()
        .to_ascii_lowercase()
        .starts_with("postgres")
}

/// A database URL whose password, wherever it stands, is masked.
fn masked(database_url: &SecretString) -> String {
    let text = database_url.expose_secret();
    let Ok(mut url) = Url::parse(text) else {
        return MASK.into();
    };
    let query = url.query().map(mask_query);
    let in_query = query.as_deref() != url.query();
    if url.password().is_none() && !in_query {
        return text.to_owned();
    }
    if in_query {
        url.set_query(query.as_deref());
    }
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.into();
    }
    url.into()
}

/// The query with the value of each parameter masked that has to do with passwords.
fn mask_query(query: &str) -> String {
    let parts = query.split('&').map(|part| {
        let name = form_urlencoded::parse(part.as_bytes())
            .next()
            .map(|(name, _)| name.to_lowercase());
        match (name, part.split_once('=')) {
            (Some(name), Some((written, _))) if name.contains("password") => {
                format!("{written}={MASK}")
            }
            _ => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join("&")
}

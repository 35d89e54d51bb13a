//! The kinds of value that are words, names, addresses and secrets.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use figment::value::Value;
use ipnet::IpNet;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use super::describe::{MASK, quote};
use super::kind::{Kind, text};
use super::types::Choice;

/// The shortest secret, in bytes.
const SECRET_MIN_BYTES: usize = 32;

/// `true` or `false`.
pub(super) struct Switch;

impl Kind for Switch {
    type Value = bool;

    fn allowed() -> String {
        "`true` or `false`".into()
    }

    fn parse(value: &Value) -> Option<bool> {
        match value {
            Value::Bool(_, on) => Some(*on),
            _ => text(value)?.parse().ok(),
        }
    }

    fn show(value: &bool) -> Option<String> {
        Some(value.to_string())
    }
}

/// One of an enum's texts, in whatever case.
pub(super) struct OneOf<T>(PhantomData<T>);

impl<T: Choice> Kind for OneOf<T> {
    type Value = T;

    fn allowed() -> String {
        let texts: Vec<_> = T::ALL.iter().map(|(text, _)| format!("`{text}`")).collect();
        match texts.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }

    fn parse(value: &Value) -> Option<T> {
        let written = text(value)?;
        T::ALL
            .iter()
            .find(|(text, _)| text.eq_ignore_ascii_case(written))
            .map(|(_, choice)| *choice)
    }

    fn show(value: &T) -> Option<String> {
        Some(quote(value.as_str()))
    }
}

/// An address and a port to listen on.
pub(super) struct Address;

impl Kind for Address {
    type Value = SocketAddr;

    fn allowed() -> String {
        "an IP address and a port such as `127.0.0.1:4000` or `[::]:4000`".into()
    }

    fn parse(value: &Value) -> Option<SocketAddr> {
        text(value)?.parse().ok()
    }

    fn show(value: &SocketAddr) -> Option<String> {
        Some(quote(&value.to_string()))
    }
}

/// A network in CIDR notation; a bare address is the network of it alone.
pub(super) struct Network;

impl Kind for Network {
    type Value = IpNet;

    fn allowed() -> String {
        "a network such as `10.0.0.0/8` or `fd00::/8`, or an IP address".into()
    }

    fn parse(value: &Value) -> Option<IpNet> {
        let text = text(value)?;
        let network = text
            .parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .ok()?;
        Some(canonical(network).trunc())
    }

    fn show(value: &IpNet) -> Option<String> {
        Some(quote(&value.to_string()))
    }
}

/// IPv4-mapped addresses are compared as IPv4, so their networks are IPv4 as well.
fn canonical(network: IpNet) -> IpNet {
    match (
        network.addr().to_canonical(),
        network.prefix_len().checked_sub(96),
    ) {
        (v4 @ IpAddr::V4(_), Some(prefix)) if network.addr().is_ipv6() => {
            IpNet::new(v4, prefix).unwrap_or(network)
        }
        _ => network,
    }
}

/// A secret. White space around it is not part of it, whether it comes from a file, the environment
/// or a list: so it stays the same secret when it moves from one to another.
pub(super) struct Secret;

impl Kind for Secret {
    type Value = SecretString;
    const SECRET: bool = true;

    fn allowed() -> String {
        format!("text of at least {SECRET_MIN_BYTES} bytes")
    }

    fn parse(value: &Value) -> Option<SecretString> {
        Self::from_text(text(value)?)
    }

    fn show(_: &SecretString) -> Option<String> {
        Some(quote(MASK))
    }
}

impl Secret {
    /// The secret in a text, or `None` where it is too short.
    pub(super) fn from_text(text: &str) -> Option<SecretString> {
        let secret = text.trim();
        (secret.len() >= SECRET_MIN_BYTES).then(|| SecretString::from(secret))
    }
}

/// The name of a file.
pub(super) struct File;

impl Kind for File {
    type Value = PathBuf;

    fn allowed() -> String {
        "the name of a file".into()
    }

    fn parse(value: &Value) -> Option<PathBuf> {
        value
            .as_str()
            .filter(|path| !path.trim().is_empty())
            .map(PathBuf::from)
    }

    fn show(value: &PathBuf) -> Option<String> {
        Some(quote(&value.display().to_string()))
    }
}

/// The audience of access tokens. It is their `client_id` as well, which RFC 6749 keeps to printable
/// ASCII.
pub(super) struct Audience;

impl Kind for Audience {
    type Value = String;

    fn allowed() -> String {
        "printable ASCII text, not empty".into()
    }

    fn parse(value: &Value) -> Option<String> {
        let printable = |c: char| matches!(c, ' '..='~');
        text(value)
            .filter(|text| !text.is_empty() && text.chars().all(printable))
            .map(str::to_owned)
    }

    fn show(value: &String) -> Option<String> {
        Some(quote(value))
    }
}

/// Directives that say what is logged.
pub(super) struct LogFilter;

impl Kind for LogFilter {
    type Value = String;

    fn allowed() -> String {
        "`off`, `error`, `warn`, `info`, `debug` or `trace`, or directives such as \
         `info,sessiongraph=debug`"
            .into()
    }

    fn parse(value: &Value) -> Option<String> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        // To the filter a word alone is a module, so a mistyped level would silence everything else.
        let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        let is_word = |part: &str| {
            part.chars()
                .all(|c| c.is_alphanumeric() || "_-:".contains(c))
        };
        let parts = text(value)?
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let parts: Vec<_> = parts.collect();
        if parts.is_empty() || parts.iter().any(|part| is_word(part) && !is_level(part)) {
            return None;
        }
        // The filter takes no space around a comma.
        let directives = parts.join(",");
        EnvFilter::try_new(&directives).ok().map(|_| directives)
    }

    fn show(value: &String) -> Option<String> {
        Some(quote(value))
    }
}

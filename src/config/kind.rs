//! How each kind of value is read from a layer and shown again.
//!
//! To add a kind: a unit struct, its [`Kind`], and a key in `keys.rs` that uses it. [`Kind::parse`]
//! says yes or no and [`Kind::allowed`] says what would have been right: so the value that was wrong
//! cannot get into an error message.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use figment::value::Value;
use ipnet::IpNet;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use super::describe::{MASK, quote};
use super::types::{Choice, Rate};

/// The shortest secret, in bytes.
const SECRET_MIN_BYTES: usize = 32;
/// A century: time arithmetic cannot overflow below it.
const MAX_SPAN: Duration = Duration::from_secs(36_500 * 86_400);
/// 1 GiB: a body is held in memory.
const MAX_BYTES: u64 = 1 << 30;

/// One way to write a value.
pub(super) trait Kind {
    /// What it is in the program.
    type Value;

    /// Whether the value, or a part of it, must not be shown.
    const SECRET: bool = false;

    /// What is allowed, to follow "must be".
    fn allowed() -> String;

    /// The value, or `None` where it is not allowed.
    fn parse(value: &Value) -> Option<Self::Value>;

    /// The value as TOML, secrets masked; `None` where there is none.
    fn show(value: &Self::Value) -> Option<String>;

    /// The value of a key that no layer has, where that can be.
    fn absent() -> Option<Self::Value> {
        None
    }
}

/// Text without the white space around it.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim)
}

/// A key that may be absent.
pub(super) struct Maybe<K>(PhantomData<K>);

impl<K: Kind> Kind for Maybe<K> {
    type Value = Option<K::Value>;
    const SECRET: bool = K::SECRET;

    fn allowed() -> String {
        K::allowed()
    }

    fn parse(value: &Value) -> Option<Self::Value> {
        K::parse(value).map(Some)
    }

    fn show(value: &Self::Value) -> Option<String> {
        value.as_ref().and_then(K::show)
    }

    fn absent() -> Option<Self::Value> {
        Some(None)
    }
}

/// A key that can be switched off.
pub(super) struct OrOff<K>(PhantomData<K>);

impl<K: Kind> Kind for OrOff<K> {
    type Value = Option<K::Value>;
    const SECRET: bool = K::SECRET;

    fn allowed() -> String {
        format!("{}; or `off`", K::allowed())
    }

    fn parse(value: &Value) -> Option<Self::Value> {
        if text(value) == Some("off") {
            return Some(None);
        }
        K::parse(value).map(Some)
    }

    fn show(value: &Self::Value) -> Option<String> {
        value.as_ref().map_or_else(|| Some(quote("off")), K::show)
    }
}

/// A TOML array, or text with commas. Empty elements are dropped.
pub(super) struct List<K>(PhantomData<K>);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;
    const SECRET: bool = K::SECRET;

    fn allowed() -> String {
        format!("a list, each element of it {}", K::allowed())
    }

    fn parse(value: &Value) -> Option<Self::Value> {
        let elements = match value {
            Value::Array(_, elements) => elements.clone(),
            Value::String(_, elements) => elements.split(',').map(Value::from).collect(),
            _ => return None,
        };
        elements
            .iter()
            .filter(|element| text(element) != Some(""))
            .map(K::parse)
            .collect()
    }

    fn show(value: &Self::Value) -> Option<String> {
        let elements: Vec<_> = value.iter().filter_map(K::show).collect();
        Some(format!("[{}]", elements.join(", ")))
    }
}

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

/// A whole number between bounds, both included.
pub(super) struct Whole<T, const MIN: u32, const MAX: u32>(PhantomData<T>);

impl<T, const MIN: u32, const MAX: u32> Kind for Whole<T, MIN, MAX>
where
    T: TryFrom<u32> + ToString,
{
    type Value = T;

    fn allowed() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    fn parse(value: &Value) -> Option<T> {
        let number = integer(value).or_else(|| text(value)?.parse().ok())?;
        let number = u32::try_from(number).ok()?;
        (MIN..=MAX)
            .contains(&number)
            .then(|| T::try_from(number).ok())?
    }

    fn show(value: &T) -> Option<String> {
        Some(value.to_string())
    }
}

/// A native integer; figment keeps signed and unsigned ones apart.
fn integer(value: &Value) -> Option<u64> {
    value
        .to_u128()
        .and_then(|number| number.try_into().ok())
        .or_else(|| value.to_i128()?.try_into().ok())
}

/// A number of bytes, `65536` or `256KiB`.
pub(super) struct Bytes;

impl Kind for Bytes {
    type Value = usize;

    fn allowed() -> String {
        "a number of bytes such as `65536` or `256KiB`, from 1 to 1GiB".into()
    }

    fn parse(value: &Value) -> Option<usize> {
        let bytes =
            integer(value).or_else(|| Some(text(value)?.parse::<ByteSize>().ok()?.as_u64()))?;
        (1..=MAX_BYTES)
            .contains(&bytes)
            .then(|| usize::try_from(bytes).ok())?
    }

    fn show(value: &usize) -> Option<String> {
        Some(value.to_string())
    }
}

/// A duration of at least so many milliseconds.
pub(super) struct Span<const MIN_MILLIS: u64>;

impl<const MIN_MILLIS: u64> Kind for Span<MIN_MILLIS> {
    type Value = Duration;

    fn allowed() -> String {
        let example = "a duration such as `10s`, `10m` or `7d`";
        let most = span_text(MAX_SPAN);
        match MIN_MILLIS {
            0 => format!("{example}, at most {most}"),
            least => {
                format!(
                    "{example}, from {} to {most}",
                    span_text(Duration::from_millis(least))
                )
            }
        }
    }

    fn parse(value: &Value) -> Option<Duration> {
        let span = humantime::parse_duration(text(value)?).ok()?;
        (Duration::from_millis(MIN_MILLIS)..=MAX_SPAN)
            .contains(&span)
            .then_some(span)
    }

    fn show(value: &Duration) -> Option<String> {
        Some(quote(&span_text(*value)))
    }
}

/// A duration in its largest whole unit. (humantime's own text has months and years, which are not
/// whole days: 90 days would be `2months 29days 2h 52m 48s`.)
pub(super) fn span_text(span: Duration) -> String {
    const UNITS: [(u128, &str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ];
    let millis = span.as_millis();
    if span.subsec_nanos() % 1_000_000 != 0 {
        return format!("{}ns", span.as_nanos());
    }
    if millis == 0 {
        return "0s".into();
    }
    UNITS
        .iter()
        .find(|(unit, _)| millis.is_multiple_of(*unit))
        .map_or_else(
            || format!("{millis}ms"),
            |(unit, name)| format!("{}{name}", millis / unit),
        )
}

/// A [`Rate`], `10/15m`.
pub(super) struct Frequency;

impl Kind for Frequency {
    type Value = Rate;

    fn allowed() -> String {
        "a rate such as `10/15m`, at least 1 in at least 1ms".into()
    }

    fn parse(value: &Value) -> Option<Rate> {
        let (count, per) = text(value)?.split_once('/')?;
        let count = Whole::<u32, 1, { u32::MAX }>::parse(&Value::from(count))?;
        let per = Span::<1>::parse(&Value::from(per))?;
        Some(Rate { count, per })
    }

    fn show(value: &Rate) -> Option<String> {
        Some(quote(&value.to_string()))
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

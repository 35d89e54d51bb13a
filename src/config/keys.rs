//! The table of all keys. A line of it is a field of [`Config`], an entry of [`KEYS`], an environment
//! variable, a flag and a line of `sessiongraph config`.
//!
//! To add a key: add a line here; where it can contradict another key, add a check in `check.rs`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use super::error::{ConfigError, Layer};
use super::kind::{Kind, List, Maybe, OrOff};
use super::layers::Layers;
use super::numbers::{Bytes, Frequency, Span, Whole};
use super::texts::{Address, Audience, File, LogFilter, Network, OneOf, Secret, Switch};
use super::types::{ForwardedHeader, LogFormat, Origin, Rate, SigningAlgorithm, UserAgentBinding};
use super::urls::{DatabaseUrl, PublicUrl, WebOrigin};

/// What is known of a key beside its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The name, as in the file.
    pub name: &'static str,
    /// The command-line flag, without its dashes.
    pub flag: &'static str,
    /// The default as text; `None` for a key that has none or derives it from other keys.
    pub default: Option<&'static str>,
    /// What it is for, in one line.
    pub help: &'static str,
    /// Whether the value, or a part of it, must not be shown.
    pub secret: bool,
}

impl Key {
    /// The key of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }
}

/// A whole number that is not nothing.
type Count<T> = Whole<T, 1, { u32::MAX }>;
/// A duration that may be nothing.
type AnySpan = Span<0>;
/// A duration that is not nothing.
type SomeSpan = Span<1>;
/// A duration for what is dated in whole seconds.
type Seconds = Span<1000>;

macro_rules! keys {
    ($( $key:ident: $type:ty as $kind:ty = $default:expr, $help:literal $(, $more:literal)?; )*) => {
        /// All settings, checked, each under its name.
        ///
        /// `Debug` shows no secret.
        #[derive(Debug, Clone)]
        pub struct Config {
            $(
                #[doc = $help]
                $( #[doc = ""] #[doc = $more] )?
                pub $key: $type,
            )*
            /// Where the values come from that are no defaults.
            pub(super) layers: BTreeMap<&'static str, Layer>,
        }

        /// All keys, in the order in which they are documented and printed.
        pub const KEYS: &[Key] = &[ $( Key {
            name: stringify!($key),
            flag: {
                const NAME: &str = stringify!($key);
                const FLAG: [u8; NAME.len()] = kebab_case(NAME);
                match str::from_utf8(&FLAG) {
                    Ok(flag) => flag,
                    Err(_) => panic!("a key is ASCII"),
                }
            },
            default: $default,
            help: $help,
            secret: <$kind as Kind>::SECRET,
        }, )* ];

        /// What each key allows, in the order of [`KEYS`], to follow "must be".
        pub(super) fn allowed() -> [String; KEYS.len()] {
            [ $( <$kind as Kind>::allowed(), )* ]
        }

        /// A configuration in the making: `None` is a value that could not be had, of which an error
        /// tells.
        pub(super) struct Draft { $( pub(super) $key: Option<$type>, )* }

        impl Draft {
            /// Reads each key.
            pub(super) fn read(layers: &Layers, errors: &mut Vec<ConfigError>) -> Self {
                Self { $( $key: layers.read::<$kind>(stringify!($key), errors), )* }
            }

            /// The configuration, if nothing is missing.
            pub(super) fn finish(self, layers: &Layers) -> Option<Config> {
                Some(Config { $( $key: self.$key?, )* layers: layers.in_force() })
            }
        }

        impl Config {
            /// Each key with its value as TOML, secrets masked.
            pub(super) fn shown(&self) -> Vec<(&'static str, Option<String>)> {
                vec![ $( (stringify!($key), <$kind as Kind>::show(&self.$key)), )* ]
            }
        }
    };
}

/// `kebab-case` for `snake_case`, while compiling: clap wants flags that live as long as the program.
const fn kebab_case<const N: usize>(name: &str) -> [u8; N] {
    let mut flag = [b'-'; N];
    let mut at = 0;
    while at < N {
        if name.as_bytes()[at] != b'_' {
            flag[at] = name.as_bytes()[at];
        }
        at += 1;
    }
    flag
}

keys! {
    listen: SocketAddr as Address = Some("127.0.0.1:4000"),
        "IP address and port to listen on";
    public_url: Url as PublicUrl = None,
        "URL under which clients reach the server: the issuer of tokens and the server's own origin \
         [default: `http://` and the listen address]",
        "As the text of the issuer use [`Config::issuer`].";
    database_url: SecretString as DatabaseUrl = Some("sqlite://data/sessiongraph.db"),
        "Database, `sqlite://FILE` or `postgres://USER:PASSWORD@HOST/DATABASE`",
        "Always a URL that parses.";
    database_max_connections: u32 as Count<u32> = Some("20"),
        "Most connections in the PostgreSQL pool";
    database_acquire_timeout: Duration as SomeSpan = Some("5s"),
        "How long a request waits for a connection of the PostgreSQL pool";
    secret: Option<SecretString> as Maybe<Secret> = None,
        "Master secret, which seals the keys in the database, at least 32 bytes",
        "What `secret_file` held, where that is given. Never `None` with PostgreSQL.";
    secret_file: Option<PathBuf> as Maybe<File> = None,
        "File to read the master secret from, instead of `secret`";
    secret_previous: Vec<SecretString> as List<Secret> = Some(""),
        "Former master secrets: they still open the keys that they sealed, while `secret` is new",
        "A secret with a comma in it can only stand in an array in the file.";
    migrate_on_start: bool as Switch = Some("true"),
        "Whether the server and each command bring the database schema up to date",
        "Where they do not, they refuse a database that lacks a migration: `sessiongraph migrate` comes first.";
    audience: String as Audience = Some("sessiongraph"),
        "Audience of access tokens, their `aud` and `client_id`";
    signing_algorithm: SigningAlgorithm as OneOf<SigningAlgorithm> = Some("ES256"),
        "What signs access tokens: `ES256`, `EdDSA`, `RS256` or `HS256`";
    hs256_secret: Option<SecretString> as Maybe<Secret> = None,
        "Key that signs access tokens with HS256, at least 32 bytes",
        "`Some` exactly if `signing_algorithm` is HS256.";
    signing_key_rotation: Option<Duration> as OrOff<Seconds> = Some("30d"),
        "How long a signing key signs before the next one does, or `off`";
    signing_key_publish_ahead: Duration as AnySpan = Some("20m"),
        "How long a signing key is published before it signs";
    access_token_ttl: Duration as Seconds = Some("5m"),
        "Lifetime of an access token",
        "At least one second and never over `session_max_ttl`; the default is cut to that.";
    session_idle_ttl: Duration as Seconds = Some("7d"),
        "How long a session lives after its last refresh",
        "Never over `session_max_ttl`; the default is cut to that.";
    session_max_ttl: Duration as Seconds = Some("90d"),
        "How long a session lives in all";
    refresh_grace: Duration as AnySpan = Some("30s"),
        "How long a superseded refresh token returns the same successor again";
    refresh_recovery: bool as Switch = Some("true"),
        "Whether a refresh token works again after the grace when its successor was lost";
    clock_skew: Duration as AnySpan = Some("5s"),
        "By how much clocks may differ when the dates in a token are checked";
    max_sessions_per_account: u32 as Count<u32> = Some("50"),
        "Most active sessions of an account; beyond it, the least recently refreshed one ends";
    user_agent_binding: UserAgentBinding as OneOf<UserAgentBinding> = Some("family"),
        "How alike the user agent of a refresh must be to the session's: `family`, `exact` or `off`";
    sign_up: bool as Switch = Some("true"),
        "Whether anybody may open an account";
    silent_renewal: bool as Switch = Some("true"),
        "Whether a query with a good refresh cookie renews an expired access cookie";
    cookie_secure: bool as Switch = Some("true"),
        "Whether cookies are `Secure` and `__Host-`; `false` is for plain http other than localhost";
    trusted_proxies: Vec<IpNet> as List<Network> = Some(""),
        "Networks of the proxies whose `forwarded_header` is believed",
        "IPv4-mapped networks are IPv4 networks here.";
    forwarded_header: ForwardedHeader as OneOf<ForwardedHeader> = Some("x-forwarded-for"),
        "Header in which trusted proxies report the client: `x-forwarded-for` or `forwarded`";
    allowed_origins: Vec<Origin> as List<WebOrigin> = Some(""),
        "Web origins of other pages that may call the server (CORS), and bring cookies";
    introspection: bool as Switch = Some("true"),
        "Whether clients may read the schema, and get suggestions for mistyped names";
    subgraph_sdl: bool as Switch = Some("true"),
        "Whether `_service { sdl }` is answered";
    playground: bool as Switch = Some("true"),
        "Whether the playground is served";
    metrics: bool as Switch = Some("true"),
        "Whether `/metrics` is served";
    body_limit: usize as Bytes = Some("256KiB"),
        "Longest request body or WebSocket message, in bytes or as `256KiB`",
        "In bytes.";
    max_depth: usize as Count<usize> = Some("15"),
        "Deepest nesting of an operation";
    max_complexity: usize as Count<usize> = Some("10000"),
        "Highest complexity of an operation";
    max_aliases: usize as Count<usize> = Some("30"),
        "Most aliases in an operation";
    max_batch: usize as Count<usize> = Some("10"),
        "Most operations in a batch";
    request_timeout: Duration as SomeSpan = Some("10s"),
        "Longest time that a request may take";
    sign_in_failures: Option<Rate> as OrOff<Frequency> = Some("10/15m"),
        "Failed sign-ins by identifier, ten times that by client network, or `off`";
    sign_up_limit: Option<Rate> as OrOff<Frequency> = Some("1000/1h"),
        "Sign-ups by client network, or `off`";
    refresh_limit: Option<Rate> as OrOff<Frequency> = Some("600/1m"),
        "Refreshes by session, or `off`";
    argon2_memory_kib: u32 as Whole<u32, 8, 4_194_304> = Some("19456"),
        "Memory of a password hash in KiB",
        "In KiB; at least eight times `argon2_parallelism`.";
    argon2_iterations: u32 as Whole<u32, 1, 100> = Some("2"),
        "Passes of a password hash";
    argon2_parallelism: u32 as Whole<u32, 1, 64> = Some("1"),
        "Lanes of a password hash";
    password_queue: usize as Count<usize> = Some("256"),
        "Most requests that wait for password hashing";
    retention: Duration as AnySpan = Some("30d"),
        "How long an ended session is kept, and how long the network that one was opened from is known";
    audit_retention: Duration as AnySpan = Some("90d"),
        "How long it is recorded who opened, recovered or ended a session and from where; whatever `retention` says";
    prune_interval: Duration as SomeSpan = Some("10m"),
        "How often ended sessions and records past their retention are removed";
    log: String as LogFilter = Some("info"),
        "What is logged: a level, or directives such as `info,sessiongraph=debug`";
    log_format: LogFormat as OneOf<LogFormat> = Some("text"),
        "How log lines are written: `text` or `json`";
}

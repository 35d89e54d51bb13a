use std::time::Duration;

use secrecy::ExposeSecret;

use super::super::kind::span_text;
use super::super::{ForwardedHeader, KEYS, LogFormat, Rate, SigningAlgorithm, UserAgentBinding};
use super::{Lab, OTHER_SECRET, SECRET, assert_one, refused, with};

#[test]
fn durations_have_a_unit() {
    let millis = |text| with(&[("refresh_grace", text)]).refresh_grace.as_millis();
    assert_eq!(millis("10s"), 10_000);
    assert_eq!(millis(" 10m "), 600_000);
    assert_eq!(millis("7d"), 7 * 86_400_000);
    assert_eq!(millis("1h 30m"), 5_400_000);
    assert_eq!(millis("250ms"), 250);
    assert_eq!(millis("0s"), 0);
    for bad in ["10", "-1s", "", "soon", "off", "200years"] {
        assert_one(
            &refused(&[("refresh_grace", bad)]),
            "`refresh_grace` from --",
            "at most 36500d",
        );
    }
}

#[test]
fn a_duration_is_shown_as_it_would_be_written() {
    let cases = [
        ("90d", 90 * 86_400_000),
        ("36h", 36 * 3_600_000),
        ("15m", 900_000),
        ("90s", 90_000),
        ("1500ms", 1_500),
        ("0s", 0),
    ];
    for (text, millis) in cases {
        assert_eq!(span_text(Duration::from_millis(millis)), text);
        assert_eq!(
            humantime::parse_duration(text).unwrap(),
            Duration::from_millis(millis)
        );
    }
    assert_eq!(span_text(Duration::from_nanos(1_500_001)), "1500001ns");
}

#[test]
fn durations_that_cannot_be_nothing_are_refused_at_zero() {
    let never_zero = [
        "database_acquire_timeout",
        "signing_key_rotation",
        "access_token_ttl",
        "session_idle_ttl",
        "session_max_ttl",
        "request_timeout",
        "prune_interval",
    ];
    for key in never_zero {
        let key = KEYS.iter().find(|known| known.name == key).unwrap().name;
        assert_one(
            &refused(&[(key, "0s")]),
            &format!("`{key}` from --"),
            "from 1",
        );
    }
    for key in [
        "refresh_grace",
        "clock_skew",
        "retention",
        "signing_key_publish_ahead",
    ] {
        with(&[(key, "0s")]);
    }
}

#[test]
fn rates_are_counts_by_duration_or_off() {
    let rate = |text| with(&[("refresh_limit", text)]).refresh_limit;
    let per = Duration::from_secs(900);
    assert_eq!(rate("10/15m"), Some(Rate { count: 10, per }));
    assert_eq!(rate(" 10 / 15m "), Some(Rate { count: 10, per }));
    assert_eq!(rate("off"), None);
    assert_eq!(
        with(&[("signing_key_rotation", "off")]).signing_key_rotation,
        None
    );
    for bad in [
        "0/15m",
        "10",
        "10/",
        "/15m",
        "10/0s",
        "-1/1m",
        "10/15",
        "5000000000/1m",
        "",
    ] {
        assert_one(
            &refused(&[("refresh_limit", bad)]),
            "`refresh_limit` from --",
            "or `off`",
        );
    }
    assert_eq!(refused(&[("refresh_grace", "off")]).len(), 1);
}

#[test]
fn sizes_are_bytes_or_have_a_unit() {
    let size = |text| with(&[("body_limit", text)]).body_limit;
    assert_eq!(size("1000"), 1000);
    assert_eq!(size("256KiB"), 256 * 1024);
    assert_eq!(size("1 MiB"), 1 << 20);
    assert_eq!(size("1kB"), 1000);
    for bad in [
        "0",
        "-1",
        "much",
        "2GiB",
        "1e9",
        "",
        "999999999999999999999999",
    ] {
        assert_one(
            &refused(&[("body_limit", bad)]),
            "`body_limit` from --",
            "256KiB",
        );
    }
}

#[test]
fn the_file_may_have_native_types() {
    let lab = Lab::new().toml(
        "body_limit = 4096\nmax_depth = 9\nsign_up = false\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
         allowed_origins = \"https://a.example, https://b.example\"\nmax_batch = \"7\"\n\
         playground = \"false\"\nargon2_iterations = 3",
    );
    let config = lab.config();
    assert_eq!(
        (config.body_limit, config.max_depth, config.max_batch),
        (4096, 9, 7)
    );
    assert!(!config.sign_up && !config.playground);
    assert_eq!(
        (config.trusted_proxies.len(), config.allowed_origins.len()),
        (1, 2)
    );
    for bad in [
        "max_depth = 1.5",
        "max_depth = -1",
        "max_depth = true",
        "max_depth = 4294967296",
        "sign_up = 1",
        "audience = 5",
        "audience = [\"a\"]",
        "listen = { port = 1 }",
        "refresh_grace = 30",
        "retention = 1979-05-27T07:32:00Z",
        "trusted_proxies = [1]",
        "log = 5",
        "secret = 12345678901234567",
    ] {
        let key = bad.split(' ').next().unwrap();
        let start = format!("`{key}` from sessiongraph.toml: must be ");
        assert_one(&Lab::new().toml(bad).errors(), &start, "");
    }
}

#[test]
fn lists_are_trimmed_and_lose_empty_elements() {
    let config = Lab::new()
        .env(&[
            (
                "SESSIONGRAPH_TRUSTED_PROXIES",
                " 10.1.2.3/8,, 192.0.2.1 ,2001:db8::1,::ffff:172.16.0.0/108,",
            ),
            ("SESSIONGRAPH_ALLOWED_ORIGINS", ""),
        ])
        .config();
    let networks: Vec<_> = config
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        networks,
        [
            "10.0.0.0/8",
            "192.0.2.1/32",
            "2001:db8::1/128",
            "172.16.0.0/12"
        ]
    );
    assert!(config.allowed_origins.is_empty());
    let empty = Lab::new().toml("trusted_proxies = [\"10.0.0.0/8\"]");
    assert!(
        empty
            .env(&[("SESSIONGRAPH_TRUSTED_PROXIES", "")])
            .config()
            .trusted_proxies
            .is_empty()
    );
    for bad in [
        "10.0.0.0/33",
        "proxy.example",
        "10.0.0.0/8;10.0.0.1",
        "none",
    ] {
        assert_one(
            &refused(&[("trusted_proxies", bad)]),
            "`trusted_proxies` from --",
            "10.0.0.0/8",
        );
    }
}

#[test]
fn origins_are_whole_and_written_as_a_browser_does() {
    let origin = |text| with(&[("allowed_origins", text)]).allowed_origins[0].to_string();
    assert_eq!(
        origin("HTTPS://App.Example.COM:443"),
        "https://app.example.com"
    );
    assert_eq!(origin("http://localhost:3000"), "http://localhost:3000");
    assert_eq!(
        origin("https://bücher.example"),
        "https://xn--bcher-kva.example"
    );
    assert_eq!(origin("http://[::1]:8080"), "http://[::1]:8080");
    for bad in [
        "*",
        "null",
        "https://*.example.com",
        "https://a.example/",
        "https://a.example/path",
        "https://a.example?q",
        "https://a.example#f",
        "https://user@a.example",
        "a.example",
        "ftp://a.example",
        "https:a.example",
        "https://",
        "https:///a.example",
        "https:\\\\a.example",
        "https://a b.example",
        "file:///etc",
    ] {
        let errors = refused(&[("allowed_origins", bad)]);
        assert_one(
            &errors,
            "`allowed_origins` from --allowed-origins: must be a list",
            "no `*`",
        );
    }
}

#[test]
fn the_public_url_is_web_and_bare() {
    let issuer = |text| with(&[("public_url", text)]).issuer().to_owned();
    assert_eq!(
        issuer("https://Auth.example.com/"),
        "https://auth.example.com"
    );
    assert_eq!(
        issuer("https://example.com/auth"),
        "https://example.com/auth"
    );
    let config = with(&[("public_url", "https://example.com:8443/auth")]);
    assert_eq!(config.own_origin().as_str(), "https://example.com:8443");
    for bad in [
        "auth.example.com",
        "ftp://a.example",
        "https://a.example/?q",
        "https://a.example/#f",
        "https://user:hush@a.example",
        "https://",
        "",
        "http:a.example",
    ] {
        assert_one(
            &refused(&[("public_url", bad)]),
            "`public_url` from --",
            "without user",
        );
    }
}

#[test]
fn the_public_url_follows_the_address() {
    let issuer = |text| with(&[("listen", text)]).issuer().to_owned();
    assert_eq!(issuer("0.0.0.0:4000"), "http://localhost:4000");
    assert_eq!(issuer("[::]:5000"), "http://localhost:5000");
    assert_eq!(issuer("[::1]:0"), "http://[::1]:0");
    assert_eq!(issuer("10.0.0.7:80"), "http://10.0.0.7");
    assert_eq!(refused(&[("listen", "localhost:4000")]).len(), 1);
}

#[test]
fn the_database_is_sqlite_or_postgres() {
    for good in [
        "sqlite::memory:",
        "sqlite:data.db?mode=rwc",
        "sqlite:///var/lib/x.db",
    ] {
        assert!(!with(&[("database_url", good)]).uses_postgres());
    }
    for good in [
        "postgres://u:p@h/db",
        "postgresql://h",
        "postgres:///db?host=/run",
    ] {
        assert!(with(&[("database_url", good), ("secret", SECRET)]).uses_postgres());
    }
    for bad in [
        "mysql://h/db",
        "data.db",
        "",
        "sqlite:",
        "postgres:h",
        "postgres://u:p/x@h/db",
        "postgres://u:12/x@h/db",
        "postgres://u:12?x@h/db",
        "postgres://u:12#x@h/db",
    ] {
        let errors = refused(&[("database_url", bad), ("secret", SECRET)]);
        assert_one(
            &errors,
            "`database_url` from --database-url: must be `sqlite://FILE`",
            "",
        );
    }
}

#[test]
fn choices_are_listed_when_none_fits() {
    let config = with(&[
        ("signing_algorithm", "eddsa"),
        ("user_agent_binding", "off"),
        ("forwarded_header", "Forwarded"),
        ("log_format", "json"),
    ]);
    assert_eq!(config.signing_algorithm, SigningAlgorithm::EdDsa);
    assert_eq!(config.user_agent_binding, UserAgentBinding::Off);
    assert_eq!(config.forwarded_header, ForwardedHeader::Forwarded);
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(
        refused(&[("signing_algorithm", "none")]),
        [
            "`signing_algorithm` from --signing-algorithm: must be `ES256`, `EdDSA`, `RS256` or `HS256`",
        ]
    );
}

#[test]
fn the_log_filter_knows_its_levels() {
    let log = |text| with(&[("log", text)]).log;
    for good in [
        "debug",
        "OFF",
        "info,sea_orm=warn",
        "warn,tower_http[request]=trace,sqlx=off",
    ] {
        assert_eq!(log(good), good);
    }
    assert_eq!(log(" info, sqlx=off,"), "info,sqlx=off");
    for bad in ["", "inof", "info,sqlx", "sqlx=loud", "verbose"] {
        assert_one(
            &refused(&[("log", bad)]),
            "`log` from --log: must be `off`",
            "",
        );
    }
}

#[test]
fn the_audience_is_printable() {
    assert_eq!(
        with(&[("audience", "https://api.example.com")]).audience,
        "https://api.example.com"
    );
    for bad in ["", "  ", "a\nb", "ü", "a\u{200b}"] {
        assert_one(
            &refused(&[("audience", bad)]),
            "`audience` from --audience: ",
            "printable",
        );
    }
}

#[test]
fn secrets_have_32_bytes_and_no_space_around_them() {
    let padded = format!(" {SECRET}\n");
    assert_eq!(
        with(&[("secret", &padded)]).secret.unwrap().expose_secret(),
        SECRET
    );
    with(&[("secret", "12345678901234567890123456789012")]);
    for short in [
        "",
        "1234567890123456789012345678901",
        " 123456789012345678901234567890  ",
    ] {
        assert_one(
            &refused(&[("secret", short)]),
            "`secret` from --secret: ",
            "at least 32 bytes",
        );
    }
    let lists = format!("{SECRET},{SECRET}x,");
    assert_eq!(
        with(&[("secret_previous", &lists)]).secret_previous.len(),
        2
    );
    let errors = refused(&[("secret_previous", &format!("{SECRET},short"))]);
    assert_one(
        &errors,
        "`secret_previous` from --secret-previous: ",
        "at least 32 bytes",
    );
    let lab = Lab::new().toml(&format!("secret_previous = ['{OTHER_SECRET}']"));
    assert_eq!(
        lab.config().secret_previous[0].expose_secret(),
        OTHER_SECRET
    );
}

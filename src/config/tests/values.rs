use secrecy::ExposeSecret;

use super::super::{ForwardedHeader, LogFormat, SigningAlgorithm, UserAgentBinding};
use super::{Lab, OTHER_SECRET, SECRET, assert_one, refused, with};

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

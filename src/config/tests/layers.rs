use std::time::Duration;

use secrecy::ExposeSecret;

use super::super::{KEYS, Layer};
use super::{Lab, SECRET, assert_one};

#[test]
fn nothing_at_all_gives_the_defaults() {
    let config = Lab::new().config();
    assert_eq!(config.listen.to_string(), "127.0.0.1:4000");
    assert_eq!(config.issuer(), "http://127.0.0.1:4000");
    assert_eq!(config.own_origin().as_str(), "http://127.0.0.1:4000");
    assert_eq!(
        config.database_url.expose_secret(),
        "sqlite://data/sessiongraph.db"
    );
    assert!(!config.uses_postgres());
    assert!(config.secret.is_none() && config.hs256_secret.is_none());
    assert_eq!(config.access_token_ttl, Duration::from_mins(5));
    assert_eq!(config.session_max_ttl, Duration::from_hours(90 * 24));
    assert_eq!(
        config.signing_key_rotation,
        Some(Duration::from_hours(30 * 24))
    );
    assert_eq!(config.body_limit, 256 * 1024);
    assert_eq!(config.sign_in_failures.unwrap().to_string(), "10/15m");
    assert!(config.trusted_proxies.is_empty() && config.allowed_origins.is_empty());
    assert!(
        KEYS.iter()
            .all(|key| *config.layer_of(key.name) == Layer::Default)
    );
}

#[test]
fn later_layers_win() {
    let lab = Lab::new().toml("audience = \"file\"\nmax_batch = 1\nmax_depth = 2\nmax_aliases = 3");
    let lab = lab.env(&[
        ("SESSIONGRAPH_AUDIENCE", "environment"),
        ("SESSIONGRAPH_MAX_BATCH", "4"),
        ("SESSIONGRAPH_MAX_DEPTH", "5"),
    ]);
    let config = lab
        .flags(&[("audience", "flag"), ("max_batch", "6")])
        .config();
    assert_eq!(config.audience, "flag");
    assert_eq!(
        (config.max_batch, config.max_depth, config.max_aliases),
        (6, 5, 3)
    );
    assert_eq!(*config.layer_of("max_batch"), Layer::Flag("max-batch"));
    assert_eq!(
        config.layer_of("max_depth").to_string(),
        "environment variable SESSIONGRAPH_MAX_DEPTH"
    );
    assert!(
        config
            .layer_of("max_aliases")
            .to_string()
            .ends_with("/sessiongraph.toml")
    );
    assert_eq!(*config.layer_of("max_complexity"), Layer::Default);
}

#[test]
fn the_file_can_be_named() {
    let lab = || {
        Lab::new()
            .toml("audience = \"unnamed\"")
            .file("a.toml", "audience = \"a\"")
            .file("b.toml", "audience = \"b\"")
    };
    assert_eq!(lab().config().audience, "unnamed");
    let mut named = lab().env(&[("SESSIONGRAPH_CONFIG", "a.toml")]);
    assert_eq!(named.config().audience, "a");
    named.sources.file = Some(named.path().join("b.toml"));
    assert_eq!(named.config().audience, "b");
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let lab = Lab::new().env(&[("SESSIONGRAPH_CONFIG", "no.toml")]);
    let start = "configuration file no.toml (named by environment variable SESSIONGRAPH_CONFIG): ";
    assert_one(&lab.errors(), start, "cannot be read");
    let mut lab = Lab::new();
    lab.sources.file = Some("no.toml".into());
    assert_one(
        &lab.errors(),
        "configuration file no.toml (named by --config): ",
        "cannot be read",
    );
    assert_eq!(
        Lab::new()
            .env(&[("SESSIONGRAPH_CONFIG", "")])
            .errors()
            .len(),
        1
    );
}

#[test]
fn a_broken_file_is_located_but_not_shown() {
    let lab = Lab::new().toml("listen = \"[::]:1\"\nsecret = \"hush-hush-hush\n");
    let errors = lab.errors();
    assert_one(
        &errors,
        "configuration file sessiongraph.toml: is no valid TOML at line 2",
        "column",
    );
    assert!(!format!("{errors:?} {:?}", lab.load()).contains("hush"));
    assert_one(
        &Lab::new()
            .file("sessiongraph.toml", b"log = \"\xff\"")
            .errors(),
        "configuration file sessiongraph.toml: cannot be read: ",
        "UTF-8",
    );
}

#[test]
fn an_unknown_key_is_an_error_in_every_layer() {
    let lab = Lab::new().toml("lisen = \"x\"\n[server]\nport = 1");
    let lab = lab.env(&[
        ("SESSIONGRAPH_LISTENN", "x"),
        ("SESSIONGRAPH_audience", "x"),
    ]);
    assert_eq!(
        lab.flags(&[("colour", "x")]).errors(),
        [
            "`lisen` from sessiongraph.toml: there is no such key",
            "`server` from sessiongraph.toml: there is no such key",
            "`listenn` from environment variable SESSIONGRAPH_LISTENN: there is no such key",
            "`audience` from environment variable SESSIONGRAPH_audience: there is no such key",
            "`colour` from --colour: there is no such key",
        ]
    );
}

#[test]
fn what_kubernetes_adds_is_passed_over() {
    let config = Lab::new().env(&[
        ("SESSIONGRAPH_SERVICE_HOST", "10.0.0.1"),
        ("SESSIONGRAPH_SERVICE_PORT_HTTP", "4000"),
        ("SESSIONGRAPH_PORT", "tcp://10.0.0.1:4000"),
        ("SESSIONGRAPH_PORT_4000_TCP_ADDR", "10.0.0.1"),
        ("SESSIONGRAPHER", "somebody else's"),
        ("PATH", "/bin"),
    ]);
    config.config();
}

#[test]
fn a_bad_value_is_named_with_its_layer_even_below_a_good_one() {
    let lab = Lab::new()
        .toml("listen = 4000")
        .env(&[("SESSIONGRAPH_LISTEN", "here")]);
    let errors = lab.flags(&[("listen", "127.0.0.1:1")]).errors();
    let allowed = "must be an IP address and a port such as `127.0.0.1:4000` or `[::]:4000`";
    assert_eq!(
        errors,
        [
            format!("`listen` from sessiongraph.toml: {allowed}"),
            format!("`listen` from environment variable SESSIONGRAPH_LISTEN: {allowed}"),
        ]
    );
    assert_one(
        &Lab::new().flags(&[("listen", "x")]).errors(),
        "`listen` from --listen: ",
        allowed,
    );
}

#[test]
fn all_errors_come_at_once() {
    let lab = Lab::new().toml("colour = 1\nmax_depth = 0\nsign_up = \"maybe\"");
    let lab = lab.env(&[
        ("SESSIONGRAPH_SECRET", "short"),
        ("SESSIONGRAPH_LOG_FORMAT", "xml"),
    ]);
    let lab = lab.flags(&[
        ("public_url", "https://a.example"),
        ("cookie_secure", "false"),
    ]);
    let errors = lab.errors();
    assert_eq!(errors.len(), 6, "{errors:#?}");
    assert_eq!(lab.load().unwrap_err().to_string().lines().count(), 6);
}

#[test]
fn digits_in_the_environment_stay_text() {
    let lab = Lab::new().env(&[
        ("SESSIONGRAPH_SECRET", SECRET),
        ("SESSIONGRAPH_AUDIENCE", "007"),
    ]);
    let config = lab.config();
    assert_eq!(config.secret.unwrap().expose_secret(), SECRET);
    assert_eq!(config.audience, "007");
}

#[cfg(unix)]
#[test]
fn text_that_is_no_utf_8_is_an_error_for_our_keys_only() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let bytes = || OsString::from_vec(b"s3cret\xff".to_vec());
    let mut lab = Lab::new();
    let variables = [
        ("SESSIONGRAPH_LOG", bytes()),
        ("OTHER", bytes()),
        ("SESSIONGRAPH_PORT", bytes()),
    ];
    lab.sources = lab.sources.clone().with_environment(variables);
    assert_eq!(
        lab.errors(),
        ["`log` from environment variable SESSIONGRAPH_LOG: must be UTF-8"]
    );
}

#[test]
fn a_key_of_every_kind_can_stand_in_every_layer() {
    for key in KEYS {
        let Some(default) = key.default else { continue };
        let variable = format!("SESSIONGRAPH_{}", key.name.to_uppercase());
        Lab::new().env(&[(&variable, default)]).config();
        Lab::new().flags(&[(key.name, default)]).config();
        Lab::new()
            .toml(&format!("{} = \"{default}\"", key.name))
            .config();
    }
}

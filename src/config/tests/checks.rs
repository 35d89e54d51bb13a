use std::time::Duration;

use secrecy::ExposeSecret;

use super::super::KEYS;
use super::{Lab, OTHER_SECRET, SECRET, assert_one, refused, with};

#[test]
fn the_secret_can_come_from_a_file() {
    let lab = Lab::new()
        .file("secret", format!("{SECRET}\r\n"))
        .flags(&[("secret_file", "secret")]);
    assert_eq!(lab.config().secret.unwrap().expose_secret(), SECRET);
}

#[test]
fn a_secret_file_that_cannot_be_used_is_the_only_error() {
    let postgres = ("database_url", "postgres://localhost/db");
    let lab = Lab::new().flags(&[("secret_file", "secret"), postgres]);
    assert_one(
        &lab.errors(),
        "`secret_file` from --secret-file: the file cannot be read: ",
        "",
    );
    let lab = lab.file("secret", "hush\n");
    assert_one(
        &lab.errors(),
        "`secret_file` from --secret-file: ",
        "at least 32 bytes",
    );
    let lab = lab.file("secret", [0xff; 40]);
    assert_one(
        &lab.errors(),
        "`secret_file` from --secret-file: the file cannot be read: ",
        "UTF-8",
    );
    assert_one(
        &refused(&[("secret_file", " ")]),
        "`secret_file` from --secret-file: ",
        "must be",
    );
}

#[test]
fn a_secret_and_a_secret_file_are_one_too_many() {
    let lab = Lab::new()
        .file("secret", SECRET)
        .flags(&[("secret_file", "secret")]);
    let lab = lab.env(&[("SESSIONGRAPH_SECRET", SECRET)]);
    let other = "`secret` from environment variable SESSIONGRAPH_SECRET";
    assert_one(&lab.errors(), "`secret_file` from --secret-file: ", other);
}

#[test]
fn postgres_needs_a_secret_and_says_why() {
    let postgres = ("database_url", "postgres://u:hush@localhost/db");
    let errors = refused(&[postgres]);
    assert_one(
        &errors,
        "`database_url` from --database-url: ",
        "all replicas need the same one",
    );
    with(&[postgres, ("secret", SECRET)]);
    assert_one(
        &refused(&[postgres, ("secret", "short")]),
        "`secret` from --secret: ",
        "32 bytes",
    );
}

#[test]
fn insecure_cookies_are_for_http() {
    with(&[("cookie_secure", "false")]);
    let errors = refused(&[
        ("cookie_secure", "false"),
        ("public_url", "https://a.example"),
    ]);
    assert_one(
        &errors,
        "`cookie_secure` from --cookie-secure: ",
        "https `public_url` from --public-url",
    );
}

#[test]
fn hs256_and_its_secret_go_together() {
    let hs256 = ("signing_algorithm", "HS256");
    let config = with(&[hs256, ("hs256_secret", OTHER_SECRET), ("secret", SECRET)]);
    assert_eq!(config.hs256_secret.unwrap().expose_secret(), OTHER_SECRET);
    assert_one(
        &refused(&[hs256]),
        "`signing_algorithm` from ",
        "needs `hs256_secret`",
    );
    assert_one(
        &refused(&[("hs256_secret", SECRET)]),
        "`hs256_secret` from ",
        "does nothing",
    );
    let short = refused(&[hs256, ("hs256_secret", "short")]);
    assert_one(&short, "`hs256_secret` from ", "at least 32 bytes");
    let same = refused(&[hs256, ("hs256_secret", SECRET), ("secret", SECRET)]);
    assert_one(&same, "`hs256_secret` from ", "must not be `secret`");
    let lab = Lab::new().file("secret", SECRET);
    let flags = [hs256, ("hs256_secret", SECRET), ("secret_file", "secret")];
    assert_one(
        &lab.flags(&flags).errors(),
        "`hs256_secret` from ",
        "must not be `secret`",
    );
}

#[test]
fn no_lifetime_is_longer_than_the_session() {
    for key in ["session_idle_ttl", "access_token_ttl"] {
        let errors = refused(&[(key, "91d")]);
        assert_one(
            &errors,
            &format!("`{key}` from --"),
            "`session_max_ttl` from default",
        );
        with(&[(key, "90d")]);
    }
    let config = with(&[("session_max_ttl", "3s")]);
    assert_eq!(config.session_idle_ttl, Duration::from_secs(3));
    assert_eq!(config.access_token_ttl, Duration::from_secs(3));
    assert_eq!(
        refused(&[("session_max_ttl", "soon"), ("session_idle_ttl", "100d")]).len(),
        1
    );
}

#[test]
fn argon2_takes_what_is_let_through() {
    let params = |memory, passes, lanes| argon2::Params::new(memory, passes, lanes, None);
    assert!(params(8, 1, 1).is_ok() && params(4_194_304, 100, 64).is_ok());
    with(&[("argon2_memory_kib", "32"), ("argon2_parallelism", "4")]);
    let errors = refused(&[("argon2_memory_kib", "31"), ("argon2_parallelism", "4")]);
    assert_one(
        &errors,
        "`argon2_memory_kib` from ",
        "eight times `argon2_parallelism`",
    );
    for (key, bad) in [
        ("argon2_memory_kib", "7"),
        ("argon2_memory_kib", "4194305"),
        ("argon2_iterations", "0"),
        ("argon2_iterations", "101"),
        ("argon2_parallelism", "0"),
        ("argon2_parallelism", "65"),
    ] {
        assert_one(
            &refused(&[(key, bad)]),
            &format!("`{key}` from --"),
            "a whole number from ",
        );
    }
}

#[test]
fn limits_are_at_least_one() {
    for key in [
        "database_max_connections",
        "max_sessions_per_account",
        "max_depth",
        "max_complexity",
        "max_aliases",
        "max_batch",
        "password_queue",
        "body_limit",
    ] {
        let key = KEYS.iter().find(|known| known.name == key).unwrap().name;
        with(&[(key, "1")]);
        assert_one(
            &refused(&[(key, "0")]),
            &format!("`{key}` from --"),
            "from 1 to",
        );
    }
}

/// Whatever stands in whatever key: no error repeats it.
#[test]
fn no_error_contains_a_value() {
    let secrets = [
        "hush-hush",
        "hush-hush:hush-hush@hush-hush/hush-hush?hush-hush=hush-hush#hush-hush",
    ];
    for secret in secrets {
        for key in KEYS {
            let toml = format!("{} = '{secret}'", key.name);
            let variable = format!("SESSIONGRAPH_{}", key.name.to_uppercase());
            // Each of these contradicts something, where the value itself is let through.
            let others = [
                ("signing_algorithm", "HS256"),
                ("database_url", "postgres://hush-hush@h/"),
            ];
            for lab in [
                Lab::new().toml(&toml).flags(&others),
                Lab::new().toml(&format!("{} = ['{secret}']", key.name)),
                Lab::new().toml(&format!("{} = '{secret}", key.name)),
                Lab::new().env(&[(&variable, secret)]).flags(&others),
                Lab::new().flags(&[(key.name, secret), ("signing_algorithm", "HS256")]),
            ] {
                let Err(errors) = lab.load() else { continue };
                let texts = format!("{errors} {errors:?}");
                assert!(!texts.contains("hush"), "{texts}");
            }
        }
    }
}

#[test]
fn no_contradiction_tells_the_secrets() {
    let secret = "hush-hush-hush-hush-hush-hush-hush-hush";
    let lab = Lab::new().toml(&format!("hs256_secret = '{secret}'\nsecret_file = 'file'"));
    let lab = lab
        .file("file", secret)
        .env(&[("SESSIONGRAPH_SECRET", secret)]);
    let errors = lab.load().unwrap_err();
    assert_eq!(errors.iter().count(), 3, "{errors}");
    assert!(!format!("{errors} {errors:?}").contains("hush"));
}

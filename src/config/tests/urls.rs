use super::{SECRET, assert_one, refused, with};

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

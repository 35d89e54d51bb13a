//! `schema`, `migrate`, `config`, and what is wrong with a configuration.

use std::path::Path;

use super::support::Folder;

#[test]
fn schema_prints_the_committed_text_whatever_is_configured() {
    let folder = Folder::new();
    let committed =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql"))
            .unwrap();
    assert!(folder.ok(&["schema"]) == committed);
    folder.write("sessiongraph.toml", "nonsense = 1");
    assert!(folder.ok(&["schema"]) == committed);
    assert!(!folder.path().join("data").exists());
}

#[test]
fn the_reference_is_printed_whatever_is_configured() {
    let folder = Folder::new();
    folder.write("sessiongraph.toml", "nonsense = 1");
    let printed = folder.ok(&["config", "--reference"]);
    assert!(printed == sessiongraph::config::reference());
}

#[test]
fn migrate_makes_the_database_and_may_be_repeated() {
    let folder = Folder::new();
    assert_eq!(folder.ok(&["migrate"]), "");
    assert!(folder.path().join("data/sessiongraph.db").exists());
    folder.ok(&["migrate"]);
}

#[test]
fn config_prints_what_is_in_force_with_secrets_masked() {
    let folder = Folder::new();
    folder.write("sessiongraph.toml", "audience = 'from-file'\nrefresh_grace = '10s'\nsecret = 'a file secret of more than thirty-two bytes'\n");
    let mut command = folder.command(&[
        "config",
        "--audience",
        "from-flag",
        "--database-url",
        "postgres://someone:hunter2@localhost/db",
    ]);
    command.env("SESSIONGRAPH_REFRESH_GRACE", "20s").env(
        "SESSIONGRAPH_SECRET_PREVIOUS",
        "an earlier secret of more than thirty-two bytes",
    );
    let output = command.output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "audience = \"from-flag\" # --audience",
        "refresh_grace = \"20s\" # environment variable SESSIONGRAPH_REFRESH_GRACE",
        "listen = \"127.0.0.1:4000\" # default",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    for secret in ["hunter2", "file secret", "earlier secret"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(
        text.contains("someone") && text.contains("localhost"),
        "{text}"
    );
    assert!(!folder.path().join("data").exists());
}

#[test]
fn an_unknown_key_is_named_with_its_layer() {
    let folder = Folder::new();
    folder.write("sessiongraph.toml", "refresh_grase = '10s'");
    let complaint = folder.fails(&["config"]);
    assert!(
        complaint.contains("refresh_grase") && complaint.contains("sessiongraph.toml"),
        "{complaint}"
    );
    let folder = Folder::new();
    let output = folder
        .command(&["config"])
        .env("SESSIONGRAPH_REFRESH_GRASE", "10s")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(
        complaint.contains("SESSIONGRAPH_REFRESH_GRASE"),
        "{complaint}"
    );
    let complaint = folder.fails(&["config", "--refresh-grase", "10s"]);
    assert!(complaint.contains("--refresh-grase"), "{complaint}");
}

#[test]
fn a_bad_value_is_named_with_its_layer_and_not_shown() {
    let folder = Folder::new();
    let complaint = folder.fails(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--refresh-grace",
        "hunter2",
    ]);
    assert!(
        complaint.contains("refresh_grace")
            && complaint.contains("--refresh-grace")
            && !complaint.contains("hunter2"),
        "{complaint}"
    );
    folder.write("sessiongraph.toml", "secret = 'hunter2'");
    let complaint = folder.fails(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(
        complaint.contains("secret")
            && complaint.contains("sessiongraph.toml")
            && !complaint.contains("hunter2"),
        "{complaint}"
    );
}

#[test]
fn kubernetes_variables_are_passed_over() {
    let mut command = Folder::new().command(&["config"]);
    command
        .env("SESSIONGRAPH_SERVICE_HOST", "10.0.0.1")
        .env("SESSIONGRAPH_SERVICE_PORT", "4000")
        .env("SESSIONGRAPH_PORT", "tcp://10.0.0.1:4000")
        .env("SESSIONGRAPH_PORT_4000_TCP_ADDR", "10.0.0.1");
    // The folder is gone by now, and that is no matter either.
    let output = command.current_dir(std::env::temp_dir()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_file_may_be_named_before_and_after_the_command_and_in_the_environment() {
    let folder = Folder::new();
    folder.write("other.toml", "audience = 'other'");
    for arguments in [
        &["--config", "other.toml", "config"][..],
        &["config", "--config", "other.toml"],
        &["config", "--config=other.toml"],
    ] {
        assert!(
            folder.ok(arguments).contains("audience = \"other\""),
            "{arguments:?}"
        );
    }
    let output = folder
        .command(&["config"])
        .env("SESSIONGRAPH_CONFIG", "other.toml")
        .output()
        .unwrap();
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("audience = \"other\"")
    );
    let complaint = folder.fails(&["config", "--config", "nothing.toml"]);
    assert!(complaint.contains("nothing.toml"), "{complaint}");
    // Commands that use the database, too.
    folder.write("db.toml", "database_url = 'sqlite://elsewhere/x.db'");
    folder.ok(&["signing-key", "list", "--config", "db.toml"]);
    folder.ok(&["--config", "db.toml", "signing-key", "list"]);
    assert!(folder.path().join("elsewhere/x.db").exists() && !folder.path().join("data").exists());
}

#[test]
fn with_an_unknown_command_it_tells_what_there_is() {
    let folder = Folder::new();
    for arguments in [
        &["nothing"][..],
        &["signing-key"],
        &["service-key", "create"],
    ] {
        folder.fails(arguments);
    }
    for arguments in [&["--help"][..], &["help"], &["serve", "--help"]] {
        assert!(folder.ok(arguments).contains("Usage"), "{arguments:?}");
    }
    assert!(
        folder
            .ok(&["--version"])
            .contains(env!("CARGO_PKG_VERSION"))
    );
}

/// Each key that is a number or a duration, at the most that is taken: no arithmetic overflows on the way of a session.
#[tokio::test]
async fn the_greatest_values_that_are_taken_work() {
    const ALL: u32 = u32::MAX;
    let folder = Folder::new();
    let spans = [
        "database_acquire_timeout",
        "signing_key_rotation",
        "signing_key_publish_ahead",
        "access_token_ttl",
        "session_idle_ttl",
        "session_max_ttl",
        "refresh_grace",
        "clock_skew",
        "request_timeout",
        "retention",
        "audit_retention",
        "prune_interval",
    ];
    let counts = [
        "database_max_connections",
        "max_sessions_per_account",
        "max_depth",
        "max_complexity",
        "max_aliases",
        "max_batch",
        "password_queue",
    ];
    let rates = ["sign_in_failures", "sign_up_limit", "refresh_limit"];
    let mut lines = vec!["body_limit = '1GiB'".to_owned()];
    lines.extend(spans.map(|key| format!("{key} = '36500d'")));
    lines.extend(counts.map(|key| format!("{key} = {ALL}")));
    lines.extend(rates.map(|key| format!("{key} = '{ALL}/36500d'")));
    folder.write("sessiongraph.toml", &lines.join("\n"));
    let server = folder.serve(&[]);
    let tokens = server.sign_up("ada").await;
    let refreshed = server.refresh(&tokens["refreshToken"]).await;
    assert_eq!(
        refreshed["data"]["refreshTokens"]["refreshOutcome"], "ROTATED",
        "{refreshed:#}"
    );
    let asked =
        "{ session { valid expiresAt absoluteExpiresAt } viewer { sessions { totalCount } } }";
    let answer = server.query(asked, tokens["accessToken"].as_str()).await;
    assert_eq!(answer["data"]["session"]["valid"], true, "{answer:#}");
    let wrong = "mutation { signIn(input: { identifier: \"ada\", password: \"wrong\" }) { session { id } } }";
    let answer = server.query(wrong, None).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "AUTHENTICATION_FAILED",
        "{answer:#}"
    );
    folder.ok(&["signing-key", "rotate", "--now"]);
    assert_eq!(folder.ok(&["prune"]).trim(), "0");
    server.signal("TERM");
    let (status, log) = server.wait();
    assert!(status.success() && !log.contains("panicked"), "{log}");
}

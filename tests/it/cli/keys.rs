//! `signing-key`, `secret` and `service-key`.

use super::support::Folder;

const OLD: &str = "the old secret, of more than thirty-two bytes";
const NEW: &str = "the new secret, of more than thirty-two bytes";

fn configure(folder: &Folder, secret: &str, previous: Option<&str>) {
    let previous = previous.map(|secret| format!("secret_previous = ['{secret}']\n"));
    let text = format!(
        "secret = '{secret}'\npublic_url = 'http://localhost:4000'\n{}",
        previous.unwrap_or_default()
    );
    folder.write("sessiongraph.toml", &text);
}

/// The keys by state: `(kid, state)`, oldest first.
fn signing_keys(folder: &Folder) -> Vec<(String, String)> {
    let text = folder.ok(&["signing-key", "list"]);
    text.lines()
        .map(|line| {
            let columns: Vec<_> = line.split_whitespace().collect();
            (columns[0].to_owned(), columns[2].to_owned())
        })
        .collect()
}

#[test]
fn signing_keys_are_listed_rotated_and_revoked() {
    let folder = Folder::new();
    let kid = |wanted: &str| {
        let keys = signing_keys(&folder);
        let mut found = keys.iter().filter(|(_, state)| state == wanted);
        let kid = found
            .next()
            .unwrap_or_else(|| panic!("none is {wanted}: {keys:?}"))
            .0
            .clone();
        assert!(found.next().is_none(), "several are {wanted}: {keys:?}");
        kid
    };
    let (first, standby) = (kid("signing"), kid("standby"));
    assert_eq!(signing_keys(&folder).len(), 2);
    // Not before the standby has been published for long enough; asking twice changes nothing.
    let scheduled = folder.ok(&["signing-key", "rotate"]);
    assert!(
        scheduled.contains(&standby) && scheduled.contains("signs from"),
        "{scheduled}"
    );
    assert_eq!(folder.ok(&["signing-key", "rotate"]), scheduled);
    assert_eq!(kid("signing"), first);
    let now = folder.ok(&["signing-key", "rotate", "--now"]);
    assert!(now.contains(&standby) && !now.contains("from"), "{now}");
    assert_eq!(
        (kid("signing"), signing_keys(&folder).len()),
        (standby.clone(), 3)
    );
    // The one that signs is revoked: the standby does from then on.
    let next = kid("standby");
    assert_eq!(folder.ok(&["signing-key", "revoke", &standby]), "");
    assert_eq!(kid("signing"), next);
    assert_ne!(kid("standby"), next);
    for unknown in ["nonsense", "-one-with-a-hyphen"] {
        let complaint = folder.fails(&["signing-key", "revoke", unknown]);
        assert!(complaint.contains("there is no such key"), "{complaint}");
    }
}

#[tokio::test]
async fn a_running_server_follows_a_rotation_and_no_request_fails() {
    let folder = Folder::new();
    let server = folder.serve(&["--public-url", "http://localhost:4000"]);
    let tokens = server.sign_up("ada").await;
    folder.ok(&["signing-key", "rotate", "--now"]);
    let answer = server
        .query("{ session { valid } }", tokens["accessToken"].as_str())
        .await;
    assert_eq!(answer["data"]["session"]["valid"], true, "{answer:#}");
    let later = server.sign_up("grace").await;
    let answer = server
        .query("{ session { valid } }", later["accessToken"].as_str())
        .await;
    assert_eq!(answer["data"]["session"]["valid"], true, "{answer:#}");
}

#[test]
fn with_hs256_there_is_no_keyring() {
    let folder = Folder::new();
    folder.write(
        "sessiongraph.toml",
        &format!("signing_algorithm = 'HS256'\nhs256_secret = '{OLD}'\n"),
    );
    assert_eq!(folder.ok(&["signing-key", "list"]), "");
    for arguments in [
        &["signing-key", "rotate"][..],
        &["signing-key", "rotate", "--now"],
        &["signing-key", "revoke", "x"],
    ] {
        assert!(folder.fails(arguments).contains("HS256"));
    }
}

#[tokio::test]
async fn a_new_secret_opens_what_the_old_one_sealed_and_sessions_live_on() {
    let folder = Folder::new();
    configure(&folder, OLD, None);
    let server = folder.serve(&[]);
    let tokens = server.sign_up("ada").await;
    assert!(server.stop().0.success());
    configure(&folder, NEW, None);
    let complaint = folder.fails(&["secret", "rotate"]);
    assert!(complaint.contains("secret"), "{complaint}");
    configure(&folder, NEW, Some(OLD));
    assert_eq!(folder.ok(&["secret", "rotate"]), "");
    configure(&folder, NEW, None);
    let server = folder.serve(&[]);
    let answer = server
        .query("{ session { valid } }", tokens["accessToken"].as_str())
        .await;
    assert_eq!(answer["data"]["session"]["valid"], true, "{answer:#}");
    assert_eq!(
        server.refresh(&tokens["refreshToken"]).await["data"]["refreshTokens"]["refreshOutcome"],
        "ROTATED"
    );
}

#[test]
fn a_server_with_another_secret_does_not_start_and_names_it() {
    let folder = Folder::new();
    configure(&folder, OLD, None);
    folder.ok(&["migrate"]);
    folder.ok(&["signing-key", "list"]);
    configure(&folder, NEW, None);
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["signing-key", "list"],
    ] {
        let complaint = folder.fails(arguments);
        assert!(
            complaint.contains("error: secret:") && complaint.contains("another secret"),
            "{complaint}"
        );
        assert!(
            !complaint.contains(OLD) && !complaint.contains(NEW),
            "{complaint}"
        );
        assert!(!complaint.contains("listening"), "{complaint}");
    }
}

#[tokio::test]
async fn after_a_leak_every_refresh_token_is_void() {
    let folder = Folder::new();
    configure(&folder, OLD, None);
    let server = folder.serve(&[]);
    let tokens = server.sign_up("ada").await;
    assert!(server.stop().0.success());
    configure(&folder, NEW, Some(OLD));
    folder.ok(&["secret", "rotate", "--revoke-sessions"]);
    let server = folder.serve(&[]);
    let answer = server.refresh(&tokens["refreshToken"]).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "TOKEN_VERIFICATION_FAILED",
        "{answer:#}"
    );
}

#[tokio::test]
async fn a_service_key_is_printed_once_and_alone() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    let printed = folder.ok(&[
        "service-key",
        "create",
        "--name",
        "backend",
        "--scope",
        "accounts:read",
        "--scope",
        "sessions:read",
    ]);
    let key = printed.trim();
    assert!(
        key.starts_with("sgk_") && printed == format!("{key}\n"),
        "{printed}"
    );
    let listed = folder.ok(&["service-key", "list"]);
    assert!(
        listed.contains("backend")
            && listed.contains("accounts:read sessions:read")
            && listed.contains("live"),
        "{listed}"
    );
    assert!(!listed.contains("sgk_"));
    let accounts = "{ accounts { totalCount } }";
    assert_eq!(
        server.query(accounts, Some(key)).await["data"]["accounts"]["totalCount"],
        0
    );
    assert_eq!(folder.ok(&["service-key", "revoke", "backend"]), "");
    let answer = server.query(accounts, Some(key)).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED",
        "{answer:#}"
    );
    assert!(folder.ok(&["service-key", "list"]).contains("revoked"));
}

#[test]
fn service_keys_have_a_name_and_a_scope() {
    let folder = Folder::new();
    folder.ok(&[
        "service-key",
        "create",
        "--name",
        "backend",
        "--scope",
        "accounts:read",
    ]);
    for (arguments, told) in [
        (
            &[
                "service-key",
                "create",
                "--name",
                "backend",
                "--scope",
                "accounts:read",
            ][..],
            "name",
        ),
        (
            &[
                "service-key",
                "create",
                "--name",
                "",
                "--scope",
                "accounts:read",
            ],
            "name",
        ),
        (
            &[
                "service-key",
                "create",
                "--name",
                "other",
                "--scope",
                "everything",
            ],
            "scope",
        ),
        (&["service-key", "create", "--name", "other"], "--scope"),
        (
            &["service-key", "create", "--scope", "accounts:read"],
            "--name",
        ),
        (&["service-key", "revoke", "nobody"], "name"),
    ] {
        let complaint = folder.fails(arguments);
        assert!(complaint.contains(told), "{arguments:?}: {complaint}");
    }
    assert_eq!(folder.ok(&["service-key", "list"]).lines().count(), 1);
    // The name is free again once its key is revoked.
    folder.ok(&["service-key", "revoke", "backend"]);
    folder.ok(&[
        "service-key",
        "create",
        "--name",
        "backend",
        "--scope",
        "accounts:write",
    ]);
}

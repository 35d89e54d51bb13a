//! What a sign-in costs that fails: the same, whatever it fails on.

use super::support::{Folder, Server};

/// How often the server has run Argon2.
async fn hashes(server: &Server) -> u64 {
    let metrics = server.get("/metrics").await.text().await.unwrap();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("sessiongraph_password_hashes_total "));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

async fn cost(server: &Server, identifier: &str, password: &str) -> (u64, String) {
    let before = hashes(server).await;
    let document = format!(
        "mutation {{ signIn(input: {{ identifier: \"{identifier}\", password: \"{password}\" }}) {{ account {{ id }} }} }}"
    );
    let answer = server.query(&document, None).await;
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    let code = code.unwrap_or_default().to_owned();
    (hashes(server).await - before, code)
}

#[tokio::test]
async fn every_sign_in_verifies_one_password() {
    let folder = Folder::new();
    let server = folder.serve(&["--argon2-memory-kib", "64"]);
    server.sign_up("ada").await;
    assert_eq!(hashes(&server).await, 1);
    folder.ok(&["account", "create", "--username", "unset"]);
    let key = folder.ok(&[
        "service-key",
        "create",
        "--name",
        "backend",
        "--scope",
        "accounts:read",
        "--scope",
        "accounts:write",
    ]);
    server.sign_up("gone").await;
    let asked = "{ account(by: { username: \"gone\" }) { id } }";
    let answer = server.query(asked, Some(key.trim())).await;
    let deactivate = format!(
        "mutation {{ updateAccount(input: {{ id: {}, deactivated: true }}) {{ deactivated }} }}",
        answer["data"]["account"]["id"]
    );
    let answer = server.query(&deactivate, Some(key.trim())).await;
    assert_eq!(
        answer["data"]["updateAccount"]["deactivated"], true,
        "{answer:#}"
    );
    let failed = (1, "AUTHENTICATION_FAILED".to_owned());
    for identifier in [
        "ada",
        "nobody",
        "nobody@example.org",
        "no identifier",
        "",
        "unset",
        "gone",
    ] {
        assert_eq!(
            cost(&server, identifier, "a wrong password").await,
            failed,
            "{identifier}"
        );
    }
    assert_eq!(cost(&server, "ada", "").await, failed);
    assert_eq!(
        cost(&server, "ada", "correct horse").await,
        (1, String::new())
    );
    assert_eq!(
        cost(&server, "gone", "correct horse").await,
        (1, "USER_DEACTIVATED".to_owned())
    );
}

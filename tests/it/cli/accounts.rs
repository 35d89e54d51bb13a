//! `account create`.

use super::support::Folder;

#[tokio::test]
async fn an_account_is_created_and_can_sign_in() {
    let folder = Folder::new();
    for (name, input) in [
        ("ada", "correct horse"),
        ("grace", "correct horse\n"),
        ("edsger", "correct horse\r\n"),
    ] {
        let finished = folder.feed(
            &[
                "account",
                "create",
                "--username",
                name,
                "--permission",
                "a",
                "--permission",
                "b",
                "--password-stdin",
            ],
            input,
        );
        assert!(finished.status.success(), "{}", finished.stderr);
        assert!(
            uuid::Uuid::try_parse(finished.stdout.trim()).is_ok(),
            "{}",
            finished.stdout
        );
        assert_eq!(finished.stdout.lines().count(), 1);
    }
    let server = folder.serve(&[]);
    for name in ["ada", "grace", "edsger"] {
        let document = format!(
            "mutation {{ signIn(input: {{ identifier: \"{name}\", password: \"correct horse\" }}) {{ account {{ username permissions }} }} }}"
        );
        let answer = server.query(&document, None).await;
        assert_eq!(
            answer["data"]["signIn"]["account"],
            serde_json::json!({ "username": name, "permissions": ["a", "b"] }),
            "{answer:#}"
        );
    }
}

#[test]
fn only_one_line_end_is_dropped() {
    let folder = Folder::new();
    // Seven characters and a line end are eight where one more line end follows.
    let finished = folder.feed(
        &["account", "create", "--username", "ada", "--password-stdin"],
        "seven77\n",
    );
    assert!(
        !finished.status.success() && finished.stderr.contains("password"),
        "{}",
        finished.stderr
    );
    let finished = folder.feed(
        &["account", "create", "--username", "ada", "--password-stdin"],
        "seven77\n\n",
    );
    assert!(finished.status.success(), "{}", finished.stderr);
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_made() {
    let folder = Folder::new();
    let id = folder.ok(&[
        "account",
        "create",
        "--username",
        "ada",
        "--email",
        "ada@example.org",
    ]);
    assert!(uuid::Uuid::try_parse(id.trim()).is_ok());
    for (arguments, told) in [
        (&["account", "create", "--username", "ADA"][..], "taken"),
        (
            &["account", "create", "--email", "ada@example.org"],
            "taken",
        ),
        (&["account", "create", "--username", "a b"], "username"),
        (&["account", "create", "--email", "nonsense"], "email"),
        (
            &[
                "account",
                "create",
                "--username",
                "grace",
                "--permission",
                "a b",
            ],
            "permissions",
        ),
    ] {
        let complaint = folder.fails(arguments);
        assert!(complaint.contains(told), "{arguments:?}: {complaint}");
    }
}

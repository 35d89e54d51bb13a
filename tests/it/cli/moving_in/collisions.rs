//! One name, several lines: what is the same account is imported once, and what is another one is reported.

use std::fmt::Write;

use serde_json::json;

use super::{BCRYPT, Destination, sign_in};
use crate::support::on_each_database;

const OTHER_BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const ID: &str = "6f9619ff-8b86-4011-b42d-00c04fc964ff";

on_each_database! {
    async fn of_two_accounts_with_one_name_the_second_is_reported(database: TestDatabase) {
        let destination = Destination::of(&database);
        let mut file = String::new();
        let lines = [
            json!({ "username": "ada", "email": "ada@x.org", "passwordHash": BCRYPT }),
            // The same line again, and the same account with other letters.
            json!({ "username": "ada", "email": "ada@x.org", "passwordHash": BCRYPT }),
            json!({ "username": "ADA", "email": "Ada@X.org", "passwordHash": BCRYPT }),
            // Others.
            json!({ "username": "Ada", "email": "ada@x.org", "passwordHash": OTHER_BCRYPT }),
            json!({ "username": "ada", "email": "other@x.org", "passwordHash": BCRYPT }),
            json!({ "username": "other", "email": "ada@x.org", "passwordHash": BCRYPT }),
            json!({ "id": ID, "username": "ada", "passwordHash": BCRYPT }),
            json!({ "username": "ada", "createdAt": "2020-01-02T03:04:05Z" }),
            // What a rejected line would have taken is free.
            json!({ "username": "other", "email": "other@x.org" }),
            json!({ "id": ID, "username": "grace" }),
            json!({ "id": ID, "username": "edsger" }),
        ];
        for line in &lines {
            writeln!(file, "{line}").unwrap();
        }
        // The same in another batch.
        for n in 0..1_500 {
            writeln!(file, "{}", json!({ "username": format!("user_{n}") })).unwrap();
        }
        for line in [&lines[0], &lines[3], &lines[4]] {
            writeln!(file, "{line}").unwrap();
        }
        let import = destination.import("accounts.jsonl", file);
        let expected = [
            (4, "username", "passwordHash"),
            (5, "username", "email"),
            (6, "email", "username"),
            (7, "username", "id"),
            (8, "username", "createdAt"),
            (11, "id", "username"),
            (1_513, "username", "passwordHash"),
            (1_514, "username", "email"),
        ]
        .map(|(line, field, other)| format!("line {line}: {field}: is that of an account with another `{other}`"));
        assert_eq!(import.complaints(), expected);
        assert_eq!(import.counts(), [1_503, 3, 8]);
        assert_eq!(destination.row("ada").await.password_hash.as_deref(), Some(BCRYPT));
        assert_eq!(destination.row("other").await.email.as_deref(), Some("other@x.org"));
        assert_eq!(destination.row("grace").await.id.to_string(), ID);
    }

    /// Of a database that is in use, nothing is overwritten.
    async fn an_account_that_is_there_stays_as_it_is(database: TestDatabase) {
        let destination = Destination::of(&database);
        let server = destination.serve();
        server.sign_up("ada").await;
        server.sign_up("grace").await;
        let before = destination.rows().await;
        let lines = [
            json!({ "username": "ada", "passwordHash": BCRYPT, "createdAt": "2020-01-02T03:04:05Z" }),
            json!({ "username": "Grace", "email": "grace@x.org" }),
            json!({ "username": "grace", "permissions": ["admin"] }),
            json!({ "username": "edsger", "passwordHash": BCRYPT }),
        ];
        // While the server runs.
        let import = destination.import("accounts.jsonl", lines.map(|line| line.to_string()).join("\n"));
        assert_eq!(import.complaints(), [
            "line 1: username: is that of an account with another `createdAt`",
            "line 2: username: is that of an account with another `email`",
        ]);
        assert_eq!(import.counts(), [1, 1, 2]);
        let after = destination.rows().await;
        assert!(before.iter().all(|row| after.contains(row)));
        assert_eq!(after.len(), 3);
        let answer = sign_in(&server, "edsger", "correct horse").await;
        assert_eq!(answer["data"]["signIn"]["account"]["username"], "edsger", "{answer:#}");
    }

    /// Whoever has signed in or changed the password since is still the account that was imported.
    async fn what_has_changed_since_is_there_all_the_same(database: TestDatabase) {
        let destination = Destination::of(&database);
        let line = json!({ "username": "ada", "passwordHash": BCRYPT }).to_string();
        assert_eq!(destination.import("accounts.jsonl", &line).counts(), [1, 0, 0]);
        let server = destination.serve();
        let document = "mutation { signIn(input: { identifier: \"ada\", password: \"correct horse\" }) { tokens { accessToken } } }";
        let answer = server.query(document, None).await;
        let token = answer["data"]["signIn"]["tokens"]["accessToken"].as_str().unwrap();
        assert_eq!(destination.import_again("accounts.jsonl").counts(), [0, 1, 0]);
        let document = "mutation { changePassword(input: { currentPassword: \"correct horse\", newPassword: \"battery staple\" }) { id } }";
        let answer = server.query(document, Some(token)).await;
        assert_eq!(answer.get("errors"), None, "{answer:#}");
        let before = destination.rows().await;
        assert_eq!(destination.import_again("accounts.jsonl").counts(), [0, 1, 0]);
        assert_eq!(destination.rows().await, before);
    }
}

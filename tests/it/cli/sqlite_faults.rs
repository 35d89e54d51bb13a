//! SQLite's file is locked, or its disk is full.

use super::support::Folder;
use crate::support::{
    database::{TestDatabase, scalar},
    engine::SECRET,
};

fn flags(database_url: &str) -> [&str; 6] {
    [
        "--database-url",
        database_url,
        "--secret",
        SECRET,
        "--public-url",
        "http://localhost:4000",
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_sqlite_file_is_said_to_be_unavailable_and_harms_nothing() {
    let database = TestDatabase::sqlite().await;
    let server = Folder::new().serve(&flags(&database.url));
    let ada = server.sign_up("ada").await;
    let db = database.connect().await;
    sea_orm::ConnectionTrait::execute_unprepared(&db, "BEGIN EXCLUSIVE")
        .await
        .unwrap();
    let refused = server
        .query("mutation { logout }", ada["accessToken"].as_str())
        .await;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"], "SERVICE_UNAVAILABLE",
        "{refused:#}"
    );
    sea_orm::ConnectionTrait::execute_unprepared(&db, "ROLLBACK")
        .await
        .unwrap();
    let done = server
        .query("mutation { logout }", ada["accessToken"].as_str())
        .await;
    assert_eq!(done["data"]["logout"], true, "{done:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_to_be_unavailable_and_corrupts_nothing() {
    let folder = Folder::new();
    let server = folder.serve_on_a_full_disk(400, &["--argon2-memory-kib", "64"]);
    let mut answered = 0;
    let refused = loop {
        let document = format!(
            "mutation {{ signUp(input: {{ username: \"user_{answered}\", password: \"correct horse\" }}) {{ account {{ id }} }} }}"
        );
        let answer = server.query(&document, None).await;
        if answer.get("errors").is_some() {
            break answer;
        }
        answered += 1;
        assert!(answered < 5_000, "the disk is never full");
    };
    assert_eq!(
        refused["errors"][0]["extensions"]["code"], "SERVICE_UNAVAILABLE",
        "{refused:#}"
    );
    assert!(answered > 0);
    server.signal("KILL");
    server.wait();

    let server = folder.serve(&["--argon2-memory-kib", "64"]);
    let newest = format!(
        "mutation {{ signIn(input: {{ identifier: \"user_{}\", password: \"correct horse\" }}) {{ account {{ username }} }} }}",
        answered - 1
    );
    let answer = server.query(&newest, None).await;
    assert_eq!(
        answer.get("errors"),
        None,
        "what was answered is there: {answer:#}"
    );
    server.stop();
    let url = format!(
        "sqlite://{}",
        folder.path().join("data/sessiongraph.db").display()
    );
    let db = sessiongraph::database::connect(&sessiongraph::database::DatabaseOptions::new(url))
        .await
        .unwrap();
    let accounts = scalar(&db, "SELECT COUNT(*) FROM accounts").await;
    assert_eq!(accounts, answered);
    let sound = "SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'";
    assert_eq!(scalar(&db, sound).await, 1);
}

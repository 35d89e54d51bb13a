//! The commands of docs/moving-in.md, word for word.

use std::process::Command;

use super::{BCRYPT, Destination, sign_in};
use crate::support::{database::TestDatabase, on_each_database};

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/moving-in.md")).unwrap()
}

/// The block of commands behind a marker, and all that follows.
fn block<'a>(page: &'a str, marker: &str) -> (&'a str, &'a str) {
    let (_, behind) = page
        .split_once(&format!("<!-- {marker} -->\n```sh\n"))
        .unwrap();
    behind.split_once("\n```\n").unwrap()
}

/// Runs commands where `sessiongraph` is on the path, and returns what they printed.
fn run(destination: &Destination, commands: &str) -> String {
    let binary = destination.command(&[]).get_program().to_owned();
    let folder = std::path::Path::new(&binary).parent().unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "what is found by name is found on the path"
    )]
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("bash")
        .args(["-eo", "pipefail", "-c", commands])
        .current_dir(destination.folder.path())
        .env("PATH", format!("{}:{path}", folder.display()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

on_each_database! {
    async fn its_walk_prints_what_it_says(database: TestDatabase) {
        let page = page();
        let (commands, behind) = block(&page, "walk");
        let (_, behind) = behind.split_once("```text\n").unwrap();
        let (shown, _) = behind.split_once("\n```").unwrap();
        let destination = Destination::of(&database);
        let printed = run(&destination, commands);
        assert_eq!(printed.lines().count(), shown.lines().count(), "{printed}");
        for (printed, shown) in printed.lines().zip(shown.lines()) {
            // The page cuts what differs each time.
            let start = shown.trim_end_matches('…');
            assert!(printed.starts_with(start), "it shows {shown}, and it printed {printed}");
        }
        let answer = sign_in(&destination.serve(), "alan", "correct horse").await;
        assert_eq!(answer["data"]["signIn"]["account"]["username"], "alan", "{answer:#}");
    }
}

/// From a table of another system's users.
#[tokio::test]
async fn its_query_takes_accounts_out_of_another_database() {
    let old = TestDatabase::postgres().await;
    let db = old.connect().await;
    let table = format!(
        "CREATE TABLE users (id serial, login text, mail text, encrypted_password text, created_at timestamptz); \
         INSERT INTO users (login, mail, encrypted_password, created_at) VALUES \
         ('Ada', 'ada@example.org', '{BCRYPT}', '2019-05-06 07:08:09.1+02'), ('it''s', NULL, NULL, NULL), \
         ('grace', NULL, NULL, NULL)"
    );
    sea_orm::ConnectionTrait::execute_unprepared(&db, &table)
        .await
        .unwrap();
    let page = page();
    let (commands, _) = block(&page, "psql");
    let commands = commands.replace("psql -AtX old", &format!("psql -AtX '{}'", old.url));
    let destination = Destination::of(&TestDatabase::sqlite().await);
    let printed = run(&destination, &format!("{commands} || test $? = 3"));
    assert!(
        printed.starts_with("2 imported, 0 already there, 1 rejected"),
        "{printed}"
    );
    let ada = destination.row("ada").await;
    assert_eq!(ada.created_at.to_rfc3339(), "2019-05-06T05:08:09.100+00:00");
    assert_eq!(ada.password_hash.as_deref(), Some(BCRYPT));
}

//! What is exported and imported elsewhere is the same.

use std::{fmt::Write, fs::File, process::Stdio};

use serde_json::{Value, json};

use super::{BCRYPT, Destination};
use crate::support::on_each_database;

const SOME: [&str; 3] = [
    "6f9619ff-8b86-4011-b42d-00c04fc964ff",
    "00000000-0000-4000-8000-000000000001",
    "ffffffff-ffff-4fff-bfff-fffffffffffe",
];

/// Accounts of all kinds, more than a page of them; their ids are of no order.
fn accounts() -> String {
    let mut file = String::new();
    for n in 0..2_300 {
        let mut account = json!({ "username": format!("user_{n}") });
        if n % 2 == 0 {
            account["email"] = format!("{n}@example.org").into();
            account["emailVerified"] = (n % 4 == 0).into();
        }
        if n % 3 == 0 {
            account["passwordHash"] = BCRYPT.into();
            account["permissions"] = json!(["a,b", "c;d", "'e'", "=f"]);
        }
        if n % 5 == 0 {
            account["createdAt"] = "2020-01-02T03:04:05.000007Z".into();
            account["updatedAt"] = "2021-01-02T03:04:05.12Z".into();
            account["deactivatedAt"] = "2022-01-02T03:04:05Z".into();
        }
        if let Some(id) = SOME.get(n) {
            account["id"] = (*id).into();
        }
        writeln!(file, "{account}").unwrap();
    }
    writeln!(
        file,
        "{}",
        json!({ "id": "6f9619ff-8b86-4011-b42d-00c04fc964fe" })
    )
    .unwrap();
    file
}

fn export(from: &Destination, file: &str, arguments: &[&str]) {
    let out = File::create(from.folder.path().join(file)).unwrap();
    let mut command = from.command(&["export"]);
    let output = command
        .args(arguments)
        .stdout(out)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(said, "2301 accounts\n");
}

on_each_database! {
    async fn what_was_exported_is_the_same_where_it_is_imported(database: TestDatabase) {
        let from = Destination::of(&database);
        let import = from.import("accounts.jsonl", accounts());
        assert_eq!(import.counts(), [2_301, 0, 0], "{}", import.0.stderr);
        let rows = from.rows().await;
        for (file, arguments) in [
            ("export.jsonl", &["--with-password-hashes"][..]),
            ("export.csv", &["--with-password-hashes", "--format", "csv"]),
        ] {
            export(&from, file, arguments);
            let exported = std::fs::read(from.folder.path().join(file)).unwrap();
            let to = Destination::another(&database).await;
            let import = to.import(file, &exported);
            assert_eq!(import.counts(), [2_301, 0, 0], "{}", import.0.stderr);
            assert_eq!(to.rows().await, rows);
            // And back: nothing is new.
            assert_eq!(from.import_again(file).counts(), [0, 2_301, 0]);
            export(&to, file, arguments);
            assert_eq!(std::fs::read(to.folder.path().join(file)).unwrap(), exported);
        }
    }

    async fn hashes_leave_only_where_that_is_said(database: TestDatabase) {
        let from = Destination::of(&database);
        assert_eq!(from.import("accounts.jsonl", accounts()).counts(), [2_301, 0, 0]);
        for (file, arguments) in [("export.jsonl", &[][..]), ("export.csv", &["--format", "csv"])] {
            export(&from, file, arguments);
            let exported = std::fs::read_to_string(from.folder.path().join(file)).unwrap();
            assert!(!exported.contains("$2b$"));
            let to = Destination::another(&database).await;
            assert_eq!(to.import(file, &exported).counts(), [2_301, 0, 0]);
            let mut rows = from.rows().await;
            for row in &mut rows {
                row.password_hash = None;
            }
            assert_eq!(to.rows().await, rows);
            // Where they are, they stay.
            assert_eq!(from.import_again(file).counts(), [0, 2_301, 0]);
        }
        let ids: Vec<Value> = std::fs::read_to_string(from.folder.path().join("export.jsonl"))
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
            .collect();
        assert!(ids.is_sorted_by(|one, other| one.as_str() < other.as_str()));
    }
}

//! Lines as files have them: bad ones are reported one by one, and the good ones between them are imported.

use serde_json::{Value, json};

use super::{BCRYPT, Destination, Import};
use crate::support::{database::TestDatabase, on_each_database};

/// Looks for each complaint in its turn: line and field, and some words of the reason.
#[track_caller]
fn assert_complaints(import: &Import, expected: &[(u64, &str, &str)]) {
    let complaints = import.complaints();
    for ((line, field, reason), complaint) in expected.iter().zip(&complaints) {
        let start = match *field {
            "" => format!("line {line}: "),
            field => format!("line {line}: {field}: "),
        };
        assert!(complaint.starts_with(&start), "{complaint} is not {start}");
        assert!(complaint.contains(reason), "{complaint} has no {reason}");
    }
    assert_eq!(complaints.len(), expected.len(), "{complaints:#?}");
}

/// Each between two good lines: what is appended, with the field and some words of the reason.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn bad_objects() -> Vec<(String, &'static str, &'static str)> {
    let object = |value: Value| value.to_string();
    let costly = "$2b$15$X9DIgVLGS9AFX9QeMG6LUurNdOMkmpu6EYZWr3fVBI/Ho2XTEOKLG";
    let keyed = "$argon2id$v=19$m=256,t=2,p=2,keyid=Zm9v$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
    vec![
        (object(json!({ "username": "a" })), "username", "3 to 32"),
        (
            object(json!({ "username": "admin" })),
            "username",
            "reserved",
        ),
        (
            object(json!({ "username": 5 })),
            "username",
            "must be a text",
        ),
        (
            object(json!({ "email": "nobody" })),
            "email",
            "e-mail address",
        ),
        (object(json!({})), "username", "at least one of"),
        (
            object(json!({ "passwordHash": BCRYPT })),
            "username",
            "at least one of",
        ),
        (
            object(json!({ "id": "7", "username": "of_id_7" })),
            "id",
            "UUID",
        ),
        (object(json!({ "id": uuid::Uuid::nil() })), "id", "UUID"),
        (
            object(json!({ "username": "secret_1", "password": "hunter22" })),
            "password",
            "no field",
        ),
        (
            object(json!({ "username": "secret_2", "email_verified": true })),
            "email_verified",
            "emailVerified",
        ),
        (
            object(json!({ "username": "secret_3", "emailVerified": true })),
            "emailVerified",
            "no `email`",
        ),
        (
            object(json!({ "email": "a@b.c", "emailVerified": "yes" })),
            "emailVerified",
            "true or false",
        ),
        (
            object(json!({ "username": "secret_4", "passwordHash": "hunter22" })),
            "passwordHash",
            "must be an argon2",
        ),
        (
            object(json!({ "username": "secret_5", "passwordHash": &BCRYPT[..50] })),
            "passwordHash",
            "damaged",
        ),
        (
            object(json!({ "username": "secret_6", "passwordHash": costly })),
            "passwordHash",
            "more than 14",
        ),
        (
            object(json!({ "username": "secret_7", "passwordHash": keyed })),
            "passwordHash",
            "parameters that argon2",
        ),
        (
            object(json!({ "username": "secret_8", "passwordHash": { "hunter22": 1 } })),
            "passwordHash",
            "must be a text",
        ),
        (
            object(json!({ "username": "secret_9", "permissions": "a b" })),
            "permissions",
            "list of texts",
        ),
        (
            object(json!({ "username": "secret_10", "permissions": ["a b"] })),
            "permissions",
            "without space",
        ),
        (
            object(json!({ "username": "secret_11", "createdAt": 1_574_000_000 })),
            "createdAt",
            "must be a text",
        ),
        (
            object(json!({ "username": "secret_12", "createdAt": "2020-01-02" })),
            "createdAt",
            "RFC 3339",
        ),
        (
            object(json!({ "username": "secret_13", "createdAt": "1969-12-31T23:59:59Z" })),
            "createdAt",
            "1970",
        ),
        (
            object(json!({ "username": "secret_14", "updatedAt": "2999-12-31T23:59:59Z" })),
            "updatedAt",
            "1970",
        ),
        (
            object(
                json!({ "username": "secret_15", "deactivated": false, "deactivatedAt": "2020-01-02T03:04:05Z" }),
            ),
            "deactivated",
            "deactivatedAt",
        ),
        (
            "{\"username\":\"twice_1\",\"username\":\"twice_2\"}".to_owned(),
            "username",
            "twice",
        ),
        ("{\"username\":\"cut_off\"".to_owned(), "", "cut off"),
        (
            "{\"username\":\"more\"} {}".to_owned(),
            "",
            "not JSON, from column",
        ),
        ("username,email".to_owned(), "", "not JSON, from column 1"),
        ("[\"hunter22\"]".to_owned(), "", "not a JSON object"),
        ("\"hunter22\"".to_owned(), "", "not a JSON object"),
        (
            format!("{{\"username\":\"{}\"}}", "x".repeat(70_000)),
            "",
            "64 KiB",
        ),
    ]
}

on_each_database! {
    async fn bad_objects_are_reported_and_the_others_imported(database: TestDatabase) {
        let destination = Destination::of(&database);
        let mut file = Vec::new();
        let mut expected = Vec::new();
        let bad = bad_objects();
        for (index, (line, field, reason)) in bad.iter().enumerate() {
            // Blank lines are counted, and mean nothing.
            file.extend(format!("{{\"username\":\"good_{index}\"}}\r\n\n{line}\n").into_bytes());
            expected.push((3 * index as u64 + 3, *field, *reason));
        }
        let lines = 3 * bad.len() as u64;
        file.extend(b"{\"username\":\"not_\xff_utf8\"}\n{\"username\":\"without_an_end\"}");
        expected.push((lines + 1, "", "not UTF-8"));

        let import = destination.import("accounts.jsonl", file);
        assert_complaints(&import, &expected);
        let good = bad.len() + 1;
        assert_eq!(import.counts(), [good as u64, 0, expected.len() as u64]);
        assert_eq!(destination.rows().await.len(), good);
        for secret in ["hunter22", "X9DIgVLGS9", "bQk8UB"] {
            assert!(!import.0.stderr.contains(secret), "{}", import.0.stderr);
        }
        assert!(import.0.stderr.ends_with(&format!("error: rejected lines: {}\n", expected.len())));
    }

    async fn cells_are_read_as_spreadsheets_and_databases_write_them(database: TestDatabase) {
        let destination = Destination::of(&database);
        let file = format!(
            "\u{feff}email,\"username\",emailVerified,passwordHash,permissions,deactivated,createdAt\r\n\
             ada@example.org,ada,true,{BCRYPT},a b,f,2020-01-02T03:04:05Z\r\n\
             \"grace@example.org\",\"grace\",\"t\",\"{BCRYPT}\",\"read:\"\"all\"\"\",,\r\n\
             ,edsger,,,\"x,y\",1,\r\n\
             \r\n\
             alan@example.org,,0,,,0,\"2020-01-02T03:04:05+01:00\"\r\n\
             too@few.org,few\r\n\
             too@many.org,many,,,,,,\r\n\
             \"open@quote.org,quote,,,,,\r\n\
             last@example.org,last,no,,,,\r\n\
             barbara@example.org,barbara,,,,,"
        );
        let import = destination.import("accounts.csv", file);
        assert_complaints(&import, &[
            // Read as it is written, and no permission has quotation marks.
            (3, "permissions", "quotation mark"),
            (7, "", "has 2 fields, and the first line names 7"),
            (8, "", "has 8 fields, and the first line names 7"),
            (9, "", "not closed"),
            (10, "emailVerified", "true or false"),
        ]);
        assert_eq!(import.counts(), [4, 0, 5]);
        let ada = destination.row("ada").await;
        assert_eq!(ada.email.as_deref(), Some("ada@example.org"));
        assert!(ada.email_verified && ada.deactivated_at.is_none());
        assert_eq!(ada.permissions, "a b");
        assert_eq!(ada.password_hash.as_deref(), Some(BCRYPT));
        let edsger = destination.row("edsger").await;
        assert_eq!((edsger.email, edsger.password_hash), (None, None));
        assert_eq!(edsger.permissions, "x,y");
        assert!(edsger.deactivated_at.is_some());
        assert_eq!(destination.row("barbara").await.permissions, "");
    }
}

#[tokio::test]
async fn rejects_are_written_for_programs_too() {
    let destination = Destination::of(&TestDatabase::sqlite().await);
    let input = "{\"username\":\"ada\"}\n{\"username\":\"a\"}\n[]\n{\"username\":\"Ada\",\"email\":\"a@x.org\"}\n";
    let arguments = ["import", "-", "--rejects", "rejects.jsonl"];
    let import = Import(destination.folder.feed(&arguments, input));
    assert_eq!(import.counts(), [1, 0, 3]);
    let rejects = std::fs::read_to_string(destination.folder.path().join("rejects.jsonl")).unwrap();
    let rejects: Vec<Value> = rejects
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let line_and_field: Vec<_> = rejects
        .iter()
        .map(|reject| (reject["line"].as_u64().unwrap(), reject["field"].as_str()))
        .collect();
    let expected = [(2, Some("username")), (3, None), (4, Some("username"))];
    assert_eq!(line_and_field, expected);
    assert_eq!(
        rejects[2]["reason"],
        "is that of an account with another `email`"
    );
    // A file of the run before is not added to.
    let import = Import(
        destination
            .folder
            .feed(&arguments, "{\"username\":\"ada\"}"),
    );
    assert_eq!(import.counts(), [0, 1, 0]);
    let rejects = std::fs::read_to_string(destination.folder.path().join("rejects.jsonl")).unwrap();
    assert_eq!(rejects, "");
}

#[tokio::test]
async fn a_file_that_cannot_be_meant_imports_nothing() {
    let destination = Destination::of(&TestDatabase::sqlite().await);
    for (file, content, told) in [
        ("a.csv", "user,email\nada,a@x.org\n", "user: is no field"),
        (
            "a.csv",
            "email,email\nada,a@x.org\n",
            "email: is there twice",
        ),
        ("a.csv", "email,\"username\nada,a@x.org\n", "not closed"),
        (
            "a.csv",
            "username;email\nada;a@x.org\n",
            "username;email: is no field",
        ),
        ("a.csv", "", "no first line"),
    ] {
        let import = destination.import(file, content);
        assert_eq!(import.0.status.code(), Some(1), "{content}");
        assert!(
            import.0.stderr.contains(told),
            "{content}: {}",
            import.0.stderr
        );
        assert_eq!(import.0.stdout, "");
    }
    let missing = destination.folder.fails(&["import", "missing.jsonl"]);
    assert!(missing.contains("missing.jsonl"), "{missing}");
    assert_eq!(destination.rows().await, []);
    // A file without accounts is none too many.
    assert_eq!(destination.import("a.jsonl", "").counts(), [0, 0, 0]);
    assert_eq!(
        destination.import("a.csv", "username\n").counts(),
        [0, 0, 0]
    );
}

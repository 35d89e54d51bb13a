//! kill -9 in the middle of an import: the same command goes on, and nothing is there twice.

use std::{
    fmt::Write as _,
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use super::{BCRYPT, Destination};
use crate::support::{database::scalar, on_each_database};

const ACCOUNTS: u64 = 12_000;
const KILLS: u64 = 3;

on_each_database! {
    async fn an_import_that_was_killed_goes_on(database: TestDatabase) {
        let destination = Destination::of(&database);
        let mut file = String::new();
        for n in 0..ACCOUNTS {
            // One in ten has no user name, and another one a date.
            let name = if n % 10 == 0 { String::new() } else { format!("\"username\":\"user_{n}\",") };
            let date = if n % 10 == 1 { ",\"createdAt\":\"2020-01-02T03:04:05Z\"" } else { "" };
            writeln!(file, "{{{name}\"email\":\"{n}@example.org\",\"passwordHash\":\"{BCRYPT}\"{date}}}").unwrap();
        }
        let db = database.connect().await;
        let mut there = 0;
        let mut before = Vec::new();
        for kill in 1..=KILLS {
            let mut import = destination
                .command(&["import", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut stdin = import.stdin.take().unwrap();
            // The rest never comes, so it cannot be done before it is killed.
            let part = file.len() * usize::try_from(kill).unwrap() / 4;
            let input = file.as_bytes()[..part].to_vec();
            let writer = std::thread::spawn(move || {
                // Who is killed reads no more.
                let _ = stdin.write_all(&input);
                stdin
            });
            let begun = Instant::now();
            let more = there + 1;
            while there < more {
                assert!(begun.elapsed() < Duration::from_mins(1), "nothing is imported");
                tokio::time::sleep(Duration::from_millis(1)).await;
                there = scalar(&db, "SELECT COUNT(*) FROM accounts").await;
            }
            import.kill().unwrap();
            import.wait().unwrap();
            drop(writer.join().unwrap());
            let rows = destination.rows().await;
            assert!(before.iter().all(|row| rows.contains(row)), "what was there has stayed");
            there = i64::try_from(rows.len()).unwrap();
            before = rows;
        }
        let there = u64::try_from(there).unwrap();
        assert!(there < ACCOUNTS, "it was killed in the middle");
        let import = destination.import("accounts.jsonl", &file);
        assert_eq!(import.counts(), [ACCOUNTS - there, there, 0], "{}", import.0.stderr);
        let rows = destination.rows().await;
        assert_eq!(rows.len() as u64, ACCOUNTS);
        assert!(before.iter().all(|row| rows.contains(row)));
        assert_eq!(destination.import_again("accounts.jsonl").counts(), [0, ACCOUNTS, 0]);
        assert_eq!(destination.rows().await, rows);
    }

    /// What the database refuses in the middle is said with the line, and the same command goes on there.
    async fn an_import_that_the_database_stops_goes_on(database: TestDatabase) {
        let destination = Destination::of(&database);
        let mut file = String::new();
        for n in 0..2_500 {
            writeln!(file, "{{\"username\":\"user_{n}\"}}").unwrap();
        }
        let db = database.connect().await;
        let (make, drop_it) = if database.is_postgres() {
            (
                "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$ LANGUAGE plpgsql; \
                 CREATE TRIGGER refuse BEFORE INSERT ON accounts FOR EACH ROW WHEN (NEW.username = 'user_2100') \
                 EXECUTE FUNCTION refuse()",
                "DROP TRIGGER refuse ON accounts",
            )
        } else {
            (
                "CREATE TRIGGER refuse BEFORE INSERT ON accounts WHEN NEW.username = 'user_2100' \
                 BEGIN SELECT RAISE(ABORT, 'refused'); END",
                "DROP TRIGGER refuse",
            )
        };
        sea_orm::ConnectionTrait::execute_unprepared(&db, make).await.unwrap();
        let import = destination.import("accounts.jsonl", &file);
        assert_eq!(import.0.status.code(), Some(1));
        let complaint = &import.0.stderr;
        assert!(complaint.contains("error: stopped behind line 2000; run the same command again"), "{complaint}");
        assert_eq!(scalar(&db, "SELECT COUNT(*) FROM accounts").await, 2_000);
        sea_orm::ConnectionTrait::execute_unprepared(&db, drop_it).await.unwrap();
        assert_eq!(destination.import_again("accounts.jsonl").counts(), [500, 2_000, 0]);
    }
}

//! The README's walk, word for word, against the real binary.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use crate::support::database::TestDatabase;

/// The commands between a marker and the end of the block behind it, and the output that the README shows.
fn walk() -> (String, Vec<String>) {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, behind) = readme.split_once("<!-- walk -->\n```sh\n").unwrap();
    let (commands, behind) = behind.split_once("\n```\n").unwrap();
    let (_, behind) = behind.split_once("```text\n").unwrap();
    let (output, _) = behind.split_once("\n```").unwrap();
    (
        commands.to_owned(),
        output.lines().map(str::to_owned).collect(),
    )
}

fn walk_on(database: &TestDatabase) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_sessiongraph"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--public-url",
            "http://127.0.0.1:4000",
        ])
        .args([
            "--secret",
            "a master secret for tests, long enough",
            "--database-url",
            &database.url,
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
    let listening = log
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains("listening"))
        .expect("the server starts");
    let port = listening.rsplit(':').next().unwrap().trim().to_owned();
    // Nobody may have to wait for a full pipe.
    let log = std::thread::spawn(move || log.map_while(Result::ok).count());

    let (commands, shown) = walk();
    let commands = commands.replace("127.0.0.1:4000", &format!("127.0.0.1:{port}"));
    let output = Command::new("bash")
        .args(["-eo", "pipefail", "-c", &commands])
        .output()
        .unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    log.join().unwrap();

    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}{printed}");
    let printed: Vec<&str> = printed.lines().collect();
    assert_eq!(printed.len(), shown.len(), "{errors}{printed:#?}");
    for (printed, shown) in printed.iter().zip(&shown) {
        // The README cuts what differs each time.
        let fits = match shown.split_once('…') {
            Some((start, end)) => printed.starts_with(start) && printed.ends_with(end),
            None => printed == shown,
        };
        assert!(fits, "the README shows {shown}, and it printed {printed}");
    }
}

#[tokio::test]
async fn its_walk_prints_what_it_says_on_sqlite() {
    walk_on(&TestDatabase::sqlite().await);
}

#[tokio::test]
async fn its_walk_prints_what_it_says_on_postgres() {
    walk_on(&TestDatabase::postgres().await);
}

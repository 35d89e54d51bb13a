//! `serve`: first start, restart, stop.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
};

use super::support::Folder;
use crate::{
    live::socket::Socket,
    support::{database::TestDatabase, engine::SECRET},
};

const SESSION: &str = "{ session { valid } viewer { username } }";

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_first_start_needs_nothing_and_makes_its_files_private() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    let tokens = server.sign_up("ada").await;
    let answer = server.query(SESSION, tokens["accessToken"].as_str()).await;
    assert_eq!(answer["data"]["viewer"]["username"], "ada", "{answer:#}");
    assert_eq!(server.get("/health/ready").await.status(), 200);
    let keys: serde_json::Value = server
        .get("/.well-known/jwks.json")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    for file in ["data/sessiongraph.db", "data/sessiongraph.secret"] {
        assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
    }
    let secret = std::fs::read_to_string(folder.path().join("data/sessiongraph.secret")).unwrap();
    assert!(secret.trim().len() >= 32);
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(
        !log.contains(secret.trim()) && !log.contains(tokens["refreshToken"].as_str().unwrap()),
        "{log}"
    );
}

#[tokio::test]
async fn a_restart_keeps_sessions_and_keys() {
    let folder = Folder::new();
    let server = folder.serve(&["--public-url", "http://localhost:4000"]);
    let tokens = server.sign_up("ada").await;
    let keys = server
        .get("/.well-known/jwks.json")
        .await
        .text()
        .await
        .unwrap();
    assert!(server.stop().0.success());
    let server = folder.serve(&["--public-url", "http://localhost:4000"]);
    let answer = server.query(SESSION, tokens["accessToken"].as_str()).await;
    assert_eq!(answer["data"]["session"]["valid"], true, "{answer:#}");
    assert_eq!(
        server
            .get("/.well-known/jwks.json")
            .await
            .text()
            .await
            .unwrap(),
        keys
    );
    assert_eq!(
        server.refresh(&tokens["refreshToken"]).await["data"]["refreshTokens"]["refreshOutcome"],
        "ROTATED"
    );
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_answered() {
    let folder = Folder::new();
    let server = folder.serve(&["--public-url", "http://localhost:4000"]);
    let tokens = server.sign_up("ada").await;
    server.signal("KILL");
    assert!(!server.wait().0.success());
    let server = folder.serve(&["--public-url", "http://localhost:4000"]);
    let answer = server.query(SESSION, tokens["accessToken"].as_str()).await;
    assert_eq!(answer["data"]["viewer"]["username"], "ada", "{answer:#}");
}

#[tokio::test]
async fn a_socket_opens_over_http2_and_is_told_when_the_server_stops() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    let tokens = server.sign_up("ada").await;
    let socket = Socket::connect_over_http2(&server.url, &[]).await;
    let token = tokens["accessToken"].as_str().unwrap();
    let mut socket = socket.initialised(token).await;
    server.signal("TERM");
    assert_eq!(socket.closed().await, 1001);
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

/// A request of which half has been sent when the server is told to stop.
#[tokio::test]
async fn a_request_in_flight_is_answered_when_the_server_stops() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    // The server has the first half of it for sure once it has answered somebody who came later.
    let mut connection = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let body = r#"{"query":"mutation { signUp(input: { username: \"ada\", password: \"correct horse\" }) { account { username } } }"}"#;
    let (first, rest) = body.split_at(30);
    write!(
        connection,
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\nuser-agent: test/1\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    )
    .unwrap();
    for _ in 0..3 {
        assert_eq!(server.get("/health/ready").await.status(), 200);
    }
    server.signal("TERM");
    // It accepts no more, and then the rest arrives.
    while TcpStream::connect(server.url.trim_start_matches("http://")).is_ok() {
        std::thread::yield_now();
    }
    connection.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains(r#""username":"ada""#),
        "{answer}"
    );
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test]
async fn an_interrupt_stops_it_as_well() {
    let folder = Folder::new();
    let server = folder.serve(&["--log-format", "text"]);
    server.signal("INT");
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn an_address_in_use_is_said_so() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    let address = server.url.trim_start_matches("http://");
    let complaint = Folder::new().fails(&["serve", "--listen", address]);
    assert!(
        complaint.contains("listen") && complaint.contains(address),
        "{complaint}"
    );
}

#[test]
fn the_secret_of_a_database_has_to_be_there() {
    let folder = Folder::new();
    drop(folder.serve(&[]));
    std::fs::remove_file(folder.path().join("data/sessiongraph.secret")).unwrap();
    let complaint = folder.fails(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(
        complaint.contains("secret") && complaint.contains("missing"),
        "{complaint}"
    );
    let complaint = folder.fails(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--secret",
        "hunter2 hunter2 hunter2 hunter2 hunter2",
    ]);
    assert!(complaint.contains("secret"), "{complaint}");
    assert!(!complaint.contains("hunter2"), "{complaint}");
}

#[test]
fn without_migrations_a_fresh_database_is_refused() {
    let folder = Folder::new();
    let complaint = folder.fails(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--migrate-on-start",
        "false",
    ]);
    assert!(complaint.contains("`sessiongraph migrate`"), "{complaint}");
    folder.ok(&["migrate"]);
    drop(folder.serve(&["--migrate-on-start", "false"]));
}

#[tokio::test]
async fn postgres_without_a_secret_is_refused_and_with_one_is_shared() {
    let database = TestDatabase::postgres().await;
    let folder = Folder::new();
    let complaint = folder.fails(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        &database.url,
    ]);
    assert!(
        complaint.contains("secret") && complaint.contains("PostgreSQL"),
        "{complaint}"
    );
    let flags = [
        "--database-url",
        database.url.as_str(),
        "--secret",
        SECRET,
        "--public-url",
        "http://localhost:4000",
    ];
    let (one, two) = (folder.serve(&flags), Folder::new().serve(&flags));
    let tokens = one.sign_up("ada").await;
    let answer = two.query(SESSION, tokens["accessToken"].as_str()).await;
    assert_eq!(answer["data"]["session"]["valid"], true, "{answer:#}");
    assert_eq!(
        two.query("mutation { logout }", tokens["accessToken"].as_str())
            .await["data"]["logout"],
        true
    );
    let answer = one.query(SESSION, tokens["accessToken"].as_str()).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["reason"],
        "INVALID_SESSION"
    );
    assert!(one.stop().0.success() && two.stop().0.success());
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn limits_are_what_is_configured() {
    const WRONG: &str = "mutation { signIn(input: { identifier: \"ada\", password: \"wrong\" }) { account { id } } }";
    let code = |answer: &serde_json::Value| answer["errors"][0]["extensions"]["code"].clone();
    let folder = Folder::new();
    folder.write(
        "sessiongraph.toml",
        "sign_in_failures = \"2/1h\"\nsign_up_limit = \"1/1h\"\nrefresh_limit = \"1/1h\"\n",
    );
    let server = folder.serve(&[]);
    let tokens = server.sign_up("ada").await;
    let sign_up = "mutation { signUp(input: { username: \"bob\", password: \"correct horse\" }) { account { id } } }";
    let answer = server.query(sign_up, None).await;
    assert_eq!(code(&answer), "RATE_LIMITED", "{answer:#}");
    assert_eq!(
        code(&server.query(WRONG, None).await),
        "AUTHENTICATION_FAILED"
    );
    assert_eq!(
        code(&server.query(WRONG, None).await),
        "AUTHENTICATION_FAILED"
    );
    let answer = server.query(WRONG, None).await;
    assert_eq!(code(&answer), "RATE_LIMITED", "{answer:#}");
    let retry_after = answer["errors"][0]["extensions"]["retryAfter"]
        .as_u64()
        .unwrap();
    assert!((3_500..=3_600).contains(&retry_after), "{retry_after}");
    let refresh = format!(
        "mutation {{ refreshTokens(input: {{ refreshToken: {} }}) {{ refreshOutcome }} }}",
        tokens["refreshToken"]
    );
    assert_eq!(
        server.query(&refresh, None).await["data"]["refreshTokens"]["refreshOutcome"],
        "ROTATED"
    );
    assert_eq!(code(&server.query(&refresh, None).await), "RATE_LIMITED");
    let (_, log) = server.stop();
    assert!(!log.contains("no effect"), "{log}");

    // Failures are remembered across a restart, unless nobody counts them.
    let server = folder.serve(&[]);
    assert_eq!(code(&server.query(WRONG, None).await), "RATE_LIMITED");
    server.stop();
    let server = folder.serve(&[
        "--sign-in-failures",
        "off",
        "--sign-up-limit",
        "off",
        "--refresh-limit",
        "off",
    ]);
    for _ in 0..4 {
        assert_eq!(
            code(&server.query(WRONG, None).await),
            "AUTHENTICATION_FAILED"
        );
    }
    assert!(server.query(sign_up, None).await["errors"].is_null());
    server.stop();
}

#[tokio::test]
async fn what_is_counted_is_there_for_prometheus() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    let at_first = server.get("/metrics").await;
    let content_type = at_first.headers()["content-type"].to_str().unwrap();
    assert!(content_type.starts_with("text/plain; version=0.0.4"));
    let at_first = at_first.text().await.unwrap();
    assert!(
        at_first.contains("sessiongraph_sessions_pruned_total 0\n"),
        "{at_first}"
    );
    let tokens = server.sign_up("ada").await;
    for _ in 0..2 {
        server.refresh(&tokens["refreshToken"]).await;
    }
    server
        .query("mutation { logout }", tokens["accessToken"].as_str())
        .await;
    server.refresh(&tokens["refreshToken"]).await;
    let counted = server.get("/metrics").await.text().await.unwrap();
    for line in [
        "sessiongraph_sessions_opened_total 1",
        "sessiongraph_sessions_ended_total{reason=\"LOGOUT\"} 1",
        "sessiongraph_refreshes_total{outcome=\"ROTATED\"} 1",
        "sessiongraph_refreshes_total{outcome=\"CONVERGED\"} 1",
        "sessiongraph_refreshes_total{outcome=\"RECOVERED\"} 0",
        "sessiongraph_refreshes_total{outcome=\"INVALID_SESSION\"} 1",
        "# TYPE sessiongraph_refreshes_total counter",
    ] {
        assert!(counted.contains(&format!("{line}\n")), "{line}: {counted}");
    }
    let without = Folder::new().serve(&["--metrics", "false"]);
    assert_eq!(without.get("/metrics").await.status(), 404);
}

/// Its memory under sign-ins depends on it, and nothing else would show that the linker left it out.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn memory_comes_from_mimalloc() {
    let folder = Folder::new();
    let mut command = folder.command(&["--version"]);
    let output = command.env("MIMALLOC_VERBOSE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("mimalloc: process init"), "{said}");
}

//! Servers that are killed in the middle of their work.

use std::{collections::HashSet, time::Duration};

use serde_json::Value;
use tokio::task::JoinSet;

use super::support::{Folder, Server};
use crate::support::{
    database::{TestDatabase, scalar},
    engine::SECRET,
    postgres::Cluster,
};

const CLIENTS: usize = 24;
const ROUNDS: u64 = 10;

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

/// One exchange; `None` where no answer came.
async fn refresh(client: &reqwest::Client, url: &str, token: &str) -> Option<Value> {
    let document = format!(
        "mutation {{ refreshTokens(input: {{refreshToken: \"{token}\"}}) {{ refreshOutcome session {{ id }} tokens {{ refreshToken }} }} }}"
    );
    let body = serde_json::json!({ "query": document });
    let request = client
        .post(format!("{url}/graphql"))
        .header("user-agent", "test/1")
        .json(&body);
    request.send().await.ok()?.json().await.ok()
}

fn successor(answer: &Value) -> &str {
    let token = answer["data"]["refreshTokens"]["tokens"]["refreshToken"].as_str();
    token.unwrap_or_else(|| panic!("{answer:#}"))
}

/// Refreshes until no answer comes any more, and returns the last token that was answered.
async fn refresh_until_killed(url: String, mut token: String) -> (String, usize) {
    let client = reqwest::Client::new();
    let mut answered = 0;
    while let Some(answer) = refresh(&client, &url, &token).await {
        successor(&answer).clone_into(&mut token);
        answered += 1;
    }
    (token, answered)
}

async fn sessions(server: &Server) -> Vec<String> {
    let mut tokens = Vec::new();
    for n in 0..CLIENTS {
        let login = server.sign_up(&format!("user_{n}")).await;
        tokens.push(login["refreshToken"].as_str().unwrap().to_owned());
    }
    tokens
}

async fn kill_in_the_middle_of_refreshes(database: TestDatabase) {
    let folder = Folder::new();
    let mut server = folder.serve(&flags(&database.url));
    let mut tokens = sessions(&server).await;
    let mut answered = 0;
    for round in 0..ROUNDS {
        let mut clients = JoinSet::new();
        for token in tokens {
            clients.spawn(refresh_until_killed(server.url.clone(), token));
        }
        tokio::time::sleep(Duration::from_millis(150 + 40 * (round % 4))).await;
        server.signal("KILL");
        server.wait();
        server = folder.serve(&flags(&database.url));
        tokens = Vec::new();
        for (last, exchanges) in clients.join_all().await {
            answered += exchanges;
            // Whether or not the exchange behind it was committed: what was answered still works.
            let client = reqwest::Client::new();
            let answer = refresh(&client, &server.url, &last)
                .await
                .expect("the server is back");
            tokens.push(successor(&answer).to_owned());
        }
        assert_eq!(
            tokens.iter().collect::<HashSet<_>>().len(),
            CLIENTS,
            "no two clients hold one token"
        );
    }
    let db = database.connect().await;
    let clients = i64::try_from(CLIENTS).unwrap();
    assert_eq!(scalar(&db, "SELECT COUNT(*) FROM sessions").await, clients);
    let whole =
        "SELECT COUNT(*) FROM sessions WHERE invalidated_at IS NULL AND parent < generation";
    assert_eq!(
        scalar(&db, whole).await,
        clients,
        "no row is half written, and no session has ended"
    );
    assert!(
        answered > CLIENTS,
        "there was work to be killed in the middle of: {answered}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_refreshes_loses_no_answered_token_on_sqlite() {
    kill_in_the_middle_of_refreshes(TestDatabase::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_refreshes_loses_no_answered_token_on_postgres() {
    kill_in_the_middle_of_refreshes(TestDatabase::postgres().await).await;
}

/// A PostgreSQL of the test's own, with what a server at work on it needs.
struct Mortal {
    cluster: Cluster,
    server: Server,
}

impl Mortal {
    async fn start() -> Self {
        let cluster = Cluster::durable();
        cluster.create_database("mortal", None).await.unwrap();
        let url = cluster.url("mortal");
        let mut all = flags(&url).to_vec();
        all.extend([
            "--database-acquire-timeout",
            "1s",
            "--request-timeout",
            "3s",
        ]);
        let server = Folder::new().serve(&all);
        Self { cluster, server }
    }

    /// Waits until requests are answered again.
    async fn is_back(&self) {
        for _ in 0..200 {
            if self.server.get("/health/ready").await.status() == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not come back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_the_database_loses_no_answered_token() {
    let mortal = Mortal::start().await;
    let mut tokens = sessions(&mortal.server).await;
    for _ in 0..3 {
        let mut clients = JoinSet::new();
        for token in tokens {
            let url = mortal.server.url.clone();
            clients.spawn(async move {
                let client = reqwest::Client::new();
                let mut token = token;
                loop {
                    let answer = refresh(&client, &url, &token)
                        .await
                        .expect("the server itself lives");
                    match answer["data"]["refreshTokens"]["tokens"]["refreshToken"].as_str() {
                        Some(next) => next.clone_into(&mut token),
                        None => return (token, answer),
                    }
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        mortal.cluster.control(&["stop", "-m", "immediate"]);
        let last = clients.join_all().await;
        mortal.cluster.control(&["start"]);
        mortal.is_back().await;
        tokens = Vec::new();
        for (token, failure) in last {
            let extensions = &failure["errors"][0]["extensions"];
            assert_eq!(extensions["code"], "SERVICE_UNAVAILABLE", "{failure:#}");
            assert_eq!(extensions["action"], "RETRY");
            let answer = refresh(&reqwest::Client::new(), &mortal.server.url, &token)
                .await
                .unwrap();
            tokens.push(successor(&answer).to_owned());
        }
    }
    assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), CLIENTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_requests_get_a_prompt_answer_and_then_service_resumes() {
    let mortal = Mortal::start().await;
    let ada = mortal.server.sign_up("ada").await;
    let access_token = ada["accessToken"].as_str().unwrap();
    mortal.cluster.control(&["stop", "-m", "fast"]);
    let away = std::time::Instant::now();
    let asked = mortal
        .server
        .query("{ session { id } }", Some(access_token))
        .await;
    assert_eq!(
        asked["errors"][0]["extensions"]["code"], "SERVICE_UNAVAILABLE",
        "{asked:#}"
    );
    assert!(
        asked["errors"][0]["extensions"]["retryAfter"]
            .as_u64()
            .unwrap()
            >= 1
    );
    let written = mortal
        .server
        .query("mutation { logout }", Some(access_token))
        .await;
    assert_eq!(
        written["errors"][0]["extensions"]["code"], "SERVICE_UNAVAILABLE",
        "{written:#}"
    );
    assert!(
        away.elapsed() < Duration::from_secs(7),
        "two answers, each within its time"
    );
    assert_eq!(mortal.server.get("/health/ready").await.status(), 503);
    assert_eq!(mortal.server.get("/health/live").await.status(), 200);
    mortal.cluster.control(&["start"]);
    mortal.is_back().await;
    let again = mortal
        .server
        .query("{ session { valid } }", Some(access_token))
        .await;
    assert_eq!(again["data"]["session"]["valid"], true, "{again:#}");
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

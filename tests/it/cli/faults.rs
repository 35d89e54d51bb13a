//! Servers that are killed in the middle of their work.

use std::{collections::HashSet, time::Duration};

use serde_json::Value;
use tokio::task::JoinSet;

use super::support::{Folder, Server};
use crate::support::{
    database::{TestDatabase, scalar},
    engine::SECRET,
};

const CLIENTS: usize = 24;
const ROUNDS: u64 = 10;

fn flags(database: &TestDatabase) -> [&str; 6] {
    [
        "--database-url",
        &database.url,
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
    let mut server = folder.serve(&flags(&database));
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
        server = folder.serve(&flags(&database));
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

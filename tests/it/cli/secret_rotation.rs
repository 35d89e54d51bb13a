//! The master secret is rotated under load.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::support::{Folder, Server};
use crate::support::database::TestDatabase;

const OLD: &str = "the old secret, of more than thirty-two bytes";
const NEW: &str = "the new secret, of more than thirty-two bytes";
const CLIENTS: usize = 8;

fn serve(database: &TestDatabase, secret: &str, more: &[&str]) -> Server {
    let mut flags = vec![
        "--database-url",
        &database.url,
        "--secret",
        secret,
        "--public-url",
        "http://localhost:4000",
    ];
    flags.extend(more);
    Folder::new().serve(&flags)
}

async fn ask(client: &reqwest::Client, url: &str, document: &str, token: Option<&str>) -> Value {
    let mut request = client
        .post(format!("{url}/graphql"))
        .header("user-agent", "test/1")
        .json(&serde_json::json!({ "query": document }));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap().json().await.unwrap()
}

/// Refreshes at whichever replica takes requests, and uses what it gets, until told to stop. Nothing ever fails. How
/// often, and whose session it was.
async fn refresh(
    replicas: Arc<Mutex<Vec<String>>>,
    mut token: String,
    end: CancellationToken,
) -> (usize, String) {
    let client = reqwest::Client::new();
    let mut done = 0;
    loop {
        let url = {
            let replicas = replicas.lock().unwrap();
            replicas[done % replicas.len()].clone()
        };
        let document = format!(
            "mutation {{ refreshTokens(input: {{refreshToken: \"{token}\"}}) {{ session {{ id }} tokens {{ accessToken refreshToken }} }} }}"
        );
        let answer = ask(&client, &url, &document, None).await;
        let tokens = &answer["data"]["refreshTokens"]["tokens"];
        tokens["refreshToken"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer:#}"))
            .clone_into(&mut token);
        let seen = ask(
            &client,
            &url,
            "{ session { id valid } }",
            tokens["accessToken"].as_str(),
        )
        .await;
        assert_eq!(seen["data"]["session"]["valid"], true, "{seen:#}");
        done += 1;
        if end.is_cancelled() {
            return (done, seen["data"]["session"]["id"].to_string());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Another server in the place of one, which is asked nothing more before it is told to stop.
async fn replace(replicas: &Mutex<Vec<String>>, old: Server, new: Server) -> (Server, String) {
    {
        let mut urls = replicas.lock().unwrap();
        urls.retain(|url| *url != old.url);
        urls.push(new.url.clone());
    }
    // What was chosen before is sent by then.
    sleep(Duration::from_millis(300)).await;
    let (status, log) = old.stop();
    assert!(status.success(), "{log}");
    (new, log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_is_lost_and_no_request_fails_while_the_secret_is_rotated() {
    let database = TestDatabase::postgres().await;
    let (one, two) = (serve(&database, OLD, &[]), serve(&database, OLD, &[]));
    let replicas = Arc::new(Mutex::new(vec![one.url.clone(), two.url.clone()]));
    let end = CancellationToken::new();
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let login = one.sign_up(&format!("user_{n}")).await;
        let token = login["refreshToken"].as_str().unwrap().to_owned();
        clients.spawn(refresh(replicas.clone(), token, end.clone()));
    }
    sleep(Duration::from_millis(500)).await;

    // Under the feet of both, which know the old secret alone: they go on with the keys that they have.
    let folder = Folder::new();
    folder.write(
        "sessiongraph.toml",
        &format!("secret = '{NEW}'\nsecret_previous = ['{OLD}']\n"),
    );
    let database_url = ["--database-url", database.url.as_str()];
    folder.ok(&[&["secret", "rotate"], &database_url[..]].concat());
    // Longer than they take to notice.
    sleep(Duration::from_millis(1_500)).await;

    let (one, log) = replace(&replicas, one, serve(&database, NEW, &[])).await;
    assert!(log.contains("the signing keys could not be read"), "{log}");
    assert!(!log.contains(OLD) && !log.contains(NEW));
    sleep(Duration::from_millis(300)).await;
    let (two, _) = replace(&replicas, two, serve(&database, NEW, &[])).await;
    // The keyring goes on too.
    folder.ok(&[&["signing-key", "rotate", "--now"], &database_url[..]].concat());
    sleep(Duration::from_millis(1_500)).await;
    end.cancel();

    let mut sessions = HashSet::new();
    for (done, session) in clients.join_all().await {
        assert!(done > 5, "{done}");
        sessions.insert(session);
    }
    assert_eq!(sessions.len(), CLIENTS);
    for server in [one, two] {
        let (status, log) = server.stop();
        assert!(
            status.success() && !log.contains("could not be read"),
            "{log}"
        );
    }
}

//! kill -9 in the middle of two thousand refreshes: what was answered stands.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use sea_orm::{DatabaseConnection, EntityTrait};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sessiongraph::{
    entity::session,
    session::{LoginResult, NewSession, UpsertSession},
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::support::{Folder, Server};
use crate::support::{
    database::{TestDatabase, scalar},
    engine::{Engine, SECRET, request},
};

const ACCOUNTS: usize = 40;
/// As many as an account may have.
const SESSIONS_PER_ACCOUNT: usize = 50;
const SESSIONS: usize = ACCOUNTS * SESSIONS_PER_ACCOUNT;
/// Each with a hundred requests at a time: HTTP/2, or there would have to be two thousand open files.
const CONNECTIONS: usize = 20;
const ROUNDS: usize = 10;
const ISSUER: &str = "http://localhost:4000";
const REFRESH: &str = "mutation ($token: String!) { refreshTokens(input: { refreshToken: $token }) { refreshOutcome session { id } \
                       tokens { accessToken refreshToken } } }";

/// Who holds a session: the tokens that were answered last.
#[derive(Clone)]
struct Holder {
    session_id: Uuid,
    access_token: String,
    refresh_token: String,
}

impl Holder {
    fn of(login: &LoginResult) -> Self {
        Self {
            session_id: login.session.id,
            access_token: login.tokens.access_token.expose_secret().to_owned(),
            refresh_token: login.tokens.refresh_token.expose_secret().to_owned(),
        }
    }

    fn refresh(&self) -> Value {
        json!({ "query": REFRESH, "variables": { "token": self.refresh_token } })
    }

    /// Takes the tokens of an answer, and returns how they came about.
    #[track_caller]
    fn take(&mut self, answer: &Value) -> String {
        assert_eq!(answer.get("errors"), None, "{answer:#}");
        let login = &answer["data"]["refreshTokens"];
        assert_eq!(login["session"]["id"], self.session_id.to_string());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.access_token = text(&login["tokens"]["accessToken"]);
        self.refresh_token = text(&login["tokens"]["refreshToken"]);
        text(&login["refreshOutcome"])
    }
}

/// A client of one connection.
#[derive(Clone)]
struct Connection {
    client: reqwest::Client,
    url: String,
    user_agent: String,
}

impl Connection {
    fn to(server: &Server, user_agent: &str) -> Self {
        let client = reqwest::Client::builder().http2_prior_knowledge();
        Self {
            client: client.build().unwrap(),
            url: format!("{}/graphql", server.url),
            user_agent: user_agent.to_owned(),
        }
    }

    /// `None` where no answer came.
    async fn post(&self, body: &Value, access_token: Option<&str>) -> Option<Value> {
        let mut request = self.client.post(&self.url).json(body);
        request = request.header("user-agent", &self.user_agent);
        if let Some(token) = access_token {
            request = request.bearer_auth(token);
        }
        request.send().await.ok()?.json().await.ok()
    }
}

/// Sessions as they were left by a server that has served before.
async fn prepare(database: &TestDatabase) -> Vec<Holder> {
    let engine = Engine::with(
        database,
        sessiongraph::clock::ManualClock::default(),
        |policy| {
            ISSUER.clone_into(&mut policy.issuer);
        },
    )
    .await;
    let mut accounts = JoinSet::new();
    for n in 0..ACCOUNTS {
        let engine = engine.clone();
        accounts.spawn(async move {
            let first = engine.sign_up(&format!("user_{n}")).await;
            let mut holders = vec![Holder::of(&first)];
            let request = request();
            while holders.len() < SESSIONS_PER_ACCOUNT {
                let new = NewSession {
                    account_id: first.account.id,
                    credentials_version: None,
                    connection_info: engine.sessions.connection_info(&request).unwrap(),
                    metadata: None,
                };
                let opened = engine
                    .sessions
                    .upsert_refresh_token_and_session(&request, UpsertSession::Insert(new))
                    .await;
                holders.push(Holder::of(&opened.unwrap()));
            }
            holders
        });
    }
    accounts.join_all().await.concat()
}

async fn rows(db: &DatabaseConnection) -> HashMap<Uuid, session::Model> {
    let rows = session::Entity::find().all(db).await.unwrap();
    rows.into_iter().map(|row| (row.id, row)).collect()
}

/// Refreshes all sessions at once and kills the server when so many have been answered. Returns the holders, and whether
/// each was answered.
async fn refresh_until_killed(
    mut server: Server,
    holders: Vec<Holder>,
    user_agent: &str,
    enough: usize,
) -> Vec<(Holder, bool)> {
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| Connection::to(&server, user_agent))
        .collect();
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for (n, mut holder) in holders.into_iter().enumerate() {
        let (connection, answered) = (connections[n % CONNECTIONS].clone(), answered.clone());
        clients.spawn(async move {
            let Some(answer) = connection.post(&holder.refresh(), None).await else {
                return (holder, false);
            };
            answered.fetch_add(1, Ordering::Relaxed);
            assert_eq!(holder.take(&answer), "ROTATED");
            (holder, true)
        });
    }
    let begun = Instant::now();
    while answered.load(Ordering::Relaxed) < enough {
        assert!(begun.elapsed() < Duration::from_mins(1), "too few answers");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.kill();
    server.wait();
    clients.join_all().await
}

/// Compares a row with what it was before the refresh that may have been killed: all of it is written, or nothing.
#[track_caller]
fn is_whole(before: &session::Model, after: &session::Model, user_agent: &str) -> bool {
    let mut expected = before.clone();
    let is_exchanged = after.generation != before.generation;
    if is_exchanged {
        expected.generation = before.generation + 1;
        expected.parent = Some(before.generation);
        expected.user_agent = user_agent.to_owned();
        expected.user_agent_family = after.user_agent_family.clone();
        expected.ip = "127.0.0.1".to_owned();
        assert!(after.refreshed_at > before.refreshed_at);
        expected.refreshed_at = after.refreshed_at;
        expected.expires_at = after.refreshed_at + TimeDelta::days(7);
    }
    // Written apart, of the access tokens that were shown.
    expected.seen_generation = after.seen_generation;
    expected.last_seen_at = after.last_seen_at;
    assert_eq!(after, &expected);
    is_exchanged
}

/// Shows everybody's access token and exchanges the refresh token.
async fn show_all(
    server: &Server,
    holders: Vec<Holder>,
    user_agent: &str,
) -> Vec<(Holder, String)> {
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| Connection::to(server, user_agent))
        .collect();
    let mut clients = JoinSet::new();
    for (n, mut holder) in holders.into_iter().enumerate() {
        let connection = connections[n % CONNECTIONS].clone();
        clients.spawn(async move {
            let both = json!([{ "query": "{ session { id valid } }" }, holder.refresh()]);
            let answers = connection.post(&both, Some(&holder.access_token)).await;
            let answers = answers.expect("the server is back");
            let own = json!({ "id": holder.session_id.to_string(), "valid": true });
            assert_eq!(answers[0]["data"]["session"], own, "{answers:#}");
            let outcome = holder.take(&answers[1]);
            (holder, outcome)
        });
    }
    clients.join_all().await
}

async fn kill_in_the_middle_of_refreshes(database: TestDatabase) {
    let mut holders = prepare(&database).await;
    let flags = [
        "--database-url",
        &database.url,
        "--secret",
        SECRET,
        "--public-url",
        ISSUER,
        // The user agent tells which exchange has written a row.
        "--user-agent-binding",
        "off",
        // Two thousand wait for one database, on a machine that does other things too.
        "--database-acquire-timeout",
        "1m",
        "--request-timeout",
        "1m",
    ];
    let db = database.connect().await;
    let mut before = rows(&db).await;
    assert_eq!(before.len(), SESSIONS);
    let mut server = Folder::new().serve(&flags);
    let mut unanswered = 0;
    for round in 0..ROUNDS {
        let (storm, check) = (format!("storm/{round}"), format!("check/{round}"));
        let enough = 200 + 60 * round;
        let killed = refresh_until_killed(server, holders, &storm, enough).await;
        server = Folder::new().serve(&flags);

        let after = rows(&db).await;
        assert_eq!(after.len(), SESSIONS);
        let mut exchanged = HashMap::new();
        for (holder, is_answered) in &killed {
            let id = holder.session_id;
            let is_exchanged = is_whole(&before[&id], &after[&id], &storm);
            assert!(is_exchanged || !is_answered, "what was answered is written");
            exchanged.insert(id, is_exchanged && !is_answered);
            unanswered += usize::from(!is_answered);
        }
        if !database.is_postgres() {
            let sound = "SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'";
            assert_eq!(scalar(&db, sound).await, 1);
        }

        let all = killed.into_iter().map(|(holder, _)| holder).collect();
        holders = Vec::new();
        for (holder, outcome) in show_all(&server, all, &check).await {
            // Nobody is told of reuse, and who was not answered gets the successor that was written.
            let expected: &[_] = if exchanged[&holder.session_id] {
                &["CONVERGED", "RECOVERED"]
            } else {
                &["ROTATED"]
            };
            assert!(expected.contains(&outcome.as_str()), "{outcome}");
            let (was, is) = (&after[&holder.session_id], outcome != "CONVERGED");
            exchanged.insert(was.id, is);
            holders.push(holder);
        }
        before = rows(&db).await;
        for (id, is_exchanged) in exchanged {
            let generation = after[&id].generation + i64::from(is_exchanged);
            assert_eq!(before[&id].generation, generation, "no session has forked");
        }
    }
    let ended = "SELECT COUNT(*) FROM sessions WHERE invalidated_at IS NOT NULL";
    assert_eq!(scalar(&db, ended).await, 0);
    assert!(
        unanswered > SESSIONS,
        "there was work to be killed in the middle of: {unanswered}"
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

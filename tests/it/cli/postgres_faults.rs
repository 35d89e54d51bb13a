//! PostgreSQL crashes, stops, or hangs, while a server works on it.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::support::{Folder, Server};
use crate::support::{database::scalar, engine::SECRET, postgres::Cluster};

/// Within which a request has been answered, on a machine that does other things too.
const PROMPT: Duration = Duration::from_secs(6);
const DATABASE: &str = "mortal";
const PASSWORD: &str = "correct horse";

/// A PostgreSQL of the test's own, and a server at work on it.
struct Mortal {
    cluster: Cluster,
    server: Server,
}

impl Mortal {
    async fn start() -> Self {
        let cluster = Cluster::durable();
        cluster.create_database(DATABASE, None).await.unwrap();
        let server = Folder::new().serve(&[
            "--database-url",
            &cluster.url(DATABASE),
            "--secret",
            SECRET,
            "--database-acquire-timeout",
            "1s",
            "--request-timeout",
            "2s",
            "--argon2-memory-kib",
            "64",
            // A few very busy clients.
            "--refresh-limit",
            "off",
            "--sign-up-limit",
            "off",
        ]);
        Self { cluster, server }
    }

    /// Waits until requests are answered again.
    async fn is_back(&self) {
        let begun = Instant::now();
        while self.server.get("/health/ready").await.status() != 200 {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "it does not come back"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn count(&self, sql: &str) -> i64 {
        let options = sessiongraph::database::DatabaseOptions::new(self.cluster.url(DATABASE));
        let db = sessiongraph::database::connect(&options).await.unwrap();
        let count = scalar(&db, sql).await;
        db.close().await.unwrap();
        count
    }

    /// Stops, and leaves no word of a panic.
    fn stop(self) {
        let (status, log) = self.server.stop();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(!log.contains("panic"), "{log}");
    }
}

/// Somebody who sends requests, over one connection at a time.
#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    fn of(server: &Server) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: format!("{}/graphql", server.url),
        }
    }

    /// Runs a document, and asserts that the answer is prompt and clear: what was asked for, or that it cannot be had now.
    /// `None` is the latter.
    async fn run(&self, document: &str, variables: Value, token: Option<&str>) -> Option<Value> {
        let body = json!({ "query": document, "variables": variables });
        let mut request = self.http.post(&self.url).json(&body);
        request = request.header("user-agent", "test/1");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let begun = Instant::now();
        let response = request.send().await.expect("the server itself lives");
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        let duration = begun.elapsed();
        assert!(
            duration < PROMPT,
            "{document} took {duration:?}: {answer:#}"
        );
        let Some(errors) = answer["errors"].as_array() else {
            return Some(answer["data"].clone());
        };
        let extensions = &errors[0]["extensions"];
        assert_eq!(extensions["code"], "SERVICE_UNAVAILABLE", "{answer:#}");
        assert_eq!(extensions["action"], "RETRY", "{answer:#}");
        assert!(extensions["retryAfter"].as_u64() >= Some(1), "{answer:#}");
        assert!(
            [200, 503].contains(&status.as_u16()),
            "{status}: {answer:#}"
        );
        None
    }

    async fn sign_up(&self, username: &str) -> Option<Login> {
        let document = "mutation ($input: SignUpInput!) { signUp(input: $input) { tokens { accessToken refreshToken } } }";
        let input = json!({ "input": { "username": username, "password": PASSWORD } });
        let data = self.run(document, input, None).await?;
        Some(Login::new(&data["signUp"]))
    }

    async fn sign_in(&self, username: &str) -> Option<Login> {
        let document = "mutation ($input: SignInInput!) { signIn(input: $input) { tokens { accessToken refreshToken } } }";
        let input = json!({ "input": { "identifier": username, "password": PASSWORD } });
        let data = self.run(document, input, None).await?;
        Some(Login::new(&data["signIn"]))
    }

    /// The outcome, whatever it is, and the tokens where there are some.
    async fn refresh(&self, token: &str) -> Option<(String, Login)> {
        let document = "mutation ($token: String) { refreshTokens(input: { refreshToken: $token }) { refreshOutcome tokens { \
                        accessToken refreshToken } } }";
        let data = self.run(document, json!({ "token": token }), None).await?;
        let answer = &data["refreshTokens"];
        let outcome = answer["refreshOutcome"].as_str().unwrap();
        Some((outcome.to_owned(), Login::new(answer)))
    }

    async fn logout(&self, login: &Login) -> Option<()> {
        let token = Some(login.access_token.as_str());
        let data = self.run("mutation { logout }", json!({}), token).await?;
        assert_eq!(data["logout"], true);
        Some(())
    }

    async fn invalidate_all(&self, login: &Login) -> Option<()> {
        let document = "mutation { invalidateSessions(input: { mode: ALL }) }";
        let token = Some(login.access_token.as_str());
        let data = self.run(document, json!({}), token).await?;
        assert_eq!(data["invalidateSessions"], 1);
        Some(())
    }
}

#[derive(Clone)]
struct Login {
    access_token: String,
    refresh_token: String,
}

impl Login {
    fn new(answer: &Value) -> Self {
        let text = |name: &str| answer["tokens"][name].as_str().unwrap().to_owned();
        Self {
            access_token: text("accessToken"),
            refresh_token: text("refreshToken"),
        }
    }
}

/// What was answered before the database crashed.
enum Answered {
    /// Signed up under this name.
    SignedUp(String, Login),
    /// A session was ended.
    Ended(Login),
    /// These are the last tokens.
    Refreshed(Login),
}

/// One client that goes on until its requests are not answered any more; what it then relies on.
async fn work_until_it_crashes(client: Client, crash: usize, n: usize) -> Vec<Answered> {
    let mut answered = Vec::new();
    for round in 0.. {
        let name = format!("user_{crash}_{n}_{round}");
        let Some(login) = client.sign_up(&name).await else {
            break;
        };
        let ended = match n % 3 {
            0 => client.logout(&login).await,
            1 => client.invalidate_all(&login).await,
            _ => {
                answered.push(Answered::SignedUp(name, login));
                continue;
            }
        };
        match ended {
            Some(()) => answered.push(Answered::Ended(login)),
            None => break,
        }
    }
    answered
}

/// The same with one session that is refreshed again and again.
async fn refresh_until_it_crashes(client: Client, mut login: Login) -> Vec<Answered> {
    while let Some((_, next)) = client.refresh(&login.refresh_token).await {
        login = next;
    }
    vec![Answered::Refreshed(login)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_the_database_loses_nothing_that_was_answered() {
    const EACH: usize = 12;
    let mortal = Mortal::start().await;
    let mut refreshing = Vec::new();
    for n in 0..EACH {
        let client = Client::of(&mortal.server);
        refreshing.push(client.sign_up(&format!("refreshing_{n}")).await.unwrap());
    }
    let (mut signed_up, mut ended) = (0, 0);
    for crash in 0..3 {
        let mut clients = JoinSet::new();
        for login in refreshing {
            clients.spawn(refresh_until_it_crashes(Client::of(&mortal.server), login));
        }
        for n in 0..EACH {
            clients.spawn(work_until_it_crashes(Client::of(&mortal.server), crash, n));
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
        mortal.cluster.control(&["stop", "-m", "immediate"]);
        let all = clients.join_all().await;
        mortal.cluster.control(&["start"]);
        mortal.is_back().await;

        let client = Client::of(&mortal.server);
        refreshing = Vec::new();
        for answered in all.into_iter().flatten() {
            match answered {
                Answered::SignedUp(name, login) => {
                    signed_up += 1;
                    let again = client.sign_in(&name).await;
                    assert!(again.is_some(), "the account is there: {name}");
                    let (outcome, _) = client.refresh(&login.refresh_token).await.unwrap();
                    assert_eq!(outcome, "ROTATED");
                }
                Answered::Ended(login) => {
                    ended += 1;
                    let refused = mortal
                        .server
                        .query("{ session { id } }", Some(&login.access_token))
                        .await;
                    let extensions = &refused["errors"][0]["extensions"];
                    assert_eq!(extensions["reason"], "INVALID_SESSION", "{refused:#}");
                    let refused = mortal.server.refresh(&json!(login.refresh_token)).await;
                    let extensions = &refused["errors"][0]["extensions"];
                    assert_eq!(extensions["code"], "INVALID_SESSION", "{refused:#}");
                    assert_eq!(extensions["reason"], "INVALIDATED", "{refused:#}");
                }
                Answered::Refreshed(login) => {
                    let (_, next) = client.refresh(&login.refresh_token).await.unwrap();
                    refreshing.push(next);
                }
            }
        }
        let tokens: HashSet<_> = refreshing
            .iter()
            .map(|login| &login.refresh_token)
            .collect();
        assert_eq!(tokens.len(), EACH, "no two clients hold one token");
    }
    assert!(signed_up > 0 && ended > 0, "{signed_up} {ended}");
    // A sign-up that was not answered has made the account with its first session, or nothing.
    let without = "SELECT COUNT(*) FROM accounts WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE account_id = accounts.id)";
    assert_eq!(mortal.count(without).await, 0);
    mortal.stop();
}

/// Clients of all kinds that go on whatever happens, until they are told to end; each answer is prompt and clear.
struct Load {
    clients: JoinSet<Counts>,
    ends: Arc<AtomicBool>,
}

#[derive(Default, Debug)]
struct Counts {
    answered: usize,
    unavailable: usize,
}

impl Counts {
    fn count<T>(&mut self, answer: Option<T>) -> Option<T> {
        match answer {
            Some(_) => self.answered += 1,
            None => self.unavailable += 1,
        }
        answer
    }
}

impl Load {
    /// With accounts of its own, whose names begin with its own.
    async fn begin(mortal: &Mortal, name: &str) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for n in 0..8 {
            let (client, ends) = (Client::of(&mortal.server), ends.clone());
            let name = format!("{name}_{n}");
            let mut login = client.sign_up(&name).await.unwrap();
            clients.spawn(async move {
                let mut counts = Counts::default();
                while !ends.load(Ordering::Relaxed) {
                    match n {
                        0 => {
                            let refreshed = client.refresh(&login.refresh_token).await;
                            if let Some((_, next)) = counts.count(refreshed) {
                                login = next;
                            }
                        }
                        1 | 2 => {
                            let other = counts.answered + counts.unavailable;
                            counts.count(client.sign_up(&format!("{name}_{other}")).await);
                        }
                        3 => {
                            counts.count(client.sign_in(&name).await);
                        }
                        _ => {
                            let document =
                                "{ viewer { username sessions(first: 5) { nodes { id } } } }";
                            let token = Some(login.access_token.as_str());
                            counts.count(client.run(document, json!({}), token).await);
                        }
                    }
                }
                counts
            });
        }
        Self { clients, ends }
    }

    async fn end(self) -> Counts {
        self.ends.store(true, Ordering::Relaxed);
        let mut all = Counts::default();
        for counts in self.clients.join_all().await {
            all.answered += counts.answered;
            all.unavailable += counts.unavailable;
        }
        all
    }
}

/// While the database is away: probes say so, and each request is answered within its time.
async fn is_away(mortal: &Mortal, login: &Login) {
    let begun = Instant::now();
    assert_eq!(mortal.server.get("/health/ready").await.status(), 503);
    assert!(begun.elapsed() < PROMPT);
    assert_eq!(mortal.server.get("/health/live").await.status(), 200);
    let client = Client::of(&mortal.server);
    for document in ["{ session { id } }", "mutation { logout }"] {
        let answer = client
            .run(document, json!({}), Some(&login.access_token))
            .await;
        assert_eq!(answer, None, "{document}");
    }
}

/// All that worked before works again, with the same process and the same tokens.
async fn resumes(mortal: &Mortal, login: &Login) {
    mortal.is_back().await;
    let client = Client::of(&mortal.server);
    let document = "{ session { valid } }";
    let token = Some(login.access_token.as_str());
    // A connection that hung may be the one that is tried first.
    let begun = Instant::now();
    let answer = loop {
        if let Some(answer) = client.run(document, json!({}), token).await {
            break answer;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "service does not resume"
        );
    };
    assert_eq!(answer["session"]["valid"], true);
    for attempt in 0.. {
        let load = Load::begin(mortal, &format!("again_{attempt}")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let counts = load.end().await;
        if counts.answered > 0 && counts.unavailable == 0 {
            break;
        }
        assert!(attempt < 10, "{counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_stopped_requests_are_answered_promptly_and_then_service_resumes() {
    let mortal = Mortal::start().await;
    let client = Client::of(&mortal.server);
    let ada = client.sign_up("ada").await.unwrap();
    // Whether ada's unanswered logout was done is not known.
    let bob = client.sign_up("bob").await.unwrap();
    let load = Load::begin(&mortal, "before").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    mortal.cluster.control(&["stop", "-m", "fast"]);
    let stopped = Instant::now();
    is_away(&mortal, &ada).await;
    tokio::time::sleep(Duration::from_secs(10).saturating_sub(stopped.elapsed())).await;
    is_away(&mortal, &ada).await;
    mortal.cluster.control(&["start"]);
    mortal.is_back().await;
    let counts = load.end().await;
    assert!(counts.answered > 0 && counts.unavailable > 0, "{counts:?}");
    resumes(&mortal, &bob).await;
    mortal.stop();
}

/// It does not close its connections: it does not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_hangs_requests_are_answered_promptly_and_then_service_resumes() {
    let mortal = Mortal::start().await;
    let client = Client::of(&mortal.server);
    let ada = client.sign_up("ada").await.unwrap();
    // Whether ada's unanswered logout was done is not known.
    let bob = client.sign_up("bob").await.unwrap();
    let load = Load::begin(&mortal, "before").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let hanging = mortal.cluster.hang();
    let hung = Instant::now();
    is_away(&mortal, &ada).await;
    tokio::time::sleep(Duration::from_secs(10).saturating_sub(hung.elapsed())).await;
    is_away(&mortal, &ada).await;
    drop(hanging);
    mortal.is_back().await;
    let counts = load.end().await;
    assert!(counts.answered > 0 && counts.unavailable > 0, "{counts:?}");
    resumes(&mortal, &bob).await;
    mortal.stop();
}

/// It works for a moment, and hangs for longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_slow_requests_are_answered_promptly() {
    let mortal = Mortal::start().await;
    let bob = Client::of(&mortal.server).sign_up("bob").await.unwrap();
    let load = Load::begin(&mortal, "before").await;
    for hang in [200, 500, 1_000, 1_500, 3_000, 500, 200] {
        let hanging = mortal.cluster.hang();
        tokio::time::sleep(Duration::from_millis(hang)).await;
        drop(hanging);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let counts = load.end().await;
    assert!(counts.answered > 0, "{counts:?}");
    resumes(&mortal, &bob).await;
    mortal.stop();
}

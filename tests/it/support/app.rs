//! The whole application in the process: requests go through the real router, the clock is the test's.

use std::{collections::BTreeMap, net::SocketAddr};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::connect_info::MockConnectInfo,
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::{Value, json};
use sessiongraph::{
    clock::ManualClock,
    config::{Config, Sources},
    http::{App, router},
    scope::Scope,
    services::Services,
    session::Policy,
};
use tower::ServiceExt;

use super::{
    database::{TestDatabase, scalar},
    engine::{Engine, FIREFOX, PASSWORD, SECRET},
};

/// The origin of the server's own pages.
pub(crate) const ORIGIN: &str = "http://127.0.0.1:4000";

/// One replica, with its HTTP surface.
#[derive(Clone)]
pub(crate) struct TestApp {
    pub(crate) engine: Engine,
    router: Router,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl TestApp {
    pub(crate) async fn new(database: &TestDatabase) -> Self {
        Self::with(database, &[], |_| {}).await
    }

    /// With flags of the configuration, and a policy changed. The engine's policy is not read from the flags.
    pub(crate) async fn with(
        database: &TestDatabase,
        flags: &[(&'static str, &str)],
        change: impl FnOnce(&mut Policy),
    ) -> Self {
        let engine = Engine::with(database, ManualClock::default(), |policy| {
            ORIGIN.clone_into(&mut policy.issuer);
            change(policy);
        })
        .await;
        let mut all = vec![
            ("database_url", database.url.clone()),
            ("secret", SECRET.to_owned()),
        ];
        all.extend(flags.iter().map(|(key, value)| (*key, (*value).to_owned())));
        let mut sources = Sources::default();
        sources.flags = all;
        sources.directory = std::env::temp_dir();
        let config = Config::load(&sources).unwrap();
        let services = Services {
            db: engine.db.clone(),
            keyring: engine.keyring.clone(),
            sessions: engine.sessions.clone(),
            accounts: engine.accounts.clone().with_sign_up(config.sign_up),
        };
        let peer: SocketAddr = ([192, 0, 2, 1], 50_000).into();
        let router = router(App::new(&config, &services)).layer(MockConnectInfo(peer));
        Self { engine, router }
    }

    /// Sends any request through the router.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Serves on a port of its own until the runtime ends, for what needs a real connection.
    pub(crate) async fn listen(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = self.router.clone().into_make_service();
        tokio::spawn(async move { axum::serve(listener, service).await });
        address
    }

    /// The answer to a request whose body is not waited for.
    pub(crate) async fn stream(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Somebody without a token.
    pub(crate) fn anonymous(&self) -> Client {
        Client {
            app: self.clone(),
            headers: HeaderMap::new(),
        }
    }

    /// Somebody with a token in the Authorization header: an access token, or a service key.
    pub(crate) fn bearer(&self, token: &str) -> Client {
        self.anonymous()
            .with(header::AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// A backend with a fresh key.
    pub(crate) async fn service(&self, scopes: &[Scope]) -> Client {
        let name = uuid::Uuid::now_v7().to_string();
        let key = self
            .engine
            .sessions
            .create_service_key(&name, scopes.iter().copied())
            .await
            .unwrap();
        self.bearer(secrecy::ExposeSecret::expose_secret(&key))
    }

    /// Somebody with the access token of a login result.
    pub(crate) fn signed_in(&self, login: &Value) -> Client {
        self.bearer(access_token(login))
    }

    /// A page of the server's own, with the cookies that it has been given.
    pub(crate) fn browser(&self) -> Browser {
        Browser {
            client: self.anonymous().with(header::ORIGIN.as_str(), ORIGIN),
            cookies: BTreeMap::new(),
        }
    }

    /// Exchanges a refresh token.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        self.anonymous().refresh(refresh_token).await
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        scalar(&self.engine.db, &format!("SELECT COUNT(*) FROM {table}")).await
    }

    /// Runs statements behind the server's back.
    pub(crate) async fn sql(&self, sql: &str) {
        self.engine.db.execute_unprepared(sql).await.unwrap();
    }

    /// Deletes all accounts and leaves their sessions, which no foreign key would allow.
    pub(crate) async fn lose_accounts(&self) {
        self.sql(if self.engine.db.get_database_backend() == DbBackend::Sqlite {
            "PRAGMA foreign_keys = OFF; DELETE FROM accounts; PRAGMA foreign_keys = ON"
        } else {
            "SET session_replication_role = replica; DELETE FROM accounts; SET session_replication_role = DEFAULT"
        })
        .await;
    }

    /// Signs somebody up and returns the login result, with tokens and the ids of account and session.
    pub(crate) async fn sign_up(&self, username: &str) -> Value {
        let document = "mutation ($input: SignUpInput!) { signUp(input: $input) { account { id } session { id } tokens { \
                        accessToken refreshToken } } }";
        let input = json!({ "input": { "username": username, "password": PASSWORD } });
        self.anonymous()
            .run(document, input)
            .await
            .data("signUp")
            .clone()
    }
}

/// A client of the application: the headers that it sends with every request.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) app: TestApp,
    headers: HeaderMap,
}

impl Client {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let name: header::HeaderName = name.parse().unwrap();
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    /// Runs a document with variables.
    pub(crate) async fn run(&self, document: &str, variables: Value) -> Answer {
        let body = json!({ "query": document, "variables": variables });
        self.post(&body).await
    }

    /// Runs a document.
    pub(crate) async fn query(&self, document: &str) -> Answer {
        self.run(document, json!({})).await
    }

    /// Exchanges a refresh token.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        let document = "mutation ($token: String) { refreshTokens(input: { refreshToken: $token }) { refreshOutcome \
                        account { id } session { id } tokens { accessToken refreshToken } } }";
        self.run(document, json!({ "token": refresh_token })).await
    }

    /// Signs in with a user name and the password of the tests.
    pub(crate) async fn sign_in(&self, identifier: &str) -> Answer {
        let document = "mutation ($input: SignInInput!) { signIn(input: $input) { account { id } session { id } \
                        tokens { accessToken refreshToken } } }";
        let input = json!({ "input": { "identifier": identifier, "password": PASSWORD } });
        self.run(document, input).await
    }

    /// Posts any JSON.
    pub(crate) async fn post(&self, body: &Value) -> Answer {
        let mut request =
            Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
        if !self.headers.contains_key(header::USER_AGENT) {
            request = request.header(header::USER_AGENT, FIREFOX);
        }
        let mut request = request.body(Body::from(body.to_string())).unwrap();
        request.headers_mut().extend(self.headers.clone());
        self.app.send(request).await
    }
}

/// A page in a browser: cookies that an answer sets come back with the next request.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) client: Client,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Runs a document and keeps the cookies of the answer.
    pub(crate) async fn query(&mut self, document: &str) -> Answer {
        self.post(&json!({ "query": document })).await
    }

    /// Posts any JSON and keeps the cookies of the answer.
    pub(crate) async fn post(&mut self, body: &Value) -> Answer {
        let mut client = self.client.clone();
        if !self.cookies.is_empty() {
            let all: Vec<_> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            client = client.with(header::COOKIE.as_str(), &all.join("; "));
        }
        let answer = client.post(body).await;
        for line in answer.set_cookies() {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Signs up with cookies.
    pub(crate) async fn sign_up(&mut self, username: &str) -> Answer {
        self.query(&format!(
            "mutation {{ signUp(input: {{ username: \"{username}\", password: \"{PASSWORD}\", transport: COOKIE }}) \
             {{ account {{ id }} session {{ id }} tokens {{ accessToken }} }} }}"
        ))
        .await
    }
}

/// The access token in a login result.
#[track_caller]
pub(crate) fn access_token(login: &Value) -> &str {
    login["tokens"]["accessToken"].as_str().unwrap()
}

/// The refresh token in a login result.
#[track_caller]
pub(crate) fn refresh_token(login: &Value) -> &str {
    login["tokens"]["refreshToken"].as_str().unwrap()
}

/// A token with one character of its signature changed.
pub(crate) fn forged(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let at = bytes.len() - 5;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

impl Answer {
    /// All errors.
    pub(crate) fn errors(&self) -> &[Value] {
        self.body["errors"].as_array().map_or(&[], Vec::as_slice)
    }

    /// One field of the data; fails the test where there are errors.
    #[track_caller]
    pub(crate) fn data(&self, field: &str) -> &Value {
        assert!(self.body.get("errors").is_none(), "{:#}", self.body);
        &self.body["data"][field]
    }

    /// The extensions of the only error.
    #[track_caller]
    pub(crate) fn error(&self) -> &Value {
        let errors = self.body["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("no error in {:#}", self.body));
        assert_eq!(errors.len(), 1, "{:#}", self.body);
        &errors[0]["extensions"]
    }

    /// The code of the only error.
    #[track_caller]
    pub(crate) fn code(&self) -> &str {
        self.error()["code"].as_str().unwrap_or_default()
    }

    /// All `Set-Cookie` headers.
    pub(crate) fn set_cookies(&self) -> Vec<String> {
        let all = self.headers.get_all(header::SET_COOKIE).iter();
        all.map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }
}

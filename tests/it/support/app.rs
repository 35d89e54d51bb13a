//! The whole application in the process: requests go through the real router, the clock is the test's.

use std::net::SocketAddr;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::connect_info::MockConnectInfo,
    http::{HeaderMap, Request, Response, StatusCode, header},
};
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
    database::TestDatabase,
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

impl Answer {
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

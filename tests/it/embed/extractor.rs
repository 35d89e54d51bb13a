//! `CurrentSession` as an extractor, in a server that has no GraphQL.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{FromRef, State, connect_info::MockConnectInfo},
    http::{Request, StatusCode, header},
    routing::{any, get},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sessiongraph::{
    error::ErrorKind,
    http::{CookiePolicy, HttpSessions, SessionRejection, TrustedProxies},
    request::SessionRequest,
    scope::Scope,
    session::{CurrentSession, LoginResult, RequestDecision},
};
use tower::ServiceExt;

use crate::support::{
    database::TestDatabase,
    engine::{Engine, request},
    on_each_database,
};

const ORIGIN: &str = "https://app.example.com";

#[derive(Clone, FromRef)]
struct AppState {
    http: HttpSessions,
}

async fn me(current: CurrentSession) -> String {
    current.account.username.unwrap_or_default()
}

async fn maybe_me(current: Option<CurrentSession>) -> String {
    current.map_or_else(
        || "nobody".to_owned(),
        |current| current.account.username.unwrap_or_default(),
    )
}

async fn danger(
    State(http): State<HttpSessions>,
    current: CurrentSession,
) -> Result<&'static str, SessionRejection> {
    http.sessions()
        .require_fresh(&current, Duration::from_mins(1))?;
    Ok("done")
}

async fn address(request: SessionRequest) -> String {
    request.ip.map(|ip| ip.to_string()).unwrap_or_default()
}

struct Server {
    engine: Engine,
    router: Router,
}

struct Answer {
    status: StatusCode,
    challenge: Option<String>,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

impl Server {
    async fn new(database: &TestDatabase) -> Self {
        let engine = Engine::new(database).await;
        let proxies = TrustedProxies::from_texts(
            &["192.0.2.0/24"],
            sessiongraph::http::ForwardedHeader::XForwardedFor,
        )
        .unwrap();
        let http = HttpSessions::new(engine.sessions.clone())
            .with_cookies(CookiePolicy::new(true, ORIGIN, &[]))
            .with_proxies(proxies);
        let router = Router::new()
            .route("/me", any(me))
            .route("/maybe", any(maybe_me))
            .route("/danger", get(danger))
            .route("/address", get(address))
            .with_state(AppState { http })
            .layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 50_000))));
        Self { engine, router }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        let challenge = parts.headers.get(header::WWW_AUTHENTICATE);
        Answer {
            status: parts.status,
            challenge: challenge.map(|text| text.to_str().unwrap().to_owned()),
            headers: parts.headers,
            text,
        }
    }

    async fn get(&self, path: &str, token: Option<&SecretString>) -> Answer {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header(
                header::AUTHORIZATION,
                format!("Bearer {}", token.expose_secret()),
            );
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

fn with_cookies(
    method: &str,
    origin: Option<&str>,
    content_type: &str,
    cookies: &str,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri("/me")
        .header(header::CONTENT_TYPE, content_type);
    if let Some(origin) = origin {
        request = request.header(header::ORIGIN, origin);
    }
    request
        .header(header::COOKIE, cookies)
        .body(Body::from("{}"))
        .unwrap()
}

fn cookies(login: &LoginResult) -> String {
    let (access, refresh) = (
        login.tokens.access_token.expose_secret(),
        login.tokens.refresh_token.expose_secret(),
    );
    format!("__Host-sessiongraph_access={access}; __Host-sessiongraph_refresh={refresh}")
}

on_each_database! {
    async fn a_bearer_token_is_its_session(database: TestDatabase) {
        let server = Server::new(&database).await;
        let login = server.engine.sign_up("ada").await;
        let answer = server.get("/me", Some(&login.tokens.access_token)).await;
        assert_eq!((answer.status, &*answer.text), (StatusCode::OK, "ada"));
        let answer = server.get("/maybe", Some(&login.tokens.access_token)).await;
        assert_eq!(answer.text, "ada");
    }

    async fn without_a_token_there_is_a_challenge_without_an_error(database: TestDatabase) {
        let server = Server::new(&database).await;
        let answer = server.get("/me", None).await;
        assert_eq!((answer.status, answer.challenge.as_deref()), (StatusCode::UNAUTHORIZED, Some("Bearer")));
        let expected = json!({ "code": "UNAUTHENTICATED", "reason": "MISSING_TOKEN", "action": "SIGN_IN",
            "message": "Sign in first: the request carries no token." });
        assert_eq!(answer.json(), expected);
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(server.get("/maybe", None).await.text, "nobody");
    }

    async fn a_token_that_does_not_hold_is_invalid_also_where_none_is_needed(database: TestDatabase) {
        let server = Server::new(&database).await;
        let login = server.engine.sign_up("ada").await;
        let ended = server.engine.sign_in("ada").await;
        server.engine.sessions.logout(&mut request(), Some(&ended.tokens.access_token)).await.unwrap();
        let forged = SecretString::from("forged");
        for (token, reason) in [
            (&forged, "TOKEN_VERIFICATION_FAILED"),
            (&ended.tokens.access_token, "INVALID_SESSION"),
            (&login.tokens.refresh_token, "INVALID_TOKEN"),
        ] {
            for path in ["/me", "/maybe"] {
                let answer = server.get(path, Some(token)).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
                assert_eq!(answer.challenge.as_deref(), Some("Bearer error=\"invalid_token\""));
                assert_eq!(answer.json()["reason"], reason);
                assert!(!answer.text.contains(token.expose_secret()), "{}", answer.text);
            }
        }
        server.engine.advance(400);
        let answer = server.get("/me", Some(&login.tokens.access_token)).await;
        assert_eq!(answer.json()["action"], "REFRESH");
    }

    async fn a_service_key_is_nobody_or_forbidden(database: TestDatabase) {
        let server = Server::new(&database).await;
        let key = server.engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        let answer = server.get("/me", Some(&key)).await;
        assert_eq!((answer.status, answer.challenge.as_deref()), (StatusCode::FORBIDDEN, Some("Bearer error=\"insufficient_scope\"")));
        assert_eq!(server.get("/maybe", Some(&key)).await.text, "nobody");
    }

    async fn cookies_count_as_at_the_endpoint(database: TestDatabase) {
        let server = Server::new(&database).await;
        let cookies = cookies(&server.engine.sign_up("ada").await);
        let own = server.send(with_cookies("POST", Some(ORIGIN), "application/json", &cookies)).await;
        assert_eq!((own.status, &*own.text), (StatusCode::OK, "ada"));
        for (method, origin, content_type) in [
            ("POST", Some("https://evil.example"), "application/json"),
            ("POST", Some("null"), "application/json"),
            ("POST", None, "application/json"),
            ("POST", Some(ORIGIN), "text/plain"),
            ("GET", Some(ORIGIN), "application/json"),
        ] {
            let answer = server.send(with_cookies(method, origin, content_type, &cookies)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {origin:?} {content_type}");
            assert_eq!(answer.json()["reason"], "MISSING_TOKEN");
        }
    }

    async fn an_expired_cookie_is_not_renewed_on_the_way(database: TestDatabase) {
        let server = Server::new(&database).await;
        let login = server.engine.sign_up("ada").await;
        server.engine.advance(400);
        let answer = server.send(with_cookies("POST", Some(ORIGIN), "application/json", &cookies(&login))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!((&answer.json()["reason"], &answer.json()["action"]), (&json!("TOKEN_EXPIRED"), &json!("REFRESH")));
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
        assert_eq!(server.engine.row(login.session.id).await.generation, 0);
    }

    async fn an_old_sign_in_is_asked_for_again(database: TestDatabase) {
        let server = Server::new(&database).await;
        let login = server.engine.sign_up("ada").await;
        assert_eq!(server.get("/danger", Some(&login.tokens.access_token)).await.text, "done");
        server.engine.advance(61);
        let answer = server.get("/danger", Some(&login.tokens.access_token)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=\"60\"";
        assert_eq!(answer.challenge.as_deref(), Some(challenge));
        assert_eq!((&answer.json()["code"], &answer.json()["action"]), (&json!("FORBIDDEN"), &json!("SIGN_IN")));
    }

    async fn hooks_and_failures_are_answered_by_their_status(database: TestDatabase) {
        let server = Server::new(&database).await;
        let login = server.engine.sign_up("ada").await;
        server.engine.sessions.hooks().on_request(|request, _| async move {
            match request.user_agent.as_deref() {
                Some("limited") => RequestDecision::Reject(ErrorKind::RateLimited { retry_after: 7 }.into()),
                Some("refused") => RequestDecision::Reject(ErrorKind::Custom { code: "NO".into(), message: "No.".into() }.into()),
                _ => RequestDecision::Continue(request),
            }
        });
        for (agent, status) in [("limited", StatusCode::TOO_MANY_REQUESTS), ("refused", StatusCode::FORBIDDEN), ("fine", StatusCode::OK)] {
            let authorization = format!("Bearer {}", login.tokens.access_token.expose_secret());
            let request = Request::get("/me").header(header::AUTHORIZATION, authorization).header(header::USER_AGENT, agent);
            let answer = server.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.headers.contains_key(header::RETRY_AFTER), agent == "limited");
        }
        server.engine.sql("DROP TABLE sessions").await;
        let answer = server.get("/me", Some(&login.tokens.access_token)).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.json(), json!({ "code": "INTERNAL_SERVER_ERROR", "message": "Internal server error." }));
    }

    async fn the_address_is_what_a_trusted_proxy_reports(database: TestDatabase) {
        let server = Server::new(&database).await;
        assert_eq!(server.get("/address", None).await.text, "192.0.2.1");
        let forwarded = Request::get("/address").header("x-forwarded-for", "203.0.113.7").body(Body::empty()).unwrap();
        assert_eq!(server.send(forwarded).await.text, "203.0.113.7");
    }
}

//! `examples/embed.rs`: a server of somebody else's, with our objects in its schema and its own hooks.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::connect_info::MockConnectInfo,
    http::{Request, StatusCode, header},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sessiongraph::{
    account::{AccountChanges, Accounts},
    scope::Scope,
};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::{
    live::socket::Socket,
    support::{database::TestDatabase, engine::request, on_each_database},
};

#[expect(dead_code, reason = "its main function is for those who run it")]
#[path = "../../../examples/embed.rs"]
mod example;

struct Embedder {
    router: Router,
    accounts: Accounts,
}

impl Embedder {
    async fn new(database: &TestDatabase) -> Self {
        let (router, accounts) =
            example::app(&database.url, "a secret of thirty-two bytes or more")
                .await
                .unwrap();
        let router = router.layer(MockConnectInfo(std::net::SocketAddr::from((
            [192, 0, 2, 1],
            5_000,
        ))));
        Self { router, accounts }
    }

    async fn hello(&self, token: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::get("/hello");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn post(&self, document: &str, user_agent: &str, token: Option<&str>) -> Value {
        let mut request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, user_agent);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .body(Body::from(json!({ "query": document }).to_string()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap()
    }
}

const SIGN_UP: &str = r#"mutation { signUp(input: {username: "ada", password: "correct horse"}) {
    account { id } tokens { accessToken refreshToken } } }"#;

fn claims(access_token: &str) -> Value {
    let payload = BASE64_URL_SAFE_NO_PAD
        .decode(access_token.split('.').nth(1).unwrap())
        .unwrap();
    serde_json::from_slice(&payload).unwrap()
}

on_each_database! {
    async fn its_own_fields_and_ours_answer_one_query(database: TestDatabase) {
        let embedder = Embedder::new(&database).await;
        let signed_up = embedder.post(SIGN_UP, "test", None).await;
        let token = signed_up["data"]["signUp"]["tokens"]["accessToken"].as_str().unwrap();
        let answer = embedder.post("{ hello helloMe viewer { username } }", "test", Some(token)).await;
        let expected = json!({ "hello": "Hello!", "helloMe": "Hello, ada!", "viewer": { "username": "ada" } });
        assert_eq!(answer["data"], expected);
        let nobody = embedder.post("{ hello helloMe }", "test", None).await;
        assert_eq!(nobody["data"], Value::Null, "helloMe is not nullable");
        assert_eq!(nobody["errors"][0]["extensions"]["reason"], "MISSING_TOKEN");
        assert_eq!(nobody["errors"][0]["path"], json!(["helloMe"]));
    }

    async fn its_guards_and_its_extractor_keep_strangers_out(database: TestDatabase) {
        let embedder = Embedder::new(&database).await;
        let signed_up = embedder.post(SIGN_UP, "test", None).await;
        let token = signed_up["data"]["signUp"]["tokens"]["accessToken"].as_str();
        let reason = |answer: &Value| answer["errors"][0]["extensions"]["reason"].clone();
        for document in ["{ helloMe }", "{ helloBackend }", "mutation { deleteMyData }"] {
            let refused = embedder.post(document, "test", None).await;
            assert_eq!((&refused["data"], reason(&refused)), (&Value::Null, json!("MISSING_TOKEN")), "{document}");
        }
        let deleted = embedder.post("mutation { deleteMyData }", "test", token).await;
        assert_eq!(deleted["data"], json!({ "deleteMyData": true }));
        let refused = embedder.post("{ helloBackend }", "test", token).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");
        let key = embedder.accounts.sessions().create_service_key("backend", [Scope::AccountsRead]).await.unwrap();
        let greeted = embedder.post("{ helloBackend }", "test", Some(key.expose_secret())).await;
        assert_eq!(greeted["data"], json!({ "helloBackend": "Hello, backend!" }));
        assert_eq!(embedder.hello(None).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(embedder.hello(token).await, (StatusCode::OK, "Hello, ada!".to_owned()));
    }

    async fn its_subscriptions_know_who_is_signed_in(database: TestDatabase) {
        let embedder = Embedder::new(&database).await;
        let signed_up = embedder.post(SIGN_UP, "test", None).await;
        let token = signed_up["data"]["signUp"]["tokens"]["accessToken"].as_str().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = embedder.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });

        let mut socket = Socket::connect_to(&url, &[]).await.initialised(token).await;
        let countdown = |id: &str| json!({ "type": "subscribe", "id": id, "payload": { "query": "subscription { countdown(from: 1) }" } });
        socket.send(&countdown("mine")).await;
        for left in [1, 0] {
            assert_eq!(socket.next().await["payload"]["data"]["countdown"], left);
        }
        assert_eq!(socket.next().await["type"], "complete");

        let mut stranger = Socket::connect_to(&url, &[]).await.initialised("nobody's").await;
        stranger.send(&countdown("theirs")).await;
        let refused = stranger.next().await.to_string();
        assert!(refused.contains("TOKEN_VERIFICATION_FAILED"), "{refused}");
    }

    async fn its_hooks_add_a_claim_and_turn_a_request_away(database: TestDatabase) {
        let embedder = Embedder::new(&database).await;
        let signed_up = embedder.post(SIGN_UP, "test", None).await;
        let tokens = &signed_up["data"]["signUp"]["tokens"];
        assert_eq!(claims(tokens["accessToken"].as_str().unwrap())["plan"], "free");
        let refresh = format!(
            r"mutation {{ refreshTokens(input: {{refreshToken: {}}}) {{ tokens {{ accessToken }} }} }}",
            tokens["refreshToken"]
        );
        let refreshed = embedder.post(&refresh, "test", None).await;
        let access_token = refreshed["data"]["refreshTokens"]["tokens"]["accessToken"].as_str().unwrap();
        assert_eq!(claims(access_token)["plan"], "free");
        let rejected = embedder.post("{ hello }", "BadBot/1.0", None).await;
        assert_eq!(rejected["data"], Value::Null);
        assert_eq!(rejected["errors"][0]["extensions"]["code"], "FORBIDDEN");
    }

    async fn its_hook_rewords_an_error(database: TestDatabase) {
        let embedder = Embedder::new(&database).await;
        let signed_up = embedder.post(SIGN_UP, "test", None).await;
        let id = signed_up["data"]["signUp"]["account"]["id"].as_str().unwrap().parse().unwrap();
        let closed = AccountChanges { deactivated: Some(true), ..AccountChanges::default() };
        embedder.accounts.update(&request(), id, closed).await.unwrap();
        let refresh = format!(
            r"mutation {{ refreshTokens(input: {{refreshToken: {}}}) {{ account {{ id }} }} }}",
            signed_up["data"]["signUp"]["tokens"]["refreshToken"]
        );
        let refused = embedder.post(&refresh, "test", None).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "ACCOUNT_CLOSED");
        assert!(refused["errors"][0]["message"].as_str().unwrap().contains("closed"));
    }
}

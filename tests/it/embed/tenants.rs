//! `examples/tenants.rs`.

use std::net::SocketAddr;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::connect_info::MockConnectInfo,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{database::TestDatabase, on_each_database};

#[expect(dead_code, reason = "its main function is for those who run it")]
#[path = "../../../examples/tenants.rs"]
mod example;

struct App(Router);

impl App {
    async fn new(database: &TestDatabase) -> Self {
        let router = example::app(&database.url).await.unwrap();
        let peer = SocketAddr::from(([192, 0, 2, 1], 5_000));
        Self(router.layer(MockConnectInfo(peer)))
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Vec<u8>) {
        let response = self.0.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (
            status,
            to_bytes(response.into_body(), usize::MAX)
                .await
                .unwrap()
                .to_vec(),
        )
    }

    async fn me(&self, host: &str, token: &str) -> (StatusCode, String) {
        let request = Request::get("/me").header(header::HOST, host);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        let (status, body) = self.send(request.body(Body::empty()).unwrap()).await;
        (status, String::from_utf8(body).unwrap())
    }

    async fn ask(&self, host: &str, token: &str, document: &str) -> Value {
        let request = Request::post("/graphql")
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "test")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        let body = Body::from(json!({ "query": document }).to_string());
        serde_json::from_slice(&self.send(request.body(body).unwrap()).await.1).unwrap()
    }
}

on_each_database! {
    async fn a_token_of_one_tenant_is_none_at_another(database: TestDatabase) {
        let app = App::new(&database).await;
        let sign_up = r#"mutation { signUp(input: {username: "ada", password: "correct horse"}) { tokens { accessToken refreshToken } } }"#;
        let tokens = app.ask("red.localhost", "", sign_up).await["data"]["signUp"]["tokens"].clone();
        let token = tokens["accessToken"].as_str().unwrap();
        assert_eq!(app.me("red.localhost", token).await, (StatusCode::OK, "ada".to_owned()));
        let (status, refused) = app.me("blue.localhost", token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(refused.contains("TOKEN_VERIFICATION_FAILED"), "{refused}");
        assert_eq!(app.me("green.localhost", token).await.0, StatusCode::NOT_FOUND);
        let session = "{ viewer { username } }";
        assert_eq!(app.ask("red.localhost", token, session).await["data"]["viewer"]["username"], "ada");
        let refused = app.ask("blue.localhost", token, session).await;
        assert_eq!(refused["errors"][0]["extensions"]["reason"], "TOKEN_VERIFICATION_FAILED");
        let refresh = format!("mutation {{ refreshTokens(input: {{refreshToken: {}}}) {{ refreshOutcome }} }}", tokens["refreshToken"]);
        let refused = app.ask("blue.localhost", "", &refresh).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "TOKEN_VERIFICATION_FAILED");
        assert_eq!(app.ask("red.localhost", "", &refresh).await["data"]["refreshTokens"]["refreshOutcome"], "ROTATED");
    }
}

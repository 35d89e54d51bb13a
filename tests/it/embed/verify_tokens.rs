//! `examples/verify_tokens.rs`: another service, which has nothing but the public keys.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::sync::{Mutex, RwLock};
use tower::ServiceExt;

use crate::support::{
    app::{ORIGIN, TestApp},
    on_each_database,
};

#[expect(dead_code, reason = "its main function is for those who run it")]
#[path = "../../../examples/verify_tokens.rs"]
mod example;

struct Service(Router);

impl Service {
    async fn new(app: &TestApp, reload_at_most_every: Duration) -> Self {
        Self(example::app(example::TokenVerifier {
            issuer: ORIGIN.to_owned(),
            jwks_url: format!("http://{}/.well-known/jwks.json", app.listen().await),
            audience: "sessiongraph".to_owned(),
            reload_at_most_every,
            keys: RwLock::default(),
            asked_at: Mutex::default(),
            http: reqwest::Client::new(),
        }))
    }

    async fn me(&self, token: &str) -> (StatusCode, Value) {
        let request = Request::get("/me").header(header::AUTHORIZATION, format!("Bearer {token}"));
        let request = request.body(Body::empty()).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let status = response.status();
        assert_eq!(
            response.headers().contains_key(header::WWW_AUTHENTICATE),
            status == StatusCode::UNAUTHORIZED
        );
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

on_each_database! {
    async fn what_the_server_signed_is_believed_and_nothing_else(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let service = Service::new(&app, Duration::ZERO).await;
        let login = app.engine.sign_up("ada").await;
        let token = login.tokens.access_token.expose_secret();
        let (status, claims) = service.me(token).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!((&claims["sub"], &claims["sid"]), (&login.account.id.to_string().into(), &login.session.id.to_string().into()));
        let changed = token.replace('.', ".a");
        for forged in ["forged", &changed, login.tokens.refresh_token.expose_secret()] {
            assert_eq!(service.me(forged).await.0, StatusCode::UNAUTHORIZED);
        }
        app.engine.clock.go_back(Duration::from_mins(6));
        let expired = app.engine.sign_in("ada").await;
        assert_eq!(service.me(expired.tokens.access_token.expose_secret()).await.0, StatusCode::UNAUTHORIZED);
        let without = service.0.clone().oneshot(Request::get("/me").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(without.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }

    async fn a_rotated_key_is_known_before_it_signs_and_an_unknown_one_is_asked_for(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let lazy = Service::new(&app, Duration::from_hours(1)).await;
        let eager = Service::new(&app, Duration::ZERO).await;
        let login = app.engine.sign_up("ada").await;
        for service in [&lazy, &eager] {
            assert_eq!(service.me(login.tokens.access_token.expose_secret()).await.0, StatusCode::OK);
        }
        for known in [true, false] {
            app.engine.keyring.rotate(true).await.unwrap();
            let login = app.engine.sign_in("ada").await;
            let token = login.tokens.access_token.expose_secret();
            assert_eq!(eager.me(token).await.0, StatusCode::OK);
            // It has just asked, and the key was not there.
            assert_eq!(lazy.me(token).await.0 == StatusCode::OK, known);
        }
    }
}

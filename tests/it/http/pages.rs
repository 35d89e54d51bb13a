//! Public keys, probes and the playground.

use axum::{
    body::Body,
    http::{Request, header},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{
    app::{Answer, TestApp, access_token},
    on_each_database,
};

async fn get(app: &TestApp, path: &str) -> Answer {
    app.send(Request::get(path).body(Body::empty()).unwrap())
        .await
}

on_each_database! {
    async fn the_public_keys_are_those_that_verify_and_nothing_private(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let answer = get(&app, "/.well-known/jwks.json").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/jwk-set+json");
        assert!(answer.headers[header::CACHE_CONTROL].to_str().unwrap().starts_with("public, max-age="));
        let keys = answer.body["keys"].as_array().unwrap();
        // The one that signs, and the standby.
        assert_eq!(keys.len(), 2);
        for key in keys {
            assert_eq!((&key["kty"], &key["crv"], &key["alg"], &key["use"]), (&json!("EC"), &json!("P-256"), &json!("ES256"), &json!("sig")));
            assert!(key["kid"].is_string() && key["x"].is_string() && key["y"].is_string());
            assert_eq!(key.get("d"), None);
        }
        let login = app.sign_up("ada").await;
        let head = BASE64_URL_SAFE_NO_PAD.decode(access_token(&login).split('.').next().unwrap()).unwrap();
        let head: Value = serde_json::from_slice(&head).unwrap();
        assert_eq!((&head["typ"], &head["alg"]), (&json!("at+jwt"), &json!("ES256")));
        assert!(keys.iter().any(|key| key["kid"] == head["kid"]));
    }

    async fn the_probes_tell_whether_the_database_answers(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        assert_eq!(get(&app, "/health/live").await.status, 200);
        assert_eq!(get(&app, "/health/ready").await.status, 200);
        app.engine.db.clone().close().await.unwrap();
        assert_eq!(get(&app, "/health/live").await.status, 200);
        let answer = get(&app, "/health/ready").await;
        assert_eq!(answer.status, 503);
        assert!(!answer.body.to_string().to_lowercase().contains("sql"));
    }

    // Built or not: what it is then, the tests of `http::playground` and those in playground/tests look at.
    async fn the_playground_is_there_and_loads_nothing_from_elsewhere(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let answer = get(&app, "/").await;
        assert!(answer.status.is_redirection(), "{}", answer.status);
        assert_eq!(answer.headers[header::LOCATION], "/playground");
        let answer = get(&app, "/playground").await;
        assert_eq!(answer.status, 200);
        assert!(answer.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-cache");
        let page = answer.body.as_str().unwrap();
        assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "{page}");
    }

    async fn the_playground_can_be_switched_off(database: TestDatabase) {
        let app = TestApp::with(&database, &[("playground", "false")], |_| {}).await;
        for path in ["/", "/playground", "/playground/", "/playground/icon.svg"] {
            assert_eq!(get(&app, path).await.status, 404, "{path}");
        }
    }

    async fn what_is_not_there_is_not_found(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for path in ["/nothing", "/graphql/", "/.well-known/", "/health"] {
            assert_eq!(get(&app, path).await.status, 404, "{path}");
        }
    }

    async fn every_answer_has_a_request_id(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for path in ["/graphql", "/health/live", "/nothing"] {
            assert!(!get(&app, path).await.headers["x-request-id"].is_empty(), "{path}");
        }
        let request = Request::get("/health/live").header("x-request-id", "given").body(Body::empty()).unwrap();
        assert_eq!(app.send(request).await.headers["x-request-id"], "given");
    }
}

//! CORS: pages of allowed origins only.

use axum::{
    body::Body,
    http::{HeaderMap, Request, header},
};
use serde_json::json;

use crate::support::{app::TestApp, on_each_database};

async fn preflight(app: &TestApp, origin: &str) -> HeaderMap {
    let request = Request::options("/graphql")
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            "content-type,authorization",
        );
    app.send(request.body(Body::empty()).unwrap()).await.headers
}

on_each_database! {
    async fn an_allowed_origin_may_call_with_credentials(database: TestDatabase) {
        let app = TestApp::with(&database, &[("allowed_origins", "https://app.example,http://localhost:3000")], |_| {}).await;
        for origin in ["https://app.example", "http://localhost:3000"] {
            let headers = preflight(&app, origin).await;
            assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], origin);
            assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
            let allowed = headers[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().to_lowercase();
            for name in ["content-type", "authorization", "x-request-id", "traceparent", "tracestate"] {
                assert!(allowed.contains(name), "{name}: {allowed}");
            }
            assert!(headers[header::ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().contains("POST"));
            assert!(headers.contains_key(header::ACCESS_CONTROL_MAX_AGE));
            let answer = app.anonymous().with("origin", origin).query("{ __typename }").await;
            assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], origin);
            assert!(answer.headers[header::VARY].to_str().unwrap().to_lowercase().contains("origin"));
        }
        for origin in ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"] {
            let headers = preflight(&app, origin).await;
            assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{origin}: {headers:?}");
            let answer = app.anonymous().with("origin", origin).query("{ __typename }").await;
            assert!(!answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{origin}");
        }
    }

    async fn no_cache_keeps_what_a_preflight_says_of_graphql(database: TestDatabase) {
        let app = TestApp::with(&database, &[("allowed_origins", "https://app.example")], |_| {}).await;
        for origin in ["https://app.example", "https://evil.example"] {
            let headers = preflight(&app, origin).await;
            assert_eq!(headers[header::CACHE_CONTROL], "no-store");
            assert_eq!(headers.get(header::ALLOW), None, "HEAD is not allowed");
        }
        // Keys are public, and pages of allowed origins may read them.
        let keys = Request::get("/.well-known/jwks.json").header(header::ORIGIN, "https://app.example");
        let keys = app.send(keys.body(Body::empty()).unwrap()).await.headers;
        assert_eq!(keys[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert!(keys[header::CACHE_CONTROL].to_str().unwrap().starts_with("public"));
    }

    async fn a_page_of_an_allowed_origin_has_cookies(database: TestDatabase) {
        let app = TestApp::with(&database, &[("allowed_origins", "https://app.example")], |_| {}).await;
        let mut browser = app.browser();
        browser.client = app.anonymous().with("origin", "https://app.example");
        let answer = browser.sign_up("ada").await;
        assert_eq!(answer.data("signUp")["tokens"], json!(null));
        browser.query("{ session { id } }").await.data("session")["id"].as_str().unwrap();
    }

    async fn without_allowed_origins_nothing_is_allowed(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for origin in ["https://app.example", crate::support::app::ORIGIN] {
            let headers = preflight(&app, origin).await;
            assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control-allow-")), "{headers:?}");
        }
    }
}

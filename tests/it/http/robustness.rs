//! What clients send that nobody expects.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::support::{
    app::{Answer, TestApp},
    on_each_database,
};

const REQUEST_ID: &str = "x-request-id";

async fn post(app: &TestApp, header_name: &str, value: &str) -> Answer {
    let request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header_name, value)
        .body(Body::from(r#"{"query": "{ __typename }"}"#));
    app.send(request.unwrap()).await
}

/// `{"query": "{ __typename }"}`, compressed.
const COMPRESSED: &str = "H4sIAAAAAAACA6tWKixNLapUslJQqlaIjy+pLEjNS8xNVahVqgUAgLI9lBsAAAA=";
/// The same with 400,000 spaces in it.
const COMPRESSED_SPACES: &str = "H4sIAAAAAAACA+3BsQ2AMAwAsFeinMEzFUNGKkAwVFV/5wsm2zOvt+6RW2QAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADAD2a09oyz+n5UrFwfQuUqM5saBgA=";

async fn post_compressed(app: &TestApp, body: &str) -> Answer {
    let request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_ENCODING, "gzip")
        .body(Body::from(BASE64_STANDARD.decode(body).unwrap()));
    app.send(request.unwrap()).await
}

on_each_database! {
    async fn a_compressed_body_is_read_and_limited_by_what_is_in_it(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        assert_eq!(*post_compressed(&app, COMPRESSED).await.data("__typename"), "Query");
        let refused = post_compressed(&app, COMPRESSED_SPACES).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(refused.code(), "BAD_REQUEST");
    }

    async fn a_body_in_an_unknown_encoding_is_refused_in_our_own_form(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let refused = post(&app, "content-encoding", "lzma").await;
        assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(refused.code(), "BAD_REQUEST");
        assert_eq!(refused.headers[header::CACHE_CONTROL], "no-store");
    }

    async fn a_request_id_is_a_short_word_or_ours(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        assert_eq!(post(&app, REQUEST_ID, "trace-1.2_3").await.headers[REQUEST_ID], "trace-1.2_3");
        for unusable in ["", "two words", "a=b", &"x".repeat(65)] {
            let ours = post(&app, REQUEST_ID, unusable).await.headers[REQUEST_ID].to_str().unwrap().to_owned();
            assert!(uuid::Uuid::try_parse(&ours).is_ok(), "{unusable:?} became {ours:?}");
        }
    }

    async fn without_introspection_nobody_reads_the_schema(database: TestDatabase) {
        let app = TestApp::with(&database, &[("introspection", "false")], |_| {}).await;
        for document in [
            "{ __schema { queryType { name } } }",
            "{ __type(name: \"Account\") { name } }",
            "{ ...F } fragment F on Query { s: __schema { queryType { name } } }",
        ] {
            let refused = app.anonymous().query(document).await;
            assert_eq!(refused.code(), "GRAPHQL_VALIDATION_FAILED", "{document}");
            assert_eq!(refused.body.get("data"), None);
        }
        assert_eq!(*app.anonymous().query("{ __typename }").await.data("__typename"), "Query");
    }
}

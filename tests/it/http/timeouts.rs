//! A request that takes too long.

use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;

use crate::support::{
    app::{TestApp, refresh_token},
    on_each_database,
};

on_each_database! {
    async fn a_request_over_its_time_is_unavailable_as_a_whole(database: TestDatabase) {
        let app = TestApp::with(&database, &[("request_timeout", "300ms")], |_| {}).await;
        let login = app.sign_up("ada").await;
        let elsewhere = database.connect().await;
        let lock = elsewhere.begin().await.unwrap();
        // Holds the row on PostgreSQL, and the only write lock on SQLite.
        lock.execute_unprepared("UPDATE sessions SET metadata = metadata").await.unwrap();
        for accept in ["application/json", "application/graphql-response+json"] {
            let client = app.anonymous().with("accept", accept);
            let answer = client.refresh(refresh_token(&login)).await;
            assert_eq!(answer.status, 503);
            assert_eq!(answer.error(), &json!({ "code": "SERVICE_UNAVAILABLE", "action": "RETRY", "retryAfter": 1 }));
            assert_eq!(answer.body.get("data"), None);
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
        lock.rollback().await.unwrap();
        // What was asked for may have happened meanwhile: asking again gives the same successor.
        let answer = app.refresh(refresh_token(&login)).await;
        assert!(answer.data("refreshTokens")["refreshOutcome"].is_string());
    }

    async fn a_body_that_does_not_come_is_a_request_over_its_time(database: TestDatabase) {
        let app = TestApp::with(&database, &[("request_timeout", "100ms")], |_| {}).await;
        for accept in ["application/json", "text/event-stream"] {
            let body = axum::body::Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
            let request = axum::http::Request::post("/graphql").header("content-type", "application/json").header("accept", accept);
            let answer = app.send(request.body(body).unwrap()).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (503, "SERVICE_UNAVAILABLE"));
        }
    }
}

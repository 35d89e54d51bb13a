//! `_service { sdl }`, and the public keys.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};

use crate::support::{
    app::{Answer, TestApp},
    on_each_database,
};

async fn jwks(app: &TestApp, known: Option<&str>) -> Answer {
    let mut request = Request::get("/.well-known/jwks.json");
    if let Some(tag) = known {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    app.send(request.body(Body::empty()).unwrap()).await
}

on_each_database! {
    async fn the_sdl_is_the_committed_schema(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let answer = app.anonymous().query("{ _service { sdl } }").await;
        let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql")).unwrap();
        assert_eq!(answer.data("_service")["sdl"], committed, "run `make schema`");
    }

    async fn the_sdl_has_its_own_switch(database: TestDatabase) {
        let closed = TestApp::with(&database, &[("subgraph_sdl", "false")], |_| {}).await;
        assert_eq!(closed.anonymous().query("{ _service { sdl } }").await.code(), "FORBIDDEN");
        let no_introspection = TestApp::with(&database, &[("introspection", "false")], |_| {}).await;
        assert!(no_introspection.anonymous().query("{ _service { sdl } }").await.data("_service")["sdl"].is_string());
    }

    async fn the_public_keys_are_complete_and_stable(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let answer = jwks(&app, None).await;
        assert_eq!(answer.headers[header::CACHE_CONTROL], "public, max-age=300");
        let keys = answer.body["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2, "the one that signs, and the one that stands by");
        for key in keys {
            for member in ["kty", "crv", "x", "y", "alg", "use", "kid"] {
                assert!(key[member].is_string(), "{member} of {key}");
            }
            assert_eq!(key.get("d"), None);
        }
        assert_eq!(jwks(&app, None).await.body, answer.body);
    }

    async fn whoever_knows_the_keys_is_told_so_until_they_change(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let tag = jwks(&app, None).await.headers[header::ETAG].to_str().unwrap().to_owned();
        let unchanged = jwks(&app, Some(&tag)).await;
        assert_eq!(unchanged.status, StatusCode::NOT_MODIFIED);
        assert_eq!(unchanged.headers[header::ETAG], tag);
        app.engine.keyring.rotate(true).await.unwrap();
        let changed = jwks(&app, Some(&tag)).await;
        assert_eq!(changed.status, StatusCode::OK);
        assert_eq!(changed.body["keys"].as_array().unwrap().len(), 3);
    }
}

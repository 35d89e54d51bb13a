//! `signIn`.

use serde_json::json;
use sessiongraph::scope::Scope;

use crate::support::{
    app::TestApp,
    engine::{PASSWORD, SAFARI},
    on_each_database,
};

on_each_database! {
    async fn each_sign_in_is_a_session_of_its_own(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let first = app.sign_up("ada").await;
        app.engine.advance(1);
        let safari = app.anonymous().with("user-agent", SAFARI);
        let answer = safari.sign_in("ADA").await;
        let second = answer.data("signIn");
        assert_eq!(second["account"]["id"], first["account"]["id"]);
        assert_ne!(second["session"]["id"], first["session"]["id"]);
        let list = "{ viewer { sessions { totalCount nodes { id current connectionInfo { browser operatingSystem } } } } }";
        let answer = app.signed_in(second).query(list).await;
        assert_eq!(answer.data("viewer")["sessions"], json!({ "totalCount": 2, "nodes": [
            { "id": second["session"]["id"], "current": true, "connectionInfo": { "browser": "Safari", "operatingSystem": "macOS" } },
            { "id": first["session"]["id"], "current": false, "connectionInfo": { "browser": "Firefox", "operatingSystem": "Windows" } },
        ] }));
        assert_eq!(app.signed_in(&first).query("{ session { valid } }").await.data("session")["valid"], true);
    }

    async fn a_stale_authorization_header_does_not_disturb_it(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        app.engine.advance(6 * 60);
        app.signed_in(&login).sign_in("ada").await.data("signIn");
        app.bearer("garbage").sign_in("ada").await.data("signIn");
    }

    async fn an_account_without_a_password_cannot_sign_in_with_one(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let service = app.service(&[Scope::AccountsWrite]).await;
        service.query(r#"mutation { createAccount(input: { username: "ada" }) { id } }"#).await.data("createAccount");
        for password in ["", PASSWORD] {
            let document = "mutation ($p: String!) { signIn(input: { identifier: \"ada\", password: $p }) { session { id } } }";
            assert_eq!(app.anonymous().run(document, json!({ "p": password })).await.code(), "AUTHENTICATION_FAILED");
        }
    }

    async fn the_oldest_session_over_the_limit_is_evicted(database: TestDatabase) {
        let app = TestApp::with(&database, &[], |policy| policy.max_sessions_per_account = 2).await;
        let first = app.sign_up("ada").await;
        app.engine.advance(1);
        let second = app.anonymous().sign_in("ada").await.data("signIn").clone();
        app.engine.advance(1);
        let third = app.anonymous().sign_in("ada").await.data("signIn").clone();
        assert_eq!(app.signed_in(&first).query("{ session { id } }").await.error()["reason"], "INVALID_SESSION");
        for login in [&second, &third] {
            assert_eq!(app.signed_in(login).query("{ session { valid } }").await.data("session")["valid"], true);
        }
        let ended = "{ viewer { sessions(status: INVALIDATED) { nodes { id invalidationReason valid status } } } }";
        let answer = app.signed_in(&third).query(ended).await;
        assert_eq!(answer.data("viewer")["sessions"]["nodes"], json!([
            { "id": first["session"]["id"], "invalidationReason": "SESSION_LIMIT", "valid": false, "status": "INVALIDATED" },
        ]));
    }
}

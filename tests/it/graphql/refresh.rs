//! `refreshTokens` with tokens in the body.

use serde_json::{Value, json};
use sessiongraph::scope::Scope;

use crate::support::{
    app::{TestApp, access_token, refresh_token},
    on_each_database,
};

const REFRESH: &str = "mutation ($token: String) { refreshTokens(input: { refreshToken: $token }) { refreshOutcome \
    account { id username permissions } session { id current refreshedAt expiresAt connectionInfo { ip } } \
    tokens { tokenType accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt } } }";

fn instant(value: &Value) -> chrono::DateTime<chrono::Utc> {
    value.as_str().unwrap().parse().unwrap()
}

on_each_database! {
    async fn a_refresh_token_is_exchanged_for_new_tokens_of_the_same_session(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        app.engine.advance(24 * 60 * 60);
        let answer = app.anonymous().run(REFRESH, json!({ "token": refresh_token(&login) })).await;
        let renewed = answer.data("refreshTokens");
        assert_eq!(renewed["refreshOutcome"], "ROTATED");
        assert_eq!(renewed["account"], json!({ "id": login["account"]["id"], "username": "ada", "permissions": [] }));
        assert_eq!(renewed["session"]["id"], login["session"]["id"]);
        assert_ne!(access_token(renewed), access_token(&login));
        assert_ne!(refresh_token(renewed), refresh_token(&login));
        let (session, tokens) = (&renewed["session"], &renewed["tokens"]);
        assert_eq!((instant(&session["expiresAt"]) - instant(&session["refreshedAt"])).num_days(), 7);
        assert_eq!(tokens["refreshTokenExpiresAt"], session["expiresAt"]);
        let answer = app.signed_in(renewed).query("{ session { id refreshedAt lastSeenAt } }").await;
        assert_eq!(answer.data("session")["refreshedAt"], session["refreshedAt"]);
    }

    async fn the_same_token_within_the_grace_has_the_same_successor(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let first = app.refresh(refresh_token(&login)).await;
        app.engine.advance(30);
        let second = app.refresh(refresh_token(&login)).await;
        assert_eq!(first.data("refreshTokens")["refreshOutcome"], "ROTATED");
        assert_eq!(second.data("refreshTokens")["refreshOutcome"], "CONVERGED");
        assert_eq!(refresh_token(first.data("refreshTokens")), refresh_token(second.data("refreshTokens")));
    }

    async fn a_lost_answer_is_recovered_from_after_the_grace(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let lost = app.refresh(refresh_token(&login)).await;
        app.engine.advance(60 * 60);
        let recovered = app.refresh(refresh_token(&login)).await;
        assert_eq!(recovered.data("refreshTokens")["refreshOutcome"], "RECOVERED");
        let current = app.signed_in(recovered.data("refreshTokens")).query("{ session { valid } }").await;
        assert_eq!(current.data("session")["valid"], true);
        assert_eq!(app.refresh(refresh_token(lost.data("refreshTokens"))).await.code(), "REFRESH_TOKEN_REUSED");
    }

    async fn two_fields_of_one_document_converge(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let document = "mutation ($t: String) { \
            a: refreshTokens(input: { refreshToken: $t }) { refreshOutcome tokens { refreshToken } } \
            b: refreshTokens(input: { refreshToken: $t }) { refreshOutcome tokens { refreshToken } } }";
        let answer = app.anonymous().run(document, json!({ "t": refresh_token(&login) })).await;
        assert_eq!(answer.data("a")["refreshOutcome"], "ROTATED");
        assert_eq!(answer.data("b")["refreshOutcome"], "CONVERGED");
        assert_eq!(answer.data("a")["tokens"], answer.data("b")["tokens"]);
    }

    async fn new_permissions_are_in_the_next_access_token(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let service = app.service(&[Scope::AccountsWrite]).await;
        let update = "mutation ($id: ID!) { updateAccount(input: { id: $id, permissions: [\"read\", \"write\", \"read\"] }) { id } }";
        service.run(update, json!({ "id": login["account"]["id"] })).await.data("updateAccount");
        let answer = app.anonymous().run(REFRESH, json!({ "token": refresh_token(&login) })).await;
        let renewed = answer.data("refreshTokens");
        assert_eq!(renewed["account"]["permissions"], json!(["read", "write"]));
        let payload = access_token(renewed).split('.').nth(1).unwrap();
        let claims = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, payload).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["scope"], "read write");
        assert_eq!((&claims["sid"], &claims["sub"]), (&renewed["session"]["id"], &renewed["account"]["id"]));
        assert_eq!((&claims["aud"], &claims["client_id"]), (&json!("sessiongraph"), &json!("sessiongraph")));
    }

    async fn an_expired_or_foreign_access_token_in_the_header_does_not_disturb_it(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        app.engine.advance(6 * 60);
        let answer = app.signed_in(&login).refresh(refresh_token(&login)).await;
        let renewed = answer.data("refreshTokens");
        app.bearer("garbage").refresh(refresh_token(renewed)).await.data("refreshTokens");
    }

    async fn the_connection_info_follows_the_refresh(database: TestDatabase) {
        let app = TestApp::with(&database, &[("trusted_proxies", "192.0.2.0/24")], |_| {}).await;
        let login = app.sign_up("ada").await;
        let moved = app.anonymous().with("x-forwarded-for", "203.0.113.7");
        let answer = moved.run(REFRESH, json!({ "token": refresh_token(&login) })).await;
        assert_eq!(answer.data("refreshTokens")["session"]["connectionInfo"]["ip"], "203.0.113.7");
    }

    async fn an_access_token_never_outlives_its_session(database: TestDatabase) {
        let app = TestApp::with(&database, &[], |policy| policy.session_max_ttl = std::time::Duration::from_secs(400)).await;
        let login = app.sign_up("ada").await;
        app.engine.advance(300);
        let answer = app.anonymous().run(REFRESH, json!({ "token": refresh_token(&login) })).await;
        let renewed = answer.data("refreshTokens");
        let left = instant(&renewed["tokens"]["accessTokenExpiresAt"]) - instant(&renewed["session"]["refreshedAt"]);
        assert!((99..=100).contains(&left.num_seconds()), "{left}");
        assert_eq!(renewed["tokens"]["refreshTokenExpiresAt"], renewed["session"]["expiresAt"]);
    }
}

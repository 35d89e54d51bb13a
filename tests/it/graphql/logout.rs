//! `logout`, with tokens in the header and in the input.

use serde_json::json;

use crate::support::{
    app::{TestApp, access_token, forged, refresh_token},
    on_each_database,
};

const LOGOUT: &str = "mutation ($token: String) { logout(input: { token: $token }) }";
const IS_THERE: &str = "{ session { valid } }";

on_each_database! {
    async fn it_ends_the_session_of_the_header_at_once(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (first, second) = (app.sign_up("ada").await, app.anonymous().sign_in("ada").await.data("signIn").clone());
        assert_eq!(app.signed_in(&first).query("mutation { logout }").await.data("logout"), true);
        assert_eq!(app.signed_in(&first).query(IS_THERE).await.error()["reason"], "INVALID_SESSION");
        assert_eq!(app.signed_in(&first).query("mutation { logout }").await.data("logout"), false);
        assert_eq!(app.signed_in(&second).query(IS_THERE).await.data("session")["valid"], true);
        let ended = "{ viewer { sessions(status: INVALIDATED) { nodes { id invalidationReason invalidatedAt } } } }";
        let answer = app.signed_in(&second).query(ended).await;
        let node = &answer.data("viewer")["sessions"]["nodes"][0];
        assert_eq!((&node["id"], &node["invalidationReason"]), (&first["session"]["id"], &json!("LOGOUT")));
        assert!(node["invalidatedAt"].is_string());
    }

    async fn without_a_token_there_is_nothing_to_end(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        app.sign_up("ada").await;
        for client in [app.anonymous(), app.anonymous().with("authorization", "Bearer"), app.anonymous().with("authorization", "")] {
            let answer = client.query("mutation { logout }").await;
            assert_eq!(answer.data("logout"), false);
            assert!(answer.set_cookies().is_empty());
        }
        assert_eq!(app.count("sessions WHERE invalidated_at IS NULL").await, 1);
    }

    async fn the_token_of_the_input_goes_before_the_header(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (own, other) = (app.sign_up("ada").await, app.anonymous().sign_in("ada").await.data("signIn").clone());
        for token in [access_token(&other), refresh_token(&other)] {
            app.signed_in(&own).run(LOGOUT, json!({ "token": token })).await.data("logout");
        }
        assert_eq!(app.signed_in(&own).query(IS_THERE).await.data("session")["valid"], true);
        assert_eq!(app.signed_in(&other).query(IS_THERE).await.error()["reason"], "INVALID_SESSION");
    }

    async fn any_genuine_token_of_the_session_is_good_for_it(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        // Each of a session of its own, because the first ends it.
        for kind in ["access", "refresh", "superseded", "expired", "header"] {
            let login = app.sign_up(&format!("ada_{kind}")).await;
            let renewed = app.refresh(refresh_token(&login)).await.data("refreshTokens").clone();
            let token = match kind {
                "access" => access_token(&renewed),
                "refresh" => refresh_token(&renewed),
                "superseded" => refresh_token(&login),
                _ => access_token(&login),
            };
            if kind == "expired" || kind == "header" {
                app.engine.advance(60 * 60);
            }
            let answer = if kind == "header" {
                app.bearer(token).query("mutation { logout }").await
            } else {
                app.anonymous().run(LOGOUT, json!({ "token": token })).await
            };
            assert_eq!(answer.data("logout"), true, "{kind}");
            let id = renewed["session"]["id"].as_str().unwrap();
            let row = app.engine.row(id.parse().unwrap()).await;
            assert_eq!(format!("{:?}", row.invalidation_reason), "Some(Logout)", "{kind}");
        }
    }

    async fn a_token_whose_signature_does_not_hold_ends_nothing(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        for token in [forged(access_token(&login)), forged(refresh_token(&login)), "garbage".to_owned()] {
            let answer = app.signed_in(&login).run(LOGOUT, json!({ "token": token })).await;
            assert_eq!(answer.code(), "TOKEN_VERIFICATION_FAILED");
            assert_eq!(answer.body["data"], json!(null));
            assert_eq!(app.bearer(&token).query("mutation { logout }").await.code(), "TOKEN_VERIFICATION_FAILED");
        }
        assert_eq!(app.signed_in(&login).query(IS_THERE).await.data("session")["valid"], true);
    }

    async fn what_follows_in_the_same_document_has_no_session_any_more(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let answer = app.signed_in(&login).query("mutation { logout again: logout all: invalidateSessions(input: { mode: ALL }) }").await;
        assert_eq!(answer.error()["reason"], "INVALID_SESSION");
        assert_eq!(answer.errors()[0]["path"], json!(["all"]));
    }
}

//! Errors about tokens and sessions: each code with its reason and action, and nothing else.

use serde_json::{Value, json};
use sessiongraph::scope::Scope;

use crate::support::{
    app::{Answer, TestApp, access_token, forged, refresh_token},
    database::TestDatabase,
    engine::{PASSWORD, SAFARI},
    on_each_database,
};

/// Fields that want somebody.
const WANT_SOMEBODY: [&str; 7] = [
    r#"{ account(by: { username: "ada" }) { id } }"#,
    "{ accounts { totalCount } }",
    "mutation { invalidateSessions(input: { mode: ALL }) }",
    r#"mutation { changePassword(input: { currentPassword: "x", newPassword: "new password" }) { id } }"#,
    r#"mutation { createSession(input: { accountId: "x", connectionInfo: { ip: "::1", userAgent: "x" } }) { session { id } } }"#,
    r#"mutation { createAccount(input: { username: "eve" }) { id } }"#,
    r#"mutation { updateAccount(input: { id: "x" }) { id } }"#,
];

#[track_caller]
fn assert_error(answer: &Answer, extensions: &Value) {
    assert_eq!(answer.error(), extensions, "{:#}", answer.body);
    assert_eq!(answer.status, 200);
}

fn unauthenticated(reason: &str, action: &str) -> Value {
    json!({ "code": "UNAUTHENTICATED", "reason": reason, "action": action })
}

/// A token that does not hold is said so by every field that needs a session; the fields beside it are answered.
async fn assert_refused(app: &TestApp, token: &str, reason: &str, action: &str) {
    let client = app.bearer(token);
    let expected = unauthenticated(reason, action);
    for (document, field) in [
        ("{ session { id } __typename }", "session"),
        ("{ viewer { id } __typename }", "viewer"),
    ] {
        let answer = client.query(document).await;
        assert_error(&answer, &expected);
        assert_eq!(
            answer.body["data"],
            json!({ field: null, "__typename": "Query" })
        );
        assert_eq!(answer.errors()[0]["path"], json!([field]));
    }
    for document in WANT_SOMEBODY {
        assert_error(&client.query(document).await, &expected);
    }
}

/// An application whose keys and sessions are others.
async fn stranger(database: &TestDatabase) -> TestApp {
    let other = if database.is_postgres() {
        TestDatabase::postgres().await
    } else {
        TestDatabase::sqlite().await
    };
    TestApp::new(&other).await
}

on_each_database! {
    async fn a_request_without_a_token_is_told_to_sign_in_where_somebody_is_needed(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for document in WANT_SOMEBODY {
            for client in [app.anonymous(), app.anonymous().with("authorization", "Bearer "), app.anonymous().with("authorization", "")] {
                assert_error(&client.query(document).await, &unauthenticated("MISSING_TOKEN", "SIGN_IN"));
            }
        }
    }

    async fn a_token_that_is_not_genuine_is_refused(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let forged_key = format!("sgk_{}", "A".repeat(108));
        for token in ["garbage", "a.b.c", &forged(access_token(&login)), &forged(refresh_token(&login)), &forged_key] {
            assert_refused(&app, token, "TOKEN_VERIFICATION_FAILED", "SIGN_IN").await;
        }
    }

    async fn a_token_of_an_unknown_key_may_be_refreshed(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = stranger(&database).await.sign_up("ada").await;
        assert_refused(&app, access_token(&login), "TOKEN_VERIFICATION_FAILED", "REFRESH").await;
    }

    async fn a_refresh_token_is_no_access_token(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        assert_refused(&app, refresh_token(&login), "INVALID_TOKEN", "SIGN_IN").await;
    }

    async fn an_expired_token_is_to_be_refreshed(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        app.engine.advance(5 * 60);
        app.signed_in(&login).query("{ session { id } }").await.data("session");
        app.engine.advance(6);
        assert_refused(&app, access_token(&login), "TOKEN_EXPIRED", "REFRESH").await;
    }

    async fn the_token_of_a_session_that_is_gone_is_refused(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        app.sql("DELETE FROM sessions").await;
        assert_refused(&app, access_token(&login), "SESSION_NOT_FOUND", "SIGN_IN").await;
    }

    async fn the_token_of_a_session_that_has_ended_is_refused(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        assert_eq!(app.signed_in(&login).query("mutation { logout }").await.data("logout"), true);
        assert_refused(&app, access_token(&login), "INVALID_SESSION", "SIGN_IN").await;
    }

    async fn the_token_of_an_account_that_is_gone_is_refused(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        app.lose_accounts().await;
        assert_refused(&app, access_token(&login), "USER_NOT_FOUND", "SIGN_IN").await;
        let answer = app.refresh(refresh_token(&login)).await;
        assert_error(&answer, &json!({ "code": "USER_NOT_FOUND", "action": "SIGN_IN" }));
    }

    async fn the_token_of_a_deactivated_account_says_so_before_anything_about_its_session(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let id = login["account"]["id"].as_str().unwrap();
        let service = app.service(&[Scope::AccountsWrite, Scope::SessionsWrite]).await;
        let deactivate = format!(r#"mutation {{ updateAccount(input: {{ id: "{id}", deactivated: true }}) {{ id }} }}"#);
        service.query(&deactivate).await.data("updateAccount");
        assert_refused(&app, access_token(&login), "USER_DEACTIVATED", "SIGN_IN").await;
        let answer = app.refresh(refresh_token(&login)).await;
        assert_error(&answer, &json!({ "code": "USER_DEACTIVATED", "action": "SIGN_IN" }));
        assert_error(&app.anonymous().sign_in("ada").await, &json!({ "code": "USER_DEACTIVATED" }));
        let wrong = r#"mutation { signIn(input: { identifier: "ada", password: "wrong password" }) { session { id } } }"#;
        assert_error(&app.anonymous().query(wrong).await, &json!({ "code": "AUTHENTICATION_FAILED" }));
        let open = format!(
            r#"mutation {{ createSession(input: {{ accountId: "{id}", connectionInfo: {{ ip: "::1", userAgent: "x" }} }}) {{ session {{ id }} }} }}"#
        );
        assert_error(&service.query(&open).await, &json!({ "code": "USER_DEACTIVATED" }));
    }

    async fn a_token_that_is_handed_over_has_to_be_genuine(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let ada = app.signed_in(&login);
        let foreign = stranger(&database).await.sign_up("ada").await;
        let code = "TOKEN_VERIFICATION_FAILED";
        for token in ["garbage", "", &forged(refresh_token(&login)), refresh_token(&foreign), access_token(&foreign)] {
            assert_error(&app.refresh(token).await, &json!({ "code": code, "action": "SIGN_IN" }));
            let logout = "mutation ($token: String) { logout(input: { token: $token }) }";
            let answer = ada.run(logout, json!({ "token": token })).await;
            assert_error(&answer, &json!({ "code": code, "action": "SIGN_IN" }));
            let end = "mutation ($token: String) { invalidateSessions(input: { mode: ONE, token: $token }) }";
            assert_error(&ada.run(end, json!({ "token": token })).await, &json!({ "code": code }));
        }
        let answer = app.bearer("garbage").query("mutation { logout }").await;
        assert_error(&answer, &json!({ "code": code, "action": "SIGN_IN" }));
        assert_eq!(ada.query("{ session { valid } }").await.data("session")["valid"], true);
    }

    async fn a_token_that_is_handed_over_has_to_be_of_the_right_kind(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let ada = app.signed_in(&login);
        let key = app.engine.sessions.create_service_key("backend", [Scope::SessionsWrite]).await.unwrap();
        let key = secrecy::ExposeSecret::expose_secret(&key);
        let sign_in = json!({ "code": "INVALID_TOKEN", "action": "SIGN_IN" });
        assert_error(&app.refresh(access_token(&login)).await, &sign_in);
        assert_error(&app.refresh(key).await, &sign_in);
        let logout = "mutation ($token: String) { logout(input: { token: $token }) }";
        assert_error(&ada.run(logout, json!({ "token": key })).await, &sign_in);
        assert_error(&app.bearer(key).query("mutation { logout }").await, &sign_in);
        let end = "mutation ($token: String) { invalidateSessions(input: { mode: ONE, token: $token }) }";
        assert_error(&ada.run(end, json!({ "token": key })).await, &json!({ "code": "INVALID_TOKEN" }));
    }

    async fn refreshing_without_any_token_says_so(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        for document in [
            "mutation { refreshTokens { refreshOutcome } }",
            "mutation { refreshTokens(input: null) { refreshOutcome } }",
            "mutation { refreshTokens(input: {}) { refreshOutcome } }",
            "mutation { refreshTokens(input: { refreshToken: null }) { refreshOutcome } }",
        ] {
            for client in [app.anonymous(), app.signed_in(&login)] {
                assert_error(&client.query(document).await, &json!({ "code": "INVALID_TOKENS", "action": "SIGN_IN" }));
            }
        }
    }

    async fn a_refresh_says_what_is_wrong_with_the_session(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let invalid = |reason: &str| json!({ "code": "INVALID_SESSION", "reason": reason, "action": "SIGN_IN" });

        let login = app.sign_up("ada").await;
        let safari = app.anonymous().with("user-agent", SAFARI);
        assert_error(&safari.refresh(refresh_token(&login)).await, &invalid("AGENT_CHANGED"));
        app.refresh(refresh_token(&login)).await.data("refreshTokens");

        let second = app.sign_up("grace").await;
        app.signed_in(&second).query("mutation { logout }").await.data("logout");
        assert_error(&app.refresh(refresh_token(&second)).await, &invalid("INVALIDATED"));

        let third = app.sign_up("edsger").await;
        let mut token = refresh_token(&third).to_owned();
        for _ in 0..3 {
            let answer = app.refresh(&token).await;
            refresh_token(answer.data("refreshTokens")).clone_into(&mut token);
        }
        app.sql("UPDATE sessions SET generation = 0, parent = NULL").await;
        assert_error(&app.refresh(&token).await, &invalid("ROLLED_BACK"));

        let fourth = app.sign_up("barbara").await;
        app.engine.advance(7 * 24 * 60 * 60);
        assert_error(&app.refresh(refresh_token(&fourth)).await, &invalid("EXPIRED"));

        app.sql("DELETE FROM sessions").await;
        let gone = json!({ "code": "SESSION_NOT_FOUND", "action": "SIGN_IN" });
        assert_error(&app.refresh(refresh_token(&fourth)).await, &gone);
    }

    async fn a_superseded_refresh_token_ends_the_session(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let answer = app.refresh(refresh_token(&login)).await;
        app.signed_in(answer.data("refreshTokens")).query("{ session { id } }").await.data("session");
        app.engine.advance(36);
        let reused = app.refresh(refresh_token(&login)).await;
        assert_error(&reused, &json!({ "code": "REFRESH_TOKEN_REUSED", "action": "SIGN_IN" }));
        let invalid = json!({ "code": "INVALID_SESSION", "reason": "INVALIDATED", "action": "SIGN_IN" });
        assert_error(&app.refresh(refresh_token(&login)).await, &invalid);
        let again = app.anonymous().sign_in("ada").await;
        let ended = "{ viewer { sessions(status: INVALIDATED) { nodes { invalidationReason } } } }";
        let answer = app.signed_in(again.data("signIn")).query(ended).await;
        assert_eq!(answer.data("viewer")["sessions"]["nodes"], json!([{ "invalidationReason": "REFRESH_TOKEN_REUSED" }]));
    }

    async fn invalidating_what_is_not_there_has_no_action(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.sign_up("ada").await;
        let grace = app.sign_up("grace").await;
        let not_found = json!({ "code": "SESSION_NOT_FOUND" });
        let by_id = "mutation ($id: ID) { invalidateSessions(input: { mode: ONE, sessionId: $id }) }";
        for id in ["nonsense", "00000000-0000-7000-8000-000000000000", grace["session"]["id"].as_str().unwrap()] {
            assert_error(&app.signed_in(&ada).run(by_id, json!({ "id": id })).await, &not_found);
        }
        let by_token = "mutation ($token: String) { invalidateSessions(input: { mode: ONE, token: $token }) }";
        for token in [access_token(&grace), refresh_token(&grace)] {
            assert_error(&app.signed_in(&ada).run(by_token, json!({ "token": token })).await, &not_found);
        }
        assert_eq!(app.signed_in(&grace).query("{ session { valid } }").await.data("session")["valid"], true);
    }

    async fn an_account_that_is_not_there_is_said_so(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let service = app.service(&[Scope::AccountsWrite, Scope::SessionsWrite]).await;
        for id in ["nonsense", "00000000-0000-7000-8000-000000000000"] {
            for document in [
                "mutation ($id: ID!) { updateAccount(input: { id: $id, emailVerified: false }) { id } }",
                "mutation ($id: ID!) { invalidateSessions(input: { mode: ALL, accountId: $id }) }",
                r#"mutation ($id: ID!) { createSession(input: { accountId: $id, connectionInfo: { ip: "::1", userAgent: "x" } }) { session { id } } }"#,
            ] {
                assert_error(&service.run(document, json!({ "id": id })).await, &json!({ "code": "USER_NOT_FOUND" }));
            }
        }
    }

    async fn a_wrong_password_and_an_unknown_identifier_are_one_answer(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        app.sign_up("ada").await;
        let document = "mutation ($input: SignInInput!) { signIn(input: $input) { session { id } } }";
        let mut answers = Vec::new();
        for (identifier, password) in [("ada", "wrong password"), ("nobody", PASSWORD), ("no such thing!", PASSWORD), ("ada@example.org", PASSWORD), ("", ""), ("ada", "")] {
            let input = json!({ "input": { "identifier": identifier, "password": password } });
            let answer = app.anonymous().run(document, input).await;
            assert_error(&answer, &json!({ "code": "AUTHENTICATION_FAILED" }));
            answers.push(answer.body);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:#?}");
    }
}

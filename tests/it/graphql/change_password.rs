//! `changePassword`.

use serde_json::{Value, json};
use sessiongraph::scope::Scope;

use crate::support::{app::TestApp, engine::PASSWORD, on_each_database};

const CHANGE: &str = "mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { id username updatedAt } }";
const NEW: &str = "an entirely new one";

async fn may_sign_in(app: &TestApp, password: &str) -> bool {
    let document = "mutation ($p: String!) { signIn(input: { identifier: \"ada\", password: $p }) { session { id } } }";
    let answer = app
        .anonymous()
        .run(document, json!({ "p": password }))
        .await;
    if !answer.errors().is_empty() {
        assert_eq!(answer.code(), "AUTHENTICATION_FAILED");
    }
    answer.errors().is_empty()
}

fn input(current: &str, new: &str) -> Value {
    json!({ "input": { "currentPassword": current, "newPassword": new } })
}

on_each_database! {
    async fn the_new_password_counts_and_the_other_sessions_end(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let own = app.sign_up("ada").await;
        let other = app.anonymous().sign_in("ada").await.data("signIn").clone();
        let grace = app.sign_up("grace").await;
        let answer = app.signed_in(&own).run(CHANGE, input(PASSWORD, NEW)).await;
        let account = answer.data("changePassword");
        assert_eq!((&account["id"], &account["username"]), (&own["account"]["id"], &json!("ada")));
        assert!(may_sign_in(&app, NEW).await && !may_sign_in(&app, PASSWORD).await);
        let query = "{ session { valid } viewer { sessions(status: INVALIDATED) { nodes { id invalidationReason } } } }";
        let answer = app.signed_in(&own).query(query).await;
        assert_eq!(answer.data("session")["valid"], true);
        assert_eq!(answer.data("viewer")["sessions"]["nodes"], json!([{ "id": other["session"]["id"], "invalidationReason": "PASSWORD_CHANGED" }]));
        assert_eq!(app.signed_in(&other).query("{ session { id } }").await.error()["reason"], "INVALID_SESSION");
        assert_eq!(app.signed_in(&grace).query("{ session { valid } }").await.data("session")["valid"], true);
    }

    async fn the_other_sessions_stay_if_told_so(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let own = app.sign_up("ada").await;
        let other = app.anonymous().sign_in("ada").await.data("signIn").clone();
        let input = json!({ "input": { "currentPassword": PASSWORD, "newPassword": NEW, "invalidateOtherSessions": false } });
        app.signed_in(&own).run(CHANGE, input).await.data("changePassword");
        assert!(may_sign_in(&app, NEW).await);
        assert_eq!(app.signed_in(&other).query("{ session { valid } }").await.data("session")["valid"], true);
    }

    async fn a_wrong_password_changes_nothing(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let own = app.sign_up("ada").await;
        let other = app.anonymous().sign_in("ada").await.data("signIn").clone();
        for wrong in ["", "wrong password", NEW] {
            let answer = app.signed_in(&own).run(CHANGE, input(wrong, NEW)).await;
            assert_eq!(answer.error(), &json!({ "code": "AUTHENTICATION_FAILED" }));
            assert_eq!(answer.body["data"], json!(null));
        }
        assert!(may_sign_in(&app, PASSWORD).await && !may_sign_in(&app, NEW).await);
        assert_eq!(app.signed_in(&other).query("{ session { valid } }").await.data("session")["valid"], true);
    }

    async fn an_ended_session_changes_nothing(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let own = app.sign_up("ada").await;
        app.signed_in(&own).query("mutation { logout }").await.data("logout");
        let answer = app.signed_in(&own).run(CHANGE, input(PASSWORD, NEW)).await;
        assert_eq!(answer.error()["reason"], "INVALID_SESSION");
        assert!(may_sign_in(&app, PASSWORD).await);
    }

    async fn it_is_for_users_only(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let all = [Scope::AccountsRead, Scope::AccountsWrite, Scope::SessionsRead, Scope::SessionsWrite];
        let answer = app.service(&all).await.run(CHANGE, input(PASSWORD, NEW)).await;
        assert_eq!(answer.error(), &json!({ "code": "FORBIDDEN" }));
    }

    async fn an_account_without_a_password_has_none_to_change(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let service = app.service(&[Scope::AccountsWrite, Scope::SessionsWrite]).await;
        let answer = service.query(r#"mutation { createAccount(input: { username: "ada" }) { id } }"#).await;
        let id = &answer.data("createAccount")["id"];
        let open = "mutation ($id: ID!) { createSession(input: { accountId: $id, connectionInfo: { ip: \"::1\", userAgent: \"x\" } }) { tokens { accessToken } } }";
        let login = service.run(open, json!({ "id": id })).await.data("createSession").clone();
        for current in ["", PASSWORD] {
            let answer = app.signed_in(&login).run(CHANGE, input(current, NEW)).await;
            assert_eq!(answer.code(), "AUTHENTICATION_FAILED");
        }
    }
}

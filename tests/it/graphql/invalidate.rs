//! `invalidateSessions`.

use serde_json::{Value, json};
use sessiongraph::scope::Scope;

use crate::support::{
    app::{Client, TestApp, access_token, refresh_token},
    on_each_database,
};

const INVALIDATE: &str =
    "mutation ($input: InvalidateSessionsInput!) { invalidateSessions(input: $input) }";

async fn ended(client: &Client, input: Value) -> Value {
    client
        .run(INVALIDATE, json!({ "input": input }))
        .await
        .data("invalidateSessions")
        .clone()
}

async fn code(client: &Client, input: Value) -> String {
    client
        .run(INVALIDATE, json!({ "input": input }))
        .await
        .code()
        .to_owned()
}

async fn is_valid(app: &TestApp, login: &Value) -> bool {
    let answer = app.signed_in(login).query("{ session { valid } }").await;
    answer.body["data"]["session"]["valid"] == true
}

async fn sign_in(app: &TestApp, name: &str) -> Value {
    app.anonymous().sign_in(name).await.data("signIn").clone()
}

on_each_database! {
    async fn one_ends_one_by_id(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (own, other) = (app.sign_up("ada").await, sign_in(&app, "ada").await);
        let ada = app.signed_in(&own);
        let one = json!({ "mode": "ONE", "sessionId": other["session"]["id"] });
        assert_eq!(ended(&ada, one.clone()).await, 1);
        assert!(is_valid(&app, &own).await && !is_valid(&app, &other).await);
        assert_eq!(ended(&ada, one).await, 0);
        let list = "{ viewer { sessions(status: INVALIDATED) { nodes { invalidationReason } } } }";
        assert_eq!(ada.query(list).await.data("viewer")["sessions"]["nodes"], json!([{ "invalidationReason": "REQUESTED" }]));
        // One's own as well.
        assert_eq!(ended(&ada, json!({ "mode": "ONE", "sessionId": own["session"]["id"] })).await, 1);
        assert!(!is_valid(&app, &own).await);
    }

    async fn one_ends_one_by_any_token_of_it(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let own = app.sign_up("ada").await;
        for kind in ["access", "refresh", "superseded", "expired"] {
            let login = sign_in(&app, "ada").await;
            let renewed = app.refresh(refresh_token(&login)).await.data("refreshTokens").clone();
            let mut caller = own.clone();
            let token = match kind {
                "access" => access_token(&renewed),
                "refresh" => refresh_token(&renewed),
                "superseded" => refresh_token(&login),
                _ => {
                    app.engine.advance(60 * 60);
                    caller = sign_in(&app, "ada").await;
                    access_token(&login)
                }
            };
            assert_eq!(ended(&app.signed_in(&caller), json!({ "mode": "ONE", "token": token })).await, 1, "{kind}");
            assert!(!is_valid(&app, &renewed).await, "{kind}");
        }
    }

    async fn others_and_all_end_the_rest_and_everything(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let grace = app.sign_up("grace").await;
        let own = app.sign_up("ada").await;
        let others = [sign_in(&app, "ada").await, sign_in(&app, "ada").await];
        let ada = app.signed_in(&own);
        assert_eq!(ended(&ada, json!({ "mode": "OTHERS" })).await, 2);
        assert_eq!(ended(&ada, json!({ "mode": "OTHERS" })).await, 0);
        assert!(is_valid(&app, &own).await && !is_valid(&app, &others[0]).await && !is_valid(&app, &others[1]).await);
        let other = sign_in(&app, "ada").await;
        assert_eq!(ended(&ada, json!({ "mode": "ALL", "accountId": own["account"]["id"] })).await, 2);
        assert!(!is_valid(&app, &own).await && !is_valid(&app, &other).await && is_valid(&app, &grace).await);
        let answer = ada.run(INVALIDATE, json!({ "input": { "mode": "ALL" } })).await;
        assert_eq!(answer.error()["reason"], "INVALID_SESSION");
    }

    async fn sessions_that_have_run_out_are_not_ended_again(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        app.sign_up("ada").await;
        app.engine.advance(8 * 24 * 60 * 60);
        let own = sign_in(&app, "ada").await;
        assert_eq!(ended(&app.signed_in(&own), json!({ "mode": "OTHERS" })).await, 0);
        assert_eq!(ended(&app.signed_in(&own), json!({ "mode": "ALL" })).await, 1);
    }

    async fn holding_a_token_of_the_session_is_not_enough(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        for token in [access_token(&login), refresh_token(&login)] {
            let answer = app.anonymous().run(INVALIDATE, json!({ "input": { "mode": "ONE", "token": token } })).await;
            assert_eq!(answer.error()["reason"], "MISSING_TOKEN");
        }
        assert!(is_valid(&app, &login).await);
    }

    async fn another_account_is_forbidden(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, grace) = (app.sign_up("ada").await, app.sign_up("grace").await);
        let client = app.signed_in(&ada);
        for account in [&grace["account"]["id"], &json!("00000000-0000-7000-8000-000000000000"), &json!("nonsense")] {
            for input in [
                json!({ "mode": "ALL", "accountId": account }),
                json!({ "mode": "OTHERS", "accountId": account }),
                json!({ "mode": "ONE", "accountId": account, "sessionId": ada["session"]["id"] }),
                json!({ "mode": "ONE", "accountId": account, "sessionId": grace["session"]["id"] }),
            ] {
                assert_eq!(code(&client, input.clone()).await, "FORBIDDEN", "{input}");
            }
        }
        assert!(is_valid(&app, &ada).await && is_valid(&app, &grace).await);
    }

    async fn a_service_key_ends_anybodys(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, grace) = (app.sign_up("ada").await, app.sign_up("grace").await);
        let second = sign_in(&app, "grace").await;
        let service = app.service(&[Scope::SessionsWrite]).await;
        let one = json!({ "mode": "ONE", "sessionId": ada["session"]["id"] });
        assert_eq!(ended(&service, one.clone()).await, 1);
        assert_eq!(ended(&service, one).await, 0);
        // Where the account is named too, it has to be the session's.
        let mixed = json!({ "mode": "ONE", "sessionId": grace["session"]["id"], "accountId": ada["account"]["id"] });
        assert_eq!(code(&service, mixed).await, "SESSION_NOT_FOUND");
        let unknown = json!({ "mode": "ONE", "sessionId": grace["session"]["id"], "accountId": "00000000-0000-7000-8000-000000000000" });
        assert_eq!(code(&service, unknown).await, "USER_NOT_FOUND");
        assert_eq!(ended(&service, json!({ "mode": "ONE", "token": refresh_token(&second), "accountId": grace["account"]["id"] })).await, 1);
        assert_eq!(ended(&service, json!({ "mode": "ALL", "accountId": grace["account"]["id"] })).await, 1);
        assert!(!is_valid(&app, &grace).await);
        for scopes in [&[Scope::SessionsRead][..], &[Scope::AccountsWrite, Scope::AccountsRead]] {
            let other = app.service(scopes).await;
            for input in [json!({ "mode": "ALL", "accountId": ada["account"]["id"] }), json!({ "mode": "OTHERS" }), json!({ "mode": "ONE" })] {
                assert_eq!(code(&other, input).await, "FORBIDDEN");
            }
        }
    }
}

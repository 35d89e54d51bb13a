//! Whether somebody has an account is nobody's business: sign-ins that fail are one answer, got in one way.

use axum::http::HeaderMap;
use serde_json::{Value, json};
use sessiongraph::scope::Scope;

use crate::support::{app::TestApp, engine::PASSWORD, on_each_database};

const SIGN_IN: &str =
    "mutation ($input: SignInInput!) { signIn(input: $input) { account { id } session { id } } }";

/// All that tells one answer from another, but the id of its request.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    headers: HeaderMap,
    body: Value,
    /// The statements that it cost, without their values.
    statements: Vec<String>,
}

async fn seen(app: &TestApp, identifier: &str, password: &str) -> Seen {
    app.engine.statements.take();
    let input = json!({ "input": { "identifier": identifier, "password": password } });
    let mut answer = app.anonymous().run(SIGN_IN, input).await;
    answer.headers.remove("x-request-id");
    if let Some(extensions) = answer.body.pointer_mut("/errors/0/extensions") {
        extensions.as_object_mut().unwrap().remove("requestId");
    }
    let statements = app.engine.statements.take();
    Seen {
        status: answer.status.as_u16(),
        headers: answer.headers,
        body: answer.body,
        statements: statements
            .into_iter()
            .map(|statement| statement.sql)
            .collect(),
    }
}

on_each_database! {
    async fn every_sign_in_that_fails_fails_alike(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let service = app.service(&[Scope::AccountsWrite]).await;
        let create = "mutation ($input: CreateAccountInput!) { createAccount(input: $input) { id } }";
        for (name, password) in [("ada", Some(PASSWORD)), ("unset", None), ("gone", Some(PASSWORD))] {
            let input = json!({ "input": { "username": name, "email": format!("{name}@example.org"), "password": password } });
            let answer = service.run(create, input).await;
            if name == "gone" {
                let update = "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { id } }";
                let input = json!({ "input": { "id": answer.data("createAccount")["id"], "deactivated": true } });
                service.run(update, input).await.data("updateAccount");
            }
        }
        for form in ["", "@example.org"] {
            let wrong = seen(&app, &format!("ada{form}"), "a wrong password").await;
            assert_eq!(wrong.body["errors"][0]["extensions"], json!({ "code": "AUTHENTICATION_FAILED" }));
            // The charge, and the look for the account.
            assert_eq!(wrong.statements.len(), 2, "{:?}", wrong.statements);
            for (identifier, password) in [
                ("nobody", "a wrong password"),
                ("nobody", PASSWORD),
                ("unset", "a wrong password"),
                ("unset", ""),
                ("gone", "a wrong password"),
                ("ADA", ""),
            ] {
                assert_eq!(seen(&app, &format!("{identifier}{form}"), password).await, wrong, "{identifier}{form}");
            }
        }
        // With its right password somebody is told that the account is deactivated, and nobody else.
        let right = seen(&app, "gone", PASSWORD).await;
        assert_eq!(right.body["errors"][0]["extensions"]["code"], "USER_DEACTIVATED");
    }
}

//! Errors that are not about tokens: rights, names, documents, failures.

use serde_json::{Value, json};
use sessiongraph::scope::Scope;

use crate::support::{
    app::{Answer, TestApp, refresh_token},
    engine::PASSWORD,
    on_each_database,
};

#[track_caller]
fn assert_error(answer: &Answer, extensions: &Value) {
    assert_eq!(answer.error(), extensions, "{:#}", answer.body);
}

/// What a client would not like to read in an error.
const SECRET: &str = "s3cr3tValue";
const SIGN_UP: &str =
    "mutation ($input: SignUpInput!) { signUp(input: $input) { account { id } } }";
/// Nobody signs up where the field after it cannot be executed.
const BEFORE_A_MISFIT: &str = r#"mutation ($p: String) {
  signUp(input: { username: "ada", password: "correct horse" }) { account { id } }
  signIn(input: { identifier: "ada", password: $p }) { account { id } }
}"#;
const BEFORE_AN_UNKNOWN_FIELD: &str = r#"mutation ($p: String) {
  signUp(input: { username: "ada", password: "correct horse" }) { account { id } }
  logout(input: { token: $p, nothing: $p })
}"#;

on_each_database! {
    async fn a_name_that_is_taken_is_said_so(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let input = json!({ "input": { "username": "ada", "email": "ada@example.org", "password": PASSWORD } });
        app.anonymous().run(SIGN_UP, input).await.data("signUp");
        let service = app.service(&[Scope::AccountsWrite]).await;
        let grace = app.sign_up("grace").await;
        for (field, value, code) in [("username", "ADA", "USERNAME_TAKEN"), ("email", "Ada@Example.org", "EMAIL_TAKEN")] {
            let expected = json!({ "code": code });
            let input = json!({ "input": { field: value, "password": PASSWORD } });
            assert_error(&app.anonymous().run(SIGN_UP, input).await, &expected);
            let create = "mutation ($input: CreateAccountInput!) { createAccount(input: $input) { id } }";
            assert_error(&service.run(create, json!({ "input": { field: value } })).await, &expected);
            let update = "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { id } }";
            let input = json!({ "input": { "id": grace["account"]["id"], field: value } });
            assert_error(&service.run(update, input).await, &expected);
        }
        assert_eq!((app.count("accounts").await, app.count("sessions").await), (2, 2));
    }

    async fn signing_up_can_be_switched_off(database: TestDatabase) {
        let app = TestApp::with(&database, &[("sign_up", "false")], |_| {}).await;
        // As the first thing, whatever else is wrong with the input.
        for input in [json!({ "username": "ada", "password": PASSWORD }), json!({ "password": "" })] {
            let answer = app.anonymous().run(SIGN_UP, json!({ "input": input })).await;
            assert_error(&answer, &json!({ "code": "SIGN_UP_DISABLED" }));
        }
        assert_eq!(app.count("accounts").await, 0);
    }

    async fn who_has_no_right_is_forbidden(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.signed_in(&app.sign_up("ada").await);
        for document in [
            r#"{ account(by: { username: "nobody" }) { id } }"#,
            "{ accounts { totalCount } }",
            r#"mutation { createSession(input: { accountId: "x", connectionInfo: { ip: "::1", userAgent: "x" } }) { session { id } } }"#,
            r#"mutation { createAccount(input: { username: "eve" }) { id } }"#,
            r#"mutation { updateAccount(input: { id: "x" }) { id } }"#,
            r#"mutation { invalidateSessions(input: { mode: ALL, accountId: "00000000-0000-7000-8000-000000000000" }) }"#,
        ] {
            assert_error(&ada.query(document).await, &json!({ "code": "FORBIDDEN" }));
        }
    }

    async fn a_session_needs_a_user_agent(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let expected = json!({ "code": "INVALID_LOCATION_INFO_USER_AGENT" });
        for agent in ["", " "] {
            let client = app.anonymous().with("user-agent", agent);
            let input = json!({ "input": { "username": "grace", "password": PASSWORD } });
            assert_error(&client.run(SIGN_UP, input).await, &expected);
            assert_error(&client.sign_in("ada").await, &expected);
            assert_error(&client.refresh(refresh_token(&login)).await, &expected);
        }
        assert_eq!((app.count("accounts").await, app.count("sessions").await), (1, 1));
        // The refresh token is still the current one.
        assert_eq!(app.refresh(refresh_token(&login)).await.data("refreshTokens")["refreshOutcome"], "ROTATED");
    }

    async fn a_document_that_cannot_run_has_a_code_and_no_data(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for (document, variables, code) in [
            ("{", json!({}), "GRAPHQL_PARSE_FAILED"),
            ("", json!({}), "GRAPHQL_PARSE_FAILED"),
            ("query { session { id } ", json!({}), "GRAPHQL_PARSE_FAILED"),
            ("{ nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
            ("{ session }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
            ("query A { session { id } } query B { viewer { id } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
            ("query ($by: AccountBy!) { account(by: $by) { id } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
            ("query ($by: AccountBy!) { account(by: $by) { id } }", json!({ "by": { "id": "1", "email": "x" } }), "GRAPHQL_VALIDATION_FAILED"),
            ("query ($by: AccountBy!) { account(by: $by) { id } }", json!({ "by": {} }), "GRAPHQL_VALIDATION_FAILED"),
            ("query ($n: Int) { accounts(first: $n) { totalCount } }", json!({ "n": "many" }), "GRAPHQL_VALIDATION_FAILED"),
            // Variables where they may not be, and arguments that are not whole without those that are not given.
            ("query ($by: AccountBy) { account(by: $by) { id } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
            ("query ($id: ID) { account(by: { id: $id }) { id } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
            ("query ($id: ID) { ...F } fragment F on Query { account(by: { id: $id }) { id } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
            ("query ($id: String!) { account(by: { id: $id }) { id } }", json!({ "id": "1" }), "GRAPHQL_VALIDATION_FAILED"),
            ("query ($first: [Int]) { viewer { sessions(first: $first) { totalCount } } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
            ("query ($skip: Boolean) { session @skip(if: $skip) { id } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
            ("query ($name: String) { account(by: { email: \"a@x\", username: $name }) { id } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
            (BEFORE_A_MISFIT, json!({}), "GRAPHQL_VALIDATION_FAILED"),
            (BEFORE_AN_UNKNOWN_FIELD, json!({}), "GRAPHQL_VALIDATION_FAILED"),
            (SIGN_UP, json!({ "input": { "username": "ada" } }), "GRAPHQL_VALIDATION_FAILED"),
            (SIGN_UP, json!({ "input": { "username": "ada", "password": PASSWORD, "transport": "PIGEON" } }), "GRAPHQL_VALIDATION_FAILED"),
        ] {
            let answer = app.anonymous().run(document, variables.clone()).await;
            let errors = answer.errors();
            assert!(!errors.is_empty(), "{document}: {:#}", answer.body);
            for error in errors {
                assert_eq!(error["extensions"], json!({ "code": code }), "{document} {variables}: {:#}", answer.body);
            }
            assert_eq!(answer.body.get("data"), None, "{document} {variables}: {:#}", answer.body);
        }
        assert_eq!(app.count("accounts").await, 0);
    }

    async fn variables_may_be_left_out_where_nothing_is_required(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.signed_in(&app.sign_up("ada").await);
        for (document, variables) in [
            ("query ($first: Int, $after: String) { viewer { sessions(first: $first, after: $after) { totalCount } } }", json!({})),
            ("query ($first: Int!) { viewer { sessions(first: $first) { totalCount } } }", json!({ "first": 1 })),
            ("query ($skip: Boolean = false) { session @skip(if: $skip) { id } }", json!({})),
            ("query ($skip: Boolean! = true) { ...F @skip(if: $skip) viewer { id } } fragment F on Query { session { id } }", json!({})),
            ("query ($status: SessionStatus) { viewer { sessions(status: $status) { totalCount } } }", json!({ "status": "ACTIVE" })),
            ("mutation ($mode: InvalidateSessionsMode!, $id: ID) { invalidateSessions(input: { mode: $mode, sessionId: $id }) }", json!({ "mode": "OTHERS" })),
        ] {
            let answer = ada.run(document, variables).await;
            assert!(answer.errors().is_empty(), "{document}: {:#}", answer.body);
        }
    }

    async fn no_message_repeats_a_secret_of_the_client(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let documents = [
            (SIGN_UP, json!({ "input": { "username": "ada", "password": [SECRET] } })),
            (SIGN_UP, json!({ "input": { "username": "ada", "password": { "x": SECRET } } })),
            (SIGN_UP, json!({ "input": SECRET })),
            (r#"mutation ($p: String, $x: String) { signIn(input: { identifier: "ada", password: [$p, $x] }) { account { id } } }"#, json!({ "p": SECRET })),
            (r#"mutation ($x: String) { logout(input: { token: ["s3cr3tValue", $x] }) }"#, json!({})),
            (r#"mutation ($x: Int) { signUp(input: [{ username: "ada", password: "s3cr3tValue" }, $x]) { account { id } } }"#, json!({})),
            (SIGN_UP, json!({ "input": { "username": "ada", "password": PASSWORD, "transport": SECRET } })),
            ("mutation ($t: TokenTransport) { refreshTokens(input: { transport: $t }) { refreshOutcome } }", json!({ "t": SECRET })),
            ("mutation ($t: LogoutInput) { logout(input: $t) }", json!({ "t": { "token": [SECRET] } })),
            ("query ($n: Int) { accounts(first: $n) { totalCount } }", json!({ "n": SECRET })),
            (r#"mutation { logout(input: { token: ["s3cr3tValue"] }) }"#, json!({})),
            (r#"mutation { logout(input: { token: {x: "s3cr3tValue"} }) }"#, json!({})),
            (r#"mutation { logout(input: "s3cr3tValue") }"#, json!({})),
            (r"mutation { signUp(input: { password: s3cr3tValue }) { account { id } } }", json!({})),
            (r#"mutation { logout(input: { token: "s3cr3tValue }) }"#, json!({})),
            (r#"mutation { logout(input: { token: "s3cr3tValue" } }"#, json!({})),
            (r#"mutation { logout(input: { token: "s3cr3tValue" }) }"#, json!({})),
            (r#"mutation { refreshTokens(input: { refreshToken: "s3cr3tValue" }) { refreshOutcome } }"#, json!({})),
            (r#"mutation { signIn(input: { identifier: "s3cr3tValue", password: "s3cr3tValue" }) { account { id } } }"#, json!({})),
            (r#"query ($t: TokenTransport = "s3cr3tValue") { session { id } }"#, json!({})),
            (r#"{ accounts(first: "s3cr3tValue") { totalCount } }"#, json!({})),
        ];
        for (document, variables) in documents {
            let answer = app.anonymous().run(document, variables.clone()).await;
            assert!(!answer.errors().is_empty(), "{document} {variables}");
            assert!(!answer.body.to_string().contains(SECRET), "{document} {variables}: {:#}", answer.body);
        }
    }

    async fn a_failure_of_ours_tells_nothing_but_its_request_id(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        app.sql("DROP TABLE sessions").await;
        let client = app.signed_in(&login).with("x-request-id", "the-request");
        for document in [
            "{ session { id } }",
            r#"{ account(by: { username: "ada" }) { id } }"#,
            "mutation { logout }",
            "mutation { invalidateSessions(input: { mode: ALL }) }",
        ] {
            let answer = client.query(document).await;
            assert_error(&answer, &json!({ "code": "INTERNAL_SERVER_ERROR", "requestId": "the-request" }));
            assert_eq!(answer.errors()[0]["message"], "Internal server error.");
            assert_eq!(answer.status, 200);
            assert_eq!(answer.headers["x-request-id"], "the-request");
        }
        let answer = app.signed_in(&login).query("{ session { id } }").await;
        let id = answer.error()["requestId"].as_str().unwrap();
        assert!(!id.is_empty());
        assert_eq!(answer.headers["x-request-id"], id);
    }

    async fn a_database_that_does_not_answer_is_worth_another_try(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let id = login["account"]["id"].as_str().unwrap();
        let service = app.service(&[Scope::AccountsRead]).await;
        app.engine.db.clone().close().await.unwrap();
        let expected = json!({ "code": "SERVICE_UNAVAILABLE", "action": "RETRY", "retryAfter": 1 });
        let ada = app.signed_in(&login);
        let entity = format!(r#"{{ _entities(representations: [{{ __typename: "Account", id: "{id}" }}]) {{ ... on Account {{ username }} }} }}"#);
        for (client, document) in [
            (&ada, "{ session { id } }"),
            (&ada, "{ viewer { id } }"),
            (&ada, "mutation { logout }"),
            (&ada, "mutation { invalidateSessions(input: { mode: ALL }) }"),
            (&ada, r#"mutation { changePassword(input: { currentPassword: "wrong password", newPassword: "new password" }) { id } }"#),
            (&ada, entity.as_str()),
            (&service, "{ session { id } }"),
        ] {
            let answer = client.query(document).await;
            assert_error(&answer, &expected);
            assert_eq!(answer.errors()[0]["message"], "The service is not available at the moment.");
            assert_eq!(answer.status, 200, "{document}");
        }
        let input = json!({ "input": { "username": "grace", "password": PASSWORD } });
        assert_error(&app.anonymous().run(SIGN_UP, input).await, &expected);
        assert_error(&app.anonymous().sign_in("ada").await, &expected);
        assert_error(&app.refresh(refresh_token(&login)).await, &expected);
    }
}

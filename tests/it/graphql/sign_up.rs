//! `signUp`.

use serde_json::json;

use crate::support::{
    app::TestApp,
    engine::{FIREFOX, PASSWORD},
    on_each_database,
};

const SIGN_UP: &str = "mutation ($input: SignUpInput!) { signUp(input: $input) { refreshOutcome \
    account { id username email emailVerified permissions deactivated createdAt updatedAt } \
    session { id current valid status connectionInfo { ip userAgent browser operatingSystem deviceKind } metadata \
              createdAt refreshedAt lastSeenAt expiresAt absoluteExpiresAt invalidatedAt invalidationReason } \
    tokens { tokenType accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt } } }";

fn instant(value: &serde_json::Value) -> chrono::DateTime<chrono::Utc> {
    value.as_str().unwrap().parse().unwrap()
}

on_each_database! {
    async fn it_answers_with_the_account_its_first_session_and_tokens(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let input = json!({ "input": { "username": "Ada_1", "email": "Ada@Example.ORG", "password": PASSWORD } });
        let answer = app.anonymous().run(SIGN_UP, input).await;
        let login = answer.data("signUp");
        let (account, session, tokens) = (&login["account"], &login["session"], &login["tokens"]);
        assert_eq!(account["username"], "ada_1");
        assert_eq!(account["email"], "ada@example.org");
        assert_eq!(account["emailVerified"], false);
        assert_eq!(account["permissions"], json!([]));
        assert_eq!(account["deactivated"], false);
        assert_eq!(account["createdAt"], account["updatedAt"]);

        assert_eq!(session["status"], "ACTIVE");
        assert_eq!(session["valid"], true);
        assert_eq!(session["connectionInfo"], json!({
            "ip": "192.0.2.1", "userAgent": FIREFOX, "browser": "Firefox", "operatingSystem": "Windows", "deviceKind": "DESKTOP",
        }));
        assert_eq!((&session["metadata"], &session["invalidatedAt"], &session["invalidationReason"]), (&json!(null), &json!(null), &json!(null)));
        let created = instant(&session["createdAt"]);
        assert_eq!(session["createdAt"], session["refreshedAt"]);
        assert_eq!((instant(&session["expiresAt"]) - created).num_days(), 7);
        assert_eq!((instant(&session["absoluteExpiresAt"]) - created).num_days(), 90);

        assert_eq!(tokens["tokenType"], "Bearer");
        assert_eq!(tokens["refreshTokenExpiresAt"], session["expiresAt"]);
        let lifetime = (instant(&tokens["accessTokenExpiresAt"]) - created).num_seconds();
        assert!((299..=300).contains(&lifetime), "{lifetime}");
        assert!(tokens["refreshToken"].as_str().unwrap().starts_with("sgr_"));
        assert_eq!(tokens["accessToken"].as_str().unwrap().split('.').count(), 3);
        assert_eq!(login["refreshOutcome"], json!(null));
        assert!(answer.set_cookies().is_empty());

        let own = app.signed_in(login).query("{ session { id } viewer { id username email } }").await;
        assert_eq!(own.data("session")["id"], session["id"]);
        assert_eq!(own.data("viewer"), &json!({ "id": account["id"], "username": "ada_1", "email": "ada@example.org" }));
    }

    async fn an_address_alone_is_enough(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let input = json!({ "input": { "email": "ada@example.org", "password": PASSWORD } });
        let answer = app.anonymous().run(SIGN_UP, input).await;
        assert_eq!(answer.data("signUp")["account"]["username"], json!(null));
        app.anonymous().sign_in("ADA@example.org").await.data("signIn");
    }

    async fn a_signed_in_request_may_sign_up_and_keeps_its_session(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.signed_in(&app.sign_up("ada").await);
        let input = json!({ "input": { "username": "grace", "password": PASSWORD } });
        let answer = ada.run(SIGN_UP, input).await;
        let login = answer.data("signUp");
        assert_eq!(login["account"]["username"], "grace");
        // The new session is not the one of the request.
        assert_eq!(login["session"]["current"], false);
        assert_eq!(ada.query("{ viewer { username } }").await.data("viewer")["username"], "ada");
    }

    async fn several_in_one_document_run_in_order(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let field = |alias: &str, name: &str| format!(r#"{alias}: signUp(input: {{ username: "{name}", password: "{PASSWORD}" }}) {{ account {{ username }} }}"#);
        let document = format!("mutation {{ {} {} {} }}", field("a", "ada"), field("b", "grace"), field("c", "barbara"));
        let answer = app.anonymous().query(&document).await;
        assert_eq!(answer.body["data"], json!({
            "a": { "account": { "username": "ada" } },
            "b": { "account": { "username": "grace" } },
            "c": { "account": { "username": "barbara" } },
        }));
    }

    async fn the_second_of_two_fields_that_fails_nulls_all_and_undoes_nothing(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let field = |alias: &str| format!(r#"{alias}: signUp(input: {{ username: "ada", password: "{PASSWORD}" }}) {{ account {{ id }} }}"#);
        let answer = app.anonymous().query(&format!("mutation {{ {} {} }}", field("a"), field("b"))).await;
        assert_eq!(answer.code(), "USERNAME_TAKEN");
        assert_eq!(answer.errors()[0]["path"], json!(["b"]));
        assert_eq!(answer.body["data"], json!(null));
        assert_eq!(answer.status, 200);
        assert_eq!(app.count("accounts").await, 1);
    }
}

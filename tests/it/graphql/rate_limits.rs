//! RATE_LIMITED, as clients see it: once for each executed field, whatever the document looks like.

use std::time::Duration;

use serde_json::{Value, json};
use sessiongraph::{limit::Rate, session::Policy};

use crate::support::{
    app::{Answer, ORIGIN, TestApp, refresh_token},
    engine::PASSWORD,
    on_each_database,
};

const WRONG: &str = "a wrong password";

fn sign_in(identifier: &str, password: &str) -> String {
    format!(
        "signIn(input: {{ identifier: \"{identifier}\", password: \"{password}\" }}) {{ account {{ id }} }}"
    )
}

/// One mutation with so many aliases of a field.
fn aliased(number: usize, field: impl Fn(usize) -> String) -> String {
    let fields: Vec<_> = (0..number).map(|n| format!("a{n}: {}", field(n))).collect();
    format!("mutation {{ {} }}", fields.join(" "))
}

/// The codes of all errors, in the order of their aliases.
fn codes(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut codes: Vec<_> = answer
        .errors()
        .iter()
        .map(|error| (text(&error["path"][0]), text(&error["extensions"]["code"])))
        .collect();
    codes.sort_by_key(|(path, _)| (path.len(), path.clone()));
    codes
}

fn a_minute(count: u32) -> Rate {
    let per = Duration::from_mins(1);
    Rate { count, per }
}

fn no_change(_: &mut Policy) {}

on_each_database! {
    async fn it_says_when_to_come_again(database: TestDatabase) {
        let app = TestApp::with(&database, &[], |policy| policy.sign_in_failures = Some(a_minute(1))).await;
        let login = app.sign_up("ada").await;
        let wrong = format!("mutation {{ {} }}", sign_in("ada", WRONG));
        assert_eq!(app.anonymous().query(&wrong).await.error(), &json!({ "code": "AUTHENTICATION_FAILED" }));
        app.engine.advance(18);
        let expected = json!({ "code": "RATE_LIMITED", "action": "RETRY", "retryAfter": 42 });
        let answer = app.anonymous().query(&wrong).await;
        assert_eq!((answer.status.as_u16(), answer.error()), (200, &expected));
        assert_eq!(answer.body["errors"][0]["message"], "Too many attempts.");
        assert_eq!(app.anonymous().sign_in("ada").await.error(), &expected);
        let ada = app.signed_in(&login);
        let change = |current: &str| format!(
            "mutation {{ changePassword(input: {{ currentPassword: \"{current}\", newPassword: \"{PASSWORD}\" }}) {{ id }} }}"
        );
        assert_eq!(ada.query(&change(WRONG)).await.code(), "AUTHENTICATION_FAILED");
        let expected = json!({ "code": "RATE_LIMITED", "action": "RETRY", "retryAfter": 60 });
        assert_eq!(ada.query(&change(PASSWORD)).await.error(), &expected);
        // The session is none the worse for it.
        ada.query("{ session { id } }").await.data("session");
        app.engine.advance(60);
        app.anonymous().sign_in("ada").await.data("signIn");
    }

    async fn fifty_aliases_are_fifty_attempts(database: TestDatabase) {
        let app = TestApp::with(&database, &[("max_aliases", "50")], no_change).await;
        app.sign_up("ada").await;
        let answer = app.anonymous().query(&aliased(50, |_| sign_in("ada", WRONG))).await;
        let codes = codes(&answer);
        assert_eq!(codes.len(), 50, "{:#}", answer.body);
        for (n, (_, code)) in codes.iter().enumerate() {
            assert_eq!(code, if n < 10 { "AUTHENTICATION_FAILED" } else { "RATE_LIMITED" }, "{n}");
        }
        // Neither do fragments gain anything, nor a right password at their end.
        let other = format!("mutation {{ ...F }} fragment F on Mutation {{ {} }}", sign_in("ada", PASSWORD));
        assert_eq!(app.anonymous().query(&other).await.code(), "RATE_LIMITED");
    }

    async fn a_batch_of_ten_is_ten_attempts(database: TestDatabase) {
        let app = TestApp::with(&database, &[], |policy| policy.sign_in_failures = Some(a_minute(7))).await;
        app.sign_up("ada").await;
        let wrong = format!("mutation {{ {} }}", sign_in("ada", WRONG));
        let batch = Value::from(vec![json!({ "query": wrong }); 10]);
        let answer = app.anonymous().post(&batch).await;
        let answers = answer.body.as_array().unwrap();
        assert_eq!(answers.len(), 10);
        for (n, answer) in answers.iter().enumerate() {
            let code = &answer["errors"][0]["extensions"]["code"];
            assert_eq!(code, if n < 7 { "AUTHENTICATION_FAILED" } else { "RATE_LIMITED" }, "{n}");
        }
    }

    async fn aliased_sign_ups_are_counted_each(database: TestDatabase) {
        let app = TestApp::with(&database, &[], |policy| policy.sign_up_limit = Some(a_minute(3))).await;
        let sign_up = |n: usize| format!(
            "signUp(input: {{ username: \"user_{n}\", password: \"{PASSWORD}\" }}) {{ account {{ id }} }}"
        );
        let answer = app.anonymous().query(&aliased(5, sign_up)).await;
        let limited = [("a3", "RATE_LIMITED"), ("a4", "RATE_LIMITED")];
        assert_eq!(codes(&answer), limited.map(|(path, code)| (path.to_owned(), code.to_owned())));
        assert_eq!(app.count("accounts").await, 3);
        let expected = json!({ "code": "RATE_LIMITED", "action": "RETRY", "retryAfter": 60 });
        let taken = format!("mutation {{ {} }}", sign_up(0));
        assert_eq!(app.anonymous().query(&taken).await.error(), &expected);
    }

    async fn refreshing_too_often_leaves_the_session_as_it_is(database: TestDatabase) {
        let app = TestApp::with(&database, &[], |policy| policy.refresh_limit = Some(a_minute(2))).await;
        let login = app.sign_up("ada").await;
        let token = refresh_token(&login);
        assert_eq!(app.refresh(token).await.data("refreshTokens")["refreshOutcome"], "ROTATED");
        assert_eq!(app.refresh(token).await.data("refreshTokens")["refreshOutcome"], "CONVERGED");
        let expected = json!({ "code": "RATE_LIMITED", "action": "RETRY", "retryAfter": 60 });
        assert_eq!(app.refresh(token).await.error(), &expected);
        app.signed_in(&login).query("{ session { id } }").await.data("session");
    }

    async fn cookies_stay_when_a_renewal_is_refused(database: TestDatabase) {
        let app = TestApp::with(&database, &[], |policy| policy.refresh_limit = Some(a_minute(1))).await;
        let mut browser = app.browser();
        browser.client = browser.client.with("origin", ORIGIN);
        browser.sign_up("ada").await;
        browser.cookies.remove("__Host-sessiongraph_access");
        browser.query("{ session { id } }").await.data("session");
        browser.cookies.remove("__Host-sessiongraph_access");
        let answer = browser.query("{ session { id } _service { sdl } }").await;
        let expected = json!({ "code": "RATE_LIMITED", "action": "RETRY", "retryAfter": 60 });
        assert_eq!(answer.error(), &expected);
        assert!(answer.set_cookies().is_empty());
        assert!(answer.body["data"]["_service"]["sdl"].is_string(), "the rest is answered");
        app.engine.advance(60);
        browser.query("{ session { id } }").await.data("session");
    }

    async fn the_defaults_are_the_servers(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        app.sign_up("ada").await;
        for _ in 0..10 {
            assert_eq!(app.anonymous().query(&format!("mutation {{ {} }}", sign_in("ada", WRONG))).await.code(), "AUTHENTICATION_FAILED");
        }
        let expected = json!({ "code": "RATE_LIMITED", "action": "RETRY", "retryAfter": 900 });
        assert_eq!(app.anonymous().sign_in("ada").await.error(), &expected);
    }
}

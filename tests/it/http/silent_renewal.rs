//! An expired access cookie beside a good refresh cookie: queries are renewed on the way.

use serde_json::{Value, json};

use crate::support::{
    app::{ORIGIN, TestApp, access_token, forged},
    engine::SAFARI,
    on_each_database,
};

const ACCESS: &str = "__Host-sessiongraph_access";
const REFRESH: &str = "__Host-sessiongraph_refresh";
const SESSION: &str = "{ session { id } }";

fn expired() -> Value {
    json!({ "code": "UNAUTHENTICATED", "reason": "TOKEN_EXPIRED", "action": "REFRESH" })
}

on_each_database! {
    async fn a_query_is_renewed_whether_the_access_cookie_is_expired_or_gone(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        let session = browser.sign_up("ada").await.data("signUp")["session"]["id"].clone();
        assert!(browser.query(SESSION).await.set_cookies().is_empty());
        app.engine.advance(6 * 60);
        let before = browser.cookies.clone();
        let answer = browser.query("{ session { id } viewer { username } }").await;
        assert_eq!(answer.data("session")["id"], session);
        assert_eq!(answer.set_cookies().len(), 2);
        assert!(browser.cookies[ACCESS] != before[ACCESS] && browser.cookies[REFRESH] != before[REFRESH]);
        assert!(browser.query(SESSION).await.set_cookies().is_empty());
        browser.cookies.remove(ACCESS);
        let answer = browser.query(SESSION).await;
        assert_eq!(answer.data("session")["id"], session);
        assert_eq!(answer.set_cookies().len(), 2);
        assert_eq!(app.count("sessions WHERE generation = 2").await, 1);
    }

    async fn a_batch_is_renewed_once(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        app.engine.advance(6 * 60);
        let one = json!({ "query": "{ session { id } viewer { id } }" });
        let answer = browser.post(&json!([one, one, one])).await;
        let answers = answer.body.as_array().unwrap();
        assert!(answers.iter().all(|answer| answer["data"]["session"]["id"].is_string()), "{:#}", answer.body);
        assert_eq!(answer.set_cookies().len(), 2);
        assert_eq!(app.count("sessions WHERE generation = 1").await, 1);
    }

    async fn parallel_requests_converge(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        app.engine.advance(6 * 60);
        let (mut one, mut two) = (browser.clone(), browser);
        let (first, second) = tokio::join!(one.query(SESSION), two.query(SESSION));
        assert_eq!(first.data("session"), second.data("session"));
        assert_eq!(one.cookies[REFRESH], two.cookies[REFRESH]);
        assert_eq!(app.count("sessions WHERE generation = 1").await, 1);
    }

    async fn a_mutation_is_not_renewed(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        app.engine.advance(6 * 60);
        for lost in [false, true] {
            if lost {
                browser.cookies.remove(ACCESS);
            }
            let answer = browser.query("mutation { invalidateSessions(input: { mode: OTHERS }) }").await;
            assert_eq!(answer.error(), &expired());
            assert!(answer.set_cookies().is_empty());
        }
        assert_eq!(app.count("sessions WHERE generation = 0").await, 1);
        // Following the action helps.
        browser.query("mutation { refreshTokens { refreshOutcome } }").await.data("refreshTokens");
        browser.query("mutation { invalidateSessions(input: { mode: OTHERS }) }").await.data("invalidateSessions");
    }

    async fn it_can_be_switched_off(database: TestDatabase) {
        let app = TestApp::with(&database, &[], |policy| policy.silent_renewal = false).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        app.engine.advance(6 * 60);
        for lost in [false, true] {
            if lost {
                browser.cookies.remove(ACCESS);
            }
            let answer = browser.query("{ session { id } __typename }").await;
            assert_eq!(answer.error(), &expired());
            assert_eq!(answer.body["data"], json!({ "session": null, "__typename": "Query" }));
            assert!(answer.set_cookies().is_empty());
        }
        assert_eq!(app.count("sessions WHERE generation = 0").await, 1);
    }

    async fn where_the_refresh_cookie_is_not_good_either_the_fields_say_why(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        app.engine.advance(6 * 60);
        let refused = |reason: &str| json!({ "code": "UNAUTHENTICATED", "reason": reason, "action": "SIGN_IN" });

        let mut other = browser.clone();
        other.client = other.client.with("user-agent", SAFARI);
        assert_eq!(other.query(SESSION).await.error(), &refused("INVALID_SESSION"));

        let mut garbled = browser.clone();
        *garbled.cookies.get_mut(REFRESH).unwrap() = forged(&browser.cookies[REFRESH]);
        assert_eq!(garbled.query(SESSION).await.error(), &refused("TOKEN_VERIFICATION_FAILED"));
        garbled.cookies.remove(ACCESS);
        assert_eq!(garbled.query(SESSION).await.error(), &refused("TOKEN_VERIFICATION_FAILED"));
        let foreign = access_token(&app.sign_up("grace").await).to_owned();
        garbled.cookies.insert(REFRESH.to_owned(), foreign);
        assert_eq!(garbled.query(SESSION).await.error(), &refused("INVALID_TOKEN"));
        app.sql("DELETE FROM sessions WHERE account_id IN (SELECT id FROM accounts WHERE username = 'grace')").await;

        let mut stale = browser.clone();
        app.engine.advance(8 * 24 * 60 * 60);
        assert_eq!(stale.query("{ session { id } __typename }").await.error(), &refused("INVALID_SESSION"));
        app.sql("UPDATE accounts SET deactivated_at = created_at WHERE username = 'ada'").await;
        assert_eq!(stale.query(SESSION).await.error(), &refused("USER_DEACTIVATED"));
        app.lose_accounts().await;
        assert_eq!(stale.query(SESSION).await.error(), &refused("USER_NOT_FOUND"));
        app.sql("DELETE FROM sessions").await;
        let answer = stale.query("{ session { id } __typename }").await;
        assert_eq!(answer.error(), &refused("SESSION_NOT_FOUND"));
        assert_eq!(answer.body["data"], json!({ "session": null, "__typename": "Query" }));
        assert!(answer.set_cookies().is_empty());
    }

    async fn an_expired_token_in_the_header_is_not_renewed_by_the_cookies(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("grace").await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        app.engine.advance(6 * 60);
        browser.client = app.signed_in(&login).with("origin", ORIGIN);
        let answer = browser.query(SESSION).await;
        assert_eq!(answer.error(), &expired());
        assert!(answer.set_cookies().is_empty());
    }

    async fn cookies_that_do_not_count_renew_nothing(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        app.engine.advance(6 * 60);
        browser.client = app.anonymous().with("origin", "https://evil.example");
        let answer = browser.query(SESSION).await;
        assert_eq!(answer.data("session"), &json!(null));
        assert!(answer.set_cookies().is_empty());
        assert_eq!(app.count("sessions WHERE generation = 0").await, 1);
    }

    async fn a_stolen_refresh_cookie_is_noticed_by_a_renewal_too(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        let mut thief = browser.clone();
        app.engine.advance(6 * 60);
        browser.query(SESSION).await.data("session");
        browser.query(SESSION).await.data("session");
        app.engine.advance(60);
        let answer = thief.query(SESSION).await;
        assert_eq!((&answer.error()["reason"], &answer.error()["action"]), (&json!("INVALID_SESSION"), &json!("SIGN_IN")));
        assert_eq!(app.count("sessions WHERE invalidation_reason = 'REFRESH_TOKEN_REUSED'").await, 1);
        assert_eq!(browser.query(SESSION).await.error()["reason"], "INVALID_SESSION");
    }
}

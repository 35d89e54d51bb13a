//! WebSockets of pages, which bring cookies.

use std::collections::BTreeMap;

use axum::http::header::{AUTHORIZATION, COOKIE, ORIGIN};
use serde_json::{Value, json};

use super::socket::{EVENTS, Socket};
use crate::support::{
    app::{self, TestApp},
    on_each_database,
};

const ACCESS: &str = "__Host-sessiongraph_access";
const REFRESH: &str = "__Host-sessiongraph_refresh";
const FRIEND: &str = "https://friend.example";

/// The application, and the cookies of somebody who has signed up.
async fn signed_up(
    database: &crate::support::database::TestDatabase,
) -> (TestApp, BTreeMap<String, String>) {
    let app = TestApp::with(database, &[("allowed_origins", FRIEND)], |_| {}).await;
    let mut browser = app.browser();
    browser.sign_up("ada").await.data("signUp");
    let cookies = browser.cookies;
    assert!(cookies.contains_key(ACCESS) && cookies.contains_key(REFRESH));
    (app, cookies)
}

fn line(cookies: &BTreeMap<String, String>) -> String {
    let all = cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    all.collect::<Vec<_>>().join("; ")
}

async fn initialised(app: &TestApp, headers: &[(&'static str, &str)], payload: &Value) -> Socket {
    let mut socket = Socket::connect_with(app, headers).await;
    socket
        .send(&json!({ "type": "connection_init", "payload": payload }))
        .await;
    socket
}

/// Whose connection it is.
async fn viewer(socket: &mut Socket) -> Value {
    assert_eq!(socket.next().await["type"], "connection_ack");
    let query = json!({ "query": "{ viewer { username } }" });
    socket
        .send(&json!({ "type": "subscribe", "id": "who", "payload": query }))
        .await;
    let answer = socket.next().await;
    assert_eq!(answer["payload"].get("errors"), None, "{answer}");
    assert_eq!(
        socket.next().await,
        json!({ "type": "complete", "id": "who" })
    );
    answer["payload"]["data"]["viewer"].clone()
}

on_each_database! {
    async fn the_cookies_of_ones_own_page_and_of_a_friends_count(database: TestDatabase) {
        let (app, cookies) = signed_up(&database).await;
        for origin in [app::ORIGIN, FRIEND] {
            let headers = [(COOKIE.as_str(), &*line(&cookies)), (ORIGIN.as_str(), origin)];
            let mut socket = initialised(&app, &headers, &Value::Null).await;
            assert_eq!(viewer(&mut socket).await["username"], "ada", "{origin}");
            socket.subscribe("1", EVENTS).await;
            app.engine.sign_in("ada").await;
            assert_eq!(socket.next().await["payload"]["data"]["sessionEvents"]["kind"], "CREATED");
        }
    }

    async fn the_cookies_of_a_foreign_page_or_of_none_do_not(database: TestDatabase) {
        let (app, cookies) = signed_up(&database).await;
        let cookies = line(&cookies);
        for other in [
            Some((ORIGIN.as_str(), "https://evil.example")),
            Some((ORIGIN.as_str(), "null")),
            // It has no body: what stands for the origin elsewhere does not here.
            Some(("sec-fetch-site", "same-origin")),
            None,
        ] {
            let mut headers = vec![(COOKIE.as_str(), cookies.as_str())];
            headers.extend(other);
            let mut socket = initialised(&app, &headers, &json!({})).await;
            assert_eq!(viewer(&mut socket).await, Value::Null, "{other:?}");
            socket.send(&json!({ "type": "subscribe", "id": "1", "payload": { "query": EVENTS } })).await;
            let refused = socket.next().await;
            assert!(refused.to_string().contains("MISSING_TOKEN"), "{refused}");
        }
    }

    async fn a_refresh_cookie_alone_opens_nothing(database: TestDatabase) {
        let (app, mut cookies) = signed_up(&database).await;
        cookies.remove(ACCESS);
        let headers = [(COOKIE.as_str(), &*line(&cookies)), (ORIGIN.as_str(), app::ORIGIN)];
        let mut socket = initialised(&app, &headers, &Value::Null).await;
        assert_eq!(socket.closed_because().await, (4401, "TOKEN_EXPIRED".to_owned()));
        let generation = "SELECT COUNT(*) FROM sessions WHERE generation = 0";
        assert_eq!(crate::support::database::scalar(&app.engine.db, generation).await, 1, "nothing was renewed");
    }

    async fn a_token_goes_before_the_cookies(database: TestDatabase) {
        let (app, cookies) = signed_up(&database).await;
        let bob = app.sign_up("bob").await;
        let bearer = format!("Bearer {}", app::access_token(&bob));
        let headers = [(COOKIE.as_str(), &*line(&cookies)), (ORIGIN.as_str(), app::ORIGIN)];
        let mut socket = initialised(&app, &headers, &json!({ "Authorization": bearer })).await;
        assert_eq!(viewer(&mut socket).await["username"], "bob");
        let headers = [headers[0], headers[1], (AUTHORIZATION.as_str(), &*bearer)];
        let mut socket = initialised(&app, &headers, &Value::Null).await;
        assert_eq!(viewer(&mut socket).await["username"], "bob");
    }
}

//! Server-sent events and multipart responses.

use std::time::{Duration, Instant};

use axum::{
    body::{Body, BodyDataStream},
    http::{Request, header},
};
use futures_util::StreamExt;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sessiongraph::scope::Scope;
use tokio::time::timeout;

use super::socket::{EVENTS, Socket};
use crate::support::{
    app::{Answer, TestApp},
    engine::{FIREFOX, PASSWORD},
    on_each_database,
};

pub(super) const MULTIPART: &str =
    "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\",application/json";

pub(super) fn subscribe(token: &str, accept: &str, document: &str) -> Request<Body> {
    Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, FIREFOX)
        .header(header::ACCEPT, accept)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::from(json!({ "query": document }).to_string()))
        .unwrap()
}

/// What the stream says until a text is in it.
async fn until(body: &mut BodyDataStream, wanted: &str) -> String {
    let mut said = String::new();
    let read = async {
        while !said.contains(wanted) {
            match body.next().await {
                Some(bytes) => said.push_str(std::str::from_utf8(&bytes.unwrap()).unwrap()),
                None => break,
            }
        }
    };
    let in_time = timeout(Duration::from_secs(10), read).await;
    assert!(
        in_time.is_ok() && said.contains(wanted),
        "{wanted} in {said:?}"
    );
    said
}

/// The response in a stream of events that has one.
#[track_caller]
fn only_event(answer: &Answer) -> Value {
    let said = answer.body.as_str().unwrap();
    let event = said
        .strip_prefix("event: next\ndata: ")
        .and_then(|rest| rest.strip_suffix("\n\nevent: complete\ndata: {}\n\n"));
    assert!(event.is_some(), "{said}");
    serde_json::from_str(event.unwrap()).unwrap()
}

/// Until the subscription hears of ada's sign-ins; what it said.
pub(super) async fn until_begun(app: &TestApp, body: &mut BodyDataStream) -> String {
    let signing_in = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            app.engine.sign_in("ada").await;
        }
    };
    tokio::select! {
        said = until(body, "CREATED") => said,
        () = signing_in => unreachable!("it signs in for ever"),
    }
}

on_each_database! {
    async fn events_come_as_server_sent_events_and_complete_with_the_session(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        let token = ada.tokens.access_token.expose_secret();
        let response = app.stream(subscribe(token, "text/event-stream", EVENTS)).await;
        assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/event-stream"));
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        let mut body = response.into_body().into_data_stream();
        until_begun(&app, &mut body).await;
        app.bearer(token).query("mutation { logout }").await.data("logout");
        let said = until(&mut body, "event: complete").await;
        assert!(said.contains("event: next") && said.contains("LOGOUT"), "{said}");
    }

    async fn events_come_as_parts_as_apollo_asks_for_them(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        let token = ada.tokens.access_token.expose_secret();
        let response = app.stream(subscribe(token, MULTIPART, EVENTS)).await;
        assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("multipart/mixed"));
        let mut body = response.into_body().into_data_stream();
        let said = until_begun(&app, &mut body).await;
        assert!(said.ends_with("\r\n--graphql"), "a part is whole when the next delimiter is there: {said:?}");
        app.bearer(token).query("mutation { logout }").await.data("logout");
        let said = until(&mut body, "--graphql--").await;
        assert!(said.contains(r#"{"payload":{"data":{"sessionEvents":"#), "{said}");
    }

    async fn the_token_of_an_ended_session_hears_nothing(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        let token = ada.tokens.access_token.expose_secret();
        app.bearer(token).query("mutation { logout }").await.data("logout");
        for form in ["text/event-stream", MULTIPART] {
            let refused = app.send(subscribe(token, form, EVENTS)).await;
            let said = refused.body.as_str().unwrap();
            assert!(said.contains("UNAUTHENTICATED") && said.contains("INVALID_SESSION"), "{said}");
            assert!(!said.contains("LOGOUT"), "{said}");
        }
    }

    async fn a_subscription_has_one_root_field_however_it_is_written(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        let token = ada.tokens.access_token.expose_secret();
        let in_fragment = "subscription { ...F } fragment F on Subscription { ... on Subscription { sessionEvents { kind } } }";
        let response = app.stream(subscribe(token, "text/event-stream", in_fragment)).await;
        until_begun(&app, &mut response.into_body().into_data_stream()).await;
        let two = "subscription { a: sessionEvents { kind } b: sessionEvents { kind } }";
        let refused = app.send(subscribe(token, "text/event-stream", two)).await;
        assert!(refused.body.as_str().unwrap().contains("GRAPHQL_VALIDATION_FAILED"), "{:#}", refused.body);
    }

    async fn a_query_is_answered_as_ever(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        let token = ada.tokens.access_token.expose_secret();
        let json = app.send(subscribe(token, MULTIPART, "{ viewer { username } }")).await;
        assert_eq!(json.data("viewer")["username"], "ada");
        let stream = app.send(subscribe(token, "text/event-stream", "{ viewer { username } }")).await;
        let said = stream.body.as_str().unwrap();
        assert!(said.contains("event: next") && said.contains("ada") && said.contains("event: complete"), "{said}");
    }

    async fn a_query_or_mutation_has_its_cookies(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.client = app.anonymous().with("sec-fetch-site", "same-origin").with("accept", "text/event-stream");
        let sign_in = format!("mutation {{ signIn(input: {{ identifier: \"ada\", password: \"{PASSWORD}\", transport: COOKIE }}) {{ tokens {{ accessToken }} }} }}");
        let answer = browser.sign_up("ada").await;
        assert_eq!((&only_event(&answer)["data"]["signUp"]["tokens"], answer.set_cookies().len()), (&json!(null), 2));
        let answer = browser.query(&sign_in).await;
        assert_eq!((only_event(&answer), answer.set_cookies().len()), (json!({ "data": { "signIn": { "tokens": null } } }), 2));
        app.engine.advance(6 * 60);
        let answer = browser.query("{ viewer { username } }").await;
        assert_eq!((only_event(&answer), answer.set_cookies().len()), (json!({ "data": { "viewer": { "username": "ada" } } }), 2));
        assert_eq!(app.count("sessions WHERE generation = 1").await, 1, "it was renewed");
        let answer = browser.query("mutation { refreshTokens(input: { transport: COOKIE }) { tokens { accessToken } } }").await;
        assert_eq!((only_event(&answer), answer.set_cookies().len()), (json!({ "data": { "refreshTokens": { "tokens": null } } }), 2));
        let answer = browser.query("mutation { logout }").await;
        assert_eq!((only_event(&answer), answer.set_cookies().len()), (json!({ "data": { "logout": true } }), 2));
        assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
        assert_eq!((&answer.headers[header::CONTENT_TYPE], &answer.headers[header::CACHE_CONTROL]), (&"text/event-stream".parse().unwrap(), &"no-store".parse().unwrap()));
    }

    async fn a_backend_may_ask_for_cookies_in_a_stream(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        let service = app.service(&[Scope::SessionsWrite]).await.with("accept", "text/event-stream");
        let document = "mutation ($id: ID!) { createSession(input: { accountId: $id, transport: COOKIE, connectionInfo: { ip: \"::1\", userAgent: \"x\" } }) { tokens { accessToken } } }";
        let answer = service.run(document, json!({ "id": ada.account.id.to_string() })).await;
        assert_eq!((only_event(&answer), answer.set_cookies().len()), (json!({ "data": { "createSession": { "tokens": null } } }), 2));
    }

    async fn what_was_never_executed_has_no_data(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let client = app.anonymous().with("accept", "text/event-stream");
        let hash = json!({ "persistedQuery": { "version": 1, "sha256Hash": "0".repeat(64) } });
        for (request, code) in [
            (json!({ "query": "query { nope }" }), "GRAPHQL_VALIDATION_FAILED"),
            (json!({ "query": "subscription { nope }" }), "GRAPHQL_VALIDATION_FAILED"),
            (json!({ "query": "{" }), "GRAPHQL_PARSE_FAILED"),
            (json!({ "extensions": hash }), "PERSISTED_QUERY_NOT_FOUND"),
        ] {
            let answer = only_event(&client.post(&request).await);
            assert_eq!((&answer["errors"][0]["extensions"]["code"], answer.get("data")), (&json!(code), None), "{answer}");
        }
        let parts = app.anonymous().with("accept", MULTIPART).query("subscription { nope }").await;
        let said = parts.body.as_str().unwrap();
        assert!(said.contains(r#"{"payload":{"errors":[{"#) && !said.contains(r#""data""#), "{said}");
    }

    async fn a_stream_is_asked_for_as_json_is(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for (accept, document, format) in [
            ("text/event-stream ; q=1", "{ __typename }", "text/event-stream"),
            ("Text/Event-Stream;q=0.5, text/html", EVENTS, "text/event-stream"),
            ("multipart/mixed ; subscriptionSpec=\"1.0\"", EVENTS, "multipart/mixed"),
            ("text/event-stream;q=0, multipart/mixed;subscriptionSpec=\"1.0\"", EVENTS, "multipart/mixed"),
            ("text/event-stream;q=0, application/json", EVENTS, "application/json"),
            ("multipart/mixed;subscriptionSpec=\"1.0\";q=0.0, */*", EVENTS, "application/json"),
        ] {
            let answer = app.anonymous().with("accept", accept).query(document).await;
            assert_eq!(answer.status, 200, "{accept}");
            let found = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
            assert!(found.starts_with(format), "{accept}: {found}");
        }
        let refused = app.anonymous().with("accept", "text/event-stream;q=0").query(EVENTS).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (406, "BAD_REQUEST"));
    }

    async fn a_stream_completes_when_its_token_expires(database: TestDatabase) {
        const TTL: Duration = Duration::from_secs(2);
        let app = TestApp::with(&database, &[], |policy| {
            policy.access_token_ttl = TTL;
            policy.clock_skew = Duration::ZERO;
        })
        .await;
        let ada = app.engine.sign_up("ada").await;
        let token = ada.tokens.access_token.expose_secret();
        for (form, end) in [("text/event-stream", "event: complete\ndata: {}\n\n"), (MULTIPART, "\r\n--graphql--\r\n")] {
            let begun = Instant::now();
            let mut body = app.stream(subscribe(token, form, EVENTS)).await.into_body().into_data_stream();
            let said = until(&mut body, end).await;
            assert!(said.ends_with(end) && !said.contains("errors"), "{said}");
            // A token's dates are whole seconds: it may be up to one shorter.
            assert!(begun.elapsed() + Duration::from_secs(1) >= TTL, "not a moment too early");
            assert!(body.next().await.is_none(), "there is nothing behind the end");
        }
        assert_eq!(app.engine.ended_with(ada.session.id).await, None, "the session lives on");
    }

    async fn the_sessions_of_another_account_are_not_heard_of(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, bob) = (app.engine.sign_up("ada").await, app.engine.sign_up("bob").await);
        let token = ada.tokens.access_token.expose_secret();
        let of = |account: &str| format!("subscription {{ sessionEvents(accountId: \"{account}\") {{ kind }} }}");
        for other in [bob.account.id.to_string(), "nobody".to_owned()] {
            for form in ["text/event-stream", MULTIPART] {
                let refused = app.send(subscribe(token, form, &of(&other))).await;
                let said = refused.body.as_str().unwrap();
                assert!(said.contains(r#""code":"FORBIDDEN""#), "{said}");
            }
            let mut socket = Socket::signed_in(&app, token).await;
            socket.send(&json!({ "type": "subscribe", "id": "1", "payload": { "query": of(&other) } })).await;
            let refused = socket.next().await;
            assert_eq!(refused["payload"]["errors"][0]["extensions"]["code"], "FORBIDDEN", "{refused}");
            assert_eq!(socket.next().await, json!({ "type": "complete", "id": "1" }));
        }
        let own = of(&ada.account.id.to_string());
        let response = app.stream(subscribe(token, "text/event-stream", &own)).await;
        until_begun(&app, &mut response.into_body().into_data_stream()).await;
    }
}

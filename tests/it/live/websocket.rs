//! WebSockets.

use std::{collections::HashSet, time::Duration};

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sessiongraph::{
    scope::Scope,
    session::{InvalidateSessions, LoginResult},
};

use super::socket::{EVENTS, Socket};
use crate::support::{app::TestApp, engine::Engine, on_each_database};

fn token(login: &LoginResult) -> &str {
    login.tokens.access_token.expose_secret()
}

async fn end_others(engine: &Engine, login: &LoginResult) {
    let caller = engine.caller(login).await;
    let request = crate::support::engine::request();
    engine
        .sessions
        .invalidate_sessions(&request, &caller, None, InvalidateSessions::Others)
        .await
        .unwrap();
}

fn event(message: &Value) -> (&str, &str, &str) {
    assert_eq!(message["type"], "next", "{message}");
    let event = &message["payload"]["data"]["sessionEvents"];
    (
        event["kind"].as_str().unwrap(),
        event["session"]["id"].as_str().unwrap(),
        event["session"]["account"]["username"]
            .as_str()
            .unwrap_or_default(),
    )
}

on_each_database! {
    async fn an_account_hears_of_its_own_sessions_only(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        let mut socket = Socket::signed_in(&app, token(&ada)).await;
        socket.subscribe("1", EVENTS).await;
        app.engine.sign_up("bob").await;
        let second = app.engine.sign_in("ada").await;
        let id = second.session.id.to_string();
        assert_eq!(event(&socket.next().await), ("CREATED", id.as_str(), "ada"));
        app.engine.refresh(&second.tokens.refresh_token).await.unwrap();
        let refreshed = socket.next().await;
        assert_eq!(event(&refreshed), ("REFRESHED", id.as_str(), "ada"));
        assert_eq!(refreshed["payload"]["data"]["sessionEvents"]["refreshOutcome"], "ROTATED");
        end_others(&app.engine, &ada).await;
        let ended = socket.next().await;
        assert_eq!(event(&ended), ("INVALIDATED", id.as_str(), "ada"));
        assert_eq!(ended["payload"]["data"]["sessionEvents"]["session"]["invalidationReason"], "REQUESTED");
    }

    async fn an_event_does_not_say_who_did_it_but_its_session_does(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, other) = (app.engine.sign_up("ada").await, app.engine.sign_in("ada").await);
        let who = "kind connectionInfo { ip } bySession byServiceKey";
        let document = format!("subscription {{ sessionEvents {{ {who} session {{ events(first: 1) {{ nodes {{ {who} }} }} }} }} }}");
        let mut socket = Socket::signed_in(&app, token(&ada)).await;
        socket.subscribe("1", &document).await;
        app.engine.advance(1);
        let key = app.engine.sessions.create_service_key("desk", [Scope::SessionsRead]).await.unwrap();
        let mut desk = Socket::signed_in(&app, key.expose_secret()).await;
        desk.subscribe("1", &document).await;
        end_others(&app.engine, &ada).await;
        assert!(app.engine.ended_with(other.session.id).await.is_some());
        for socket in [&mut socket, &mut desk] {
            let heard = socket.next().await;
            assert_eq!(heard["payload"]["data"]["sessionEvents"], json!({
                "kind": "INVALIDATED", "connectionInfo": null, "bySession": null, "byServiceKey": null,
                "session": { "events": { "nodes": [{
                    "kind": "INVALIDATED", "connectionInfo": { "ip": "192.0.2.1" }, "bySession": ada.session.id, "byServiceKey": null,
                }] } },
            }));
        }
    }

    async fn the_event_of_its_own_end_is_the_last_and_the_connection_is_closed(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, other) = (app.engine.sign_up("ada").await, app.engine.sign_in("ada").await);
        let mut socket = Socket::signed_in(&app, token(&ada)).await;
        socket.subscribe("1", EVENTS).await;
        end_others(&app.engine, &other).await;
        let id = ada.session.id.to_string();
        assert_eq!(event(&socket.next().await), ("INVALIDATED", id.as_str(), "ada"));
        assert_eq!(socket.next().await, json!({ "type": "complete", "id": "1" }));
        assert_eq!(socket.closed().await, 4403);
    }

    async fn the_event_of_its_own_end_tells_nobody_what_was_recorded(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, other) = (app.engine.sign_up("ada").await, app.engine.sign_in("ada").await);
        let mut socket = Socket::signed_in(&app, token(&ada)).await;
        let document = "subscription { sessionEvents { kind session { events { totalCount } account { sessions { nodes { events { totalCount } } } } } } }";
        socket.subscribe("1", document).await;
        end_others(&app.engine, &other).await;
        // Who holds a stolen token does not learn who ended it.
        let heard = socket.next().await;
        assert_eq!(heard["payload"]["data"]["sessionEvents"], json!({
            "kind": "INVALIDATED",
            "session": { "events": null, "account": { "sessions": { "nodes": [{ "events": null }, { "events": null }] } } },
        }));
    }

    async fn an_idle_connection_is_closed_when_its_session_ends(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, other) = (app.engine.sign_up("ada").await, app.engine.sign_in("ada").await);
        let mut socket = Socket::signed_in(&app, token(&ada)).await;
        end_others(&app.engine, &other).await;
        assert_eq!(socket.closed().await, 4403);
        let mut again = Socket::connect(&app).await;
        again.send(&json!({ "type": "connection_init", "payload": { "Authorization": token(&ada) } })).await;
        assert_eq!(again.closed().await, 4403);
    }

    async fn a_connection_ends_with_its_token_unless_it_is_renewed(database: TestDatabase) {
        let app = TestApp::with(&database, &[], |policy| {
            policy.access_token_ttl = Duration::from_secs(2);
            policy.clock_skew = Duration::ZERO;
        })
        .await;
        let ada = app.engine.sign_up("ada").await;
        let mut renewed = Socket::signed_in(&app, token(&ada)).await;
        let mut left_alone = Socket::signed_in(&app, token(&ada)).await;
        // The clock of tokens stands still, that of connections does not: the fresh token has some seconds more.
        app.engine.advance(5);
        let fresh = app.engine.refresh(&ada.tokens.refresh_token).await.unwrap();
        app.engine.clock.go_back(Duration::from_secs(5));
        renewed.send(&json!({ "type": "ping", "payload": { "Authorization": format!("Bearer {}", token(&fresh)) } })).await;
        assert_eq!(renewed.next().await["type"], "pong");
        assert_eq!(left_alone.closed().await, 4401);
        renewed.send(&json!({ "type": "ping" })).await;
        assert_eq!(renewed.next().await["type"], "pong", "it outlives its first token");
        let stranger = app.engine.sign_up("bob").await;
        renewed.send(&json!({ "type": "ping", "payload": { "Authorization": token(&stranger) } })).await;
        assert_eq!(renewed.closed().await, 4401, "another session's token renews nothing");
    }

    async fn who_has_no_good_token_is_turned_away(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        for bad in ["garbage", ada.tokens.refresh_token.expose_secret()] {
            let mut socket = Socket::connect(&app).await;
            socket.send(&json!({ "type": "connection_init", "payload": { "authorization": bad } })).await;
            assert_eq!(socket.closed().await, 4401);
        }
        let mut anonymous = Socket::connect(&app).await;
        anonymous.send(&json!({ "type": "connection_init" })).await;
        assert_eq!(anonymous.next().await["type"], "connection_ack");
        anonymous.send(&json!({ "type": "subscribe", "id": "1", "payload": { "query": EVENTS } })).await;
        let refused = anonymous.next().await;
        assert!(refused.to_string().contains("MISSING_TOKEN"), "{refused}");
    }

    async fn a_backend_hears_of_all_or_of_one_account_until_its_key_is_revoked(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let key = app.engine.sessions.create_service_key("events", [Scope::SessionsRead]).await.unwrap();
        let ada = app.engine.sign_up("ada").await;
        let mut all = Socket::signed_in(&app, key.expose_secret()).await;
        all.subscribe("1", EVENTS).await;
        let mut one = Socket::signed_in(&app, key.expose_secret()).await;
        let of_ada = format!("subscription {{ sessionEvents(accountId: \"{}\") {{ kind session {{ id account {{ username }} }} }} }}", ada.account.id);
        one.subscribe("1", &of_ada).await;
        let bob = app.engine.sign_up("bob").await;
        assert_eq!(event(&all.next().await), ("CREATED", bob.session.id.to_string().as_str(), ""));
        let second = app.engine.sign_in("ada").await;
        assert_eq!(event(&one.next().await), ("CREATED", second.session.id.to_string().as_str(), ""));
        app.engine.sessions.revoke_service_key("events").await.unwrap();
        let relay = sessiongraph::session::Relay::new(app.engine.sessions.clone(), uuid::Uuid::nil());
        relay.read_since(second.session.created_at).await.unwrap();
        assert_eq!(one.next().await, json!({ "type": "complete", "id": "1" }));
        assert_eq!(one.closed().await, 4403);
    }

    async fn the_protocol_is_kept_by_both_sides(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut early = Socket::connect(&app).await;
        early.send(&json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ __typename }" } })).await;
        assert_eq!(early.closed().await, 4401);
        let too_long = json!({ "type": "ping", "payload": { "n": "n".repeat(256 << 10) } }).to_string();
        for bad in ["no JSON", r#"{"type":"nonsense"}"#, &too_long] {
            let mut socket = Socket::connect(&app).await;
            socket.send_text(bad).await;
            assert_eq!(socket.closed().await, 4400, "{}", &bad[..7]);
        }
        let ada = app.engine.sign_up("ada").await;
        let mut twice = Socket::signed_in(&app, token(&ada)).await;
        twice.send(&json!({ "type": "connection_init" })).await;
        assert_eq!(twice.closed().await, 4429);
        let mut same_id = Socket::signed_in(&app, token(&ada)).await;
        same_id.subscribe("1", EVENTS).await;
        same_id.send(&json!({ "type": "subscribe", "id": "1", "payload": { "query": EVENTS } })).await;
        assert_eq!(same_id.closed().await, 4409);
        let mut invalid = Socket::signed_in(&app, token(&ada)).await;
        invalid.send(&json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ nonsense }" } })).await;
        let error = invalid.next().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("1")));
        assert_eq!(error["payload"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
        invalid.send(&json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ viewer { username } }" } })).await;
        let answer = invalid.next().await;
        assert_eq!(answer["payload"]["data"]["viewer"]["username"], "ada", "its id is free again: {answer}");
    }

    async fn fifty_operations_run_at_a_time_and_one_more_is_over_the_limit(database: TestDatabase) {
        const LIMIT: usize = 50;
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        let mut socket = Socket::signed_in(&app, token(&ada)).await;
        let subscribe = |id: usize| json!({ "type": "subscribe", "id": id.to_string(), "payload": { "query": EVENTS } });
        for id in 0..LIMIT - 2 {
            socket.send(&subscribe(id)).await;
        }
        // What waits until it has begun is an operation too.
        socket.subscribe(&(LIMIT - 2).to_string(), EVENTS).await;
        let mut waiting: HashSet<_> = (0..LIMIT - 1).map(|id| id.to_string()).collect();
        while !waiting.is_empty() {
            // An event for those that had not begun at the last one.
            app.engine.sign_in("ada").await;
            socket.send(&json!({ "type": "ping" })).await;
            loop {
                let message = socket.next().await;
                if message["type"] == "pong" {
                    break;
                }
                waiting.remove(message["id"].as_str().unwrap());
            }
        }
        socket.send(&subscribe(LIMIT - 1)).await;
        socket.send(&json!({ "type": "complete", "id": "0" })).await;
        socket.send(&subscribe(LIMIT)).await;
        socket.send(&json!({ "type": "ping" })).await;
        while socket.next().await["type"] != "pong" {}
        socket.send(&subscribe(LIMIT + 1)).await;
        let (code, reason, _) = socket.end().await;
        assert_eq!((code, reason.as_str()), (4400, "Too many operations at a time"));
    }

    async fn who_is_still_sending_is_not_cut_off_before_the_close_is_read(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut socket = Socket::connect(&app).await;
        socket.send_text("no message").await;
        assert_eq!(socket.closed().await, 4400);
        // On a connection that is closed already, the first of these is answered by a reset, and the next ones fail.
        for _ in 0..3 {
            socket.send_blindly("x").await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn a_document_is_subscribed_to_by_its_digest_once_it_was_sent(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        let mut socket = Socket::signed_in(&app, token(&ada)).await;
        let sha256 = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, EVENTS.as_bytes()));
        let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": sha256 } });
        let by_digest = json!({ "type": "subscribe", "id": "1", "payload": { "extensions": extensions } });
        socket.send(&by_digest).await;
        let unknown = socket.next().await;
        assert_eq!(unknown["payload"][0]["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND", "{unknown}");
        let both = json!({ "query": EVENTS, "extensions": extensions });
        socket.send(&json!({ "type": "subscribe", "id": "2", "payload": both })).await;
        socket.send(&json!({ "type": "complete", "id": "2" })).await;
        socket.send(&by_digest).await;
        socket.subscribe("3", EVENTS).await;
        app.engine.sign_in("ada").await;
        let heard: HashSet<_> = [socket.next().await, socket.next().await].map(|event| event["id"].to_string()).into();
        assert_eq!(heard, HashSet::from(["\"1\"".to_owned(), "\"3\"".to_owned()]));
    }

    async fn a_close_is_answered_with_its_own_code(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        assert_eq!(Socket::connect(&app).await.close(1000).await, 1000);
        let mut subscribed = Socket::signed_in(&app, token(&ada)).await;
        subscribed.subscribe("1", EVENTS).await;
        assert_eq!(subscribed.close(4999).await, 4999);
    }
}

//! Many subscriptions on one process, and one that nobody reads.

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::task::JoinSet;

use super::socket::{EVENTS, Socket};
use crate::support::{app::TestApp, on_each_database};

const SUBSCRIBERS: usize = 200;

on_each_database! {
    async fn two_hundred_hear_of_an_event_though_one_of_them_does_not_read(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.engine.sign_up("ada").await;
        let token = ada.tokens.access_token.expose_secret().to_owned();
        let url = format!("http://{}", app.listen().await);
        // It asks for much and reads nothing of it.
        let mut deaf = Socket::connect_to(&url, &[]).await.initialised(&token).await;
        for n in 0..40 {
            let query = json!({ "query": "{ __schema { types { name fields { name description } } } }" });
            deaf.send(&json!({ "type": "subscribe", "id": n.to_string(), "payload": query })).await;
        }
        let mut connecting = JoinSet::new();
        for _ in 0..SUBSCRIBERS {
            let (url, token) = (url.clone(), token.clone());
            connecting.spawn(async move {
                let mut socket = Socket::connect_to(&url, &[]).await.initialised(&token).await;
                socket.subscribe("1", EVENTS).await;
                socket
            });
        }
        let sockets = connecting.join_all().await;
        let second = app.engine.sign_in("ada").await;
        let mut hearing = JoinSet::new();
        for mut socket in sockets {
            hearing.spawn(async move { socket.next().await });
        }
        let heard = hearing.join_all().await;
        assert_eq!(heard.len(), SUBSCRIBERS);
        for message in heard {
            assert_eq!(message["payload"]["data"]["sessionEvents"]["session"]["id"], second.session.id.to_string());
        }
    }
}

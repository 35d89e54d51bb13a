//! A gateway that polls the public keys every ten minutes.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use sessiongraph::session::LoginResult;

use crate::support::{
    engine::{Engine, kid_of},
    on_each_database,
};

const MINUTE: Duration = Duration::from_mins(1);
const POLLING: u64 = 10;
/// Longer than the thirty days after which the signing key rotates by itself.
const MINUTES: u64 = 31 * 24 * 60;

/// The key ids that a gateway knows.
fn known(keys: &str) -> Vec<String> {
    let keys: Value = serde_json::from_str(keys).unwrap();
    let ids = keys["keys"].as_array().unwrap().iter();
    ids.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn expires_at(login: &LoginResult) -> i64 {
    let token = secrecy::ExposeSecret::expose_secret(&login.tokens.access_token);
    let payload = BASE64_URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    serde_json::from_slice::<Value>(&payload).unwrap()["exp"]
        .as_i64()
        .unwrap()
}

on_each_database! {
    async fn no_token_is_of_a_key_that_it_does_not_know_across_a_default_rotation(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mut login = engine.sign_up("ada").await;
        let first_key = kid_of(&login.tokens.access_token);
        // A day before the rotation, minute by minute until a day behind it; the session is refreshed on the way there.
        for _ in 0..29 {
            engine.clock.advance(24 * 60 * MINUTE);
            engine.keyring.rotate_when_due().await.unwrap();
            login = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        }
        let mut gateway = known(&engine.keyring.jwks());
        let mut shown: Vec<LoginResult> = Vec::new();
        for minute in 29 * 24 * 60..MINUTES {
            engine.clock.advance(MINUTE);
            engine.keyring.rotate_when_due().await.unwrap();
            if minute % POLLING == 0 {
                gateway = known(&engine.keyring.jwks());
            }
            login = engine.refresh(&login.tokens.refresh_token).await.unwrap();
            shown.push(login.clone());
            let now = sessiongraph::clock::Clock::now(&engine.clock).timestamp();
            shown.retain(|login| expires_at(login) > now);
            for token in &shown {
                let kid = kid_of(&token.tokens.access_token);
                assert!(gateway.contains(&kid), "minute {minute}: {kid} is unknown");
            }
        }
        assert_ne!(kid_of(&login.tokens.access_token), first_key, "it has rotated");
    }
}

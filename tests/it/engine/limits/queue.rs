//! A flood of passwords to hash.

use sessiongraph::{account::Accounts, crypto::password::PasswordPolicy};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::support::{engine::PASSWORDS, on_each_database};

/// So slow that a flood is not over before it is looked at.
const SLOW: PasswordPolicy = PasswordPolicy {
    memory_kib: 64 * 1024,
    iterations: 12,
    queue: 64,
    ..PASSWORDS
};

on_each_database! {
    async fn a_flood_is_refused_at_once_starves_no_session_and_leaves_with_its_clients(database: TestDatabase) {
        let mut engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.accounts = Accounts::new(engine.sessions.clone(), SLOW).unwrap();
        let gone = CancellationToken::new();
        let flood: Vec<_> = (0..400)
            .map(|n| {
                let engine = engine.clone();
                let mut request = from(&format!("10.0.0.{}", n % 50));
                request.client_gone = gone.clone();
                let input = SignIn {
                    identifier: format!("nobody_{n}"),
                    password: Password::new(WRONG),
                    transport: TokenTransport::Body,
                };
                tokio::spawn(async move { outcome(engine.accounts.sign_in(&request, input).await) })
            })
            .collect();
        let finished = || flood.iter().filter(|attempt| attempt.is_finished()).count();
        // Those that find the queue full do not wait.
        while finished() < 300 {
            tokio::task::yield_now().await;
        }
        for _ in 0..20 {
            assert!(engine.session_of(&login.tokens.access_token).await.is_ok());
        }
        assert!(finished() < 400, "sessions are read while passwords wait");
        gone.cancel();
        let mut hashed = 0;
        for attempt in flood {
            let outcome = attempt.await.unwrap();
            hashed += i64::from(outcome == failed());
            assert!(outcome == failed() || outcome == ("SERVICE_UNAVAILABLE".to_owned(), Some(1)), "{outcome:?}");
        }
        assert!(hashed < 64, "{hashed}");
        // Those that were hashed count, and no others.
        assert_eq!(counts(&engine, NETWORK).await.iter().sum::<i64>(), hashed);
    }

    async fn one_network_leaves_room_for_others(database: TestDatabase) {
        let mut engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        engine.accounts = Accounts::new(engine.sessions.clone(), SLOW).unwrap();
        let gone = CancellationToken::new();
        let flood: Vec<_> = (0..200)
            .map(|n| {
                let engine = engine.clone();
                let mut request = from(&format!("2001:db8::{n}"));
                request.client_gone = gone.clone();
                let input = SignIn {
                    identifier: format!("nobody_{n}"),
                    password: Password::new(WRONG),
                    transport: TokenTransport::Body,
                };
                tokio::spawn(async move { outcome(engine.accounts.sign_in(&request, input).await) })
            })
            .collect();
        while flood.iter().filter(|attempt| attempt.is_finished()).count() < 150 {
            tokio::task::yield_now().await;
        }
        let elsewhere = engine.clone();
        let owner = tokio::spawn(async move { attempt(&elsewhere, "192.0.2.77", "ada", PASSWORD).await });
        while counts(&engine, NETWORK).await.len() < 2 {
            tokio::task::yield_now().await;
        }
        gone.cancel();
        assert_eq!(owner.await.unwrap(), ok());
        for attempt in flood {
            attempt.await.unwrap();
        }
    }
}

//! The signing keys: published, then signing, then retired, then gone.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use sessiongraph::{
    clock::{Clock, ManualClock},
    crypto::access_token::SigningAlgorithm,
    error::Action,
    keys::{KeyState, Keyring, Rotation},
    lease::Leases,
    session::Policy,
};
use uuid::Uuid;

use crate::support::{
    database::{TestDatabase, scalar},
    engine::{Engine, SECRET, keyring_options, kid_of, text, told},
    on_each_database,
};

const DAY: u64 = 24 * 60 * 60;
const PUBLISH_AHEAD: u64 = 20 * 60;
/// Access token, clock skew, and what other replicas take to notice.
const LAST_TOKEN: u64 = 300 + 5 + 10;

fn in_state(keyring: &Keyring, state: KeyState) -> Vec<String> {
    let keys = keyring.list().into_iter();
    keys.filter(|key| key.state == state)
        .map(|key| key.kid)
        .collect()
}

fn signing(engine: &Engine) -> String {
    in_state(&engine.keyring, KeyState::Signing).remove(0)
}

fn standby(engine: &Engine) -> String {
    in_state(&engine.keyring, KeyState::Standby).remove(0)
}

fn published(engine: &Engine) -> Vec<String> {
    let jwks: Value = serde_json::from_str(&engine.keyring.jwks()).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

async fn with_algorithm(
    database: &TestDatabase,
    clock: &ManualClock,
    algorithm: SigningAlgorithm,
) -> Engine {
    let policy = Policy::default();
    let mut options = keyring_options(SECRET, &policy);
    options.algorithm = algorithm;
    if algorithm == SigningAlgorithm::Hs256 {
        options.hs256_secret = Some("a secret of its own for HS256 tokens".into());
    }
    Engine::with_keys(database, clock.clone(), policy, options).await
}

on_each_database! {
    async fn there_is_one_key_that_signs_and_one_that_stands_by(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        assert_eq!(kid_of(&login.tokens.access_token), signing(&engine));
        let mut both = [signing(&engine), standby(&engine)];
        both.sort();
        assert_eq!(published(&engine), both);
        // It is the same for whoever opens it next.
        let replica = engine.replica(&database).await;
        assert_eq!(replica.keyring.jwks(), engine.keyring.jwks());
    }

    async fn a_rotation_waits_until_the_standby_key_is_published_for_long_enough(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let (old, next) = (signing(&engine), standby(&engine));
        engine.advance(60);
        let scheduled = engine.keyring.rotate(false).await.unwrap();
        let at = engine.clock.now() + Duration::from_secs(PUBLISH_AHEAD - 60);
        assert_eq!(scheduled, Rotation::Scheduled { kid: next.clone(), at });
        // Asking twice changes nothing.
        let keys = engine.keyring.list();
        assert_eq!(engine.keyring.rotate(false).await.unwrap(), scheduled);
        assert_eq!(format!("{:?}", engine.keyring.list()), format!("{keys:?}"));

        engine.advance(PUBLISH_AHEAD - 61);
        engine.keyring.rotate_when_due().await.unwrap();
        assert_eq!(signing(&engine), old);
        engine.advance(1);
        engine.keyring.rotate_when_due().await.unwrap();
        assert_eq!(signing(&engine), next);
        assert_eq!(in_state(&engine.keyring, KeyState::Retired), [old]);
        // The new standby key is published at that moment.
        let fresh = engine.keyring.list().into_iter().find(|key| key.state == KeyState::Standby).unwrap();
        assert_eq!((fresh.published_at, fresh.activates_at), (at, None));
    }

    async fn a_standby_key_that_is_known_for_long_signs_when_asked(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let next = standby(&engine);
        engine.advance(PUBLISH_AHEAD);
        assert_eq!(engine.keyring.rotate(false).await.unwrap(), Rotation::Done { kid: next.clone() });
        assert_eq!(signing(&engine), next);
    }

    async fn asking_again_right_after_a_rotation_changes_nothing(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.advance(20 * 60);
        let done = engine.keyring.rotate(false).await.unwrap();
        let keys = engine.keyring.jwks();
        assert_eq!(engine.keyring.rotate(false).await.unwrap(), done);
        assert_eq!(engine.keyring.jwks(), keys);
        engine.advance(20 * 60);
        assert_ne!(engine.keyring.rotate(false).await.unwrap(), done);
    }

    async fn a_rotation_at_once_waits_for_nothing(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let (old, next) = (signing(&engine), standby(&engine));
        let before = engine.sign_up("ada").await;
        assert_eq!(engine.keyring.rotate(true).await.unwrap(), Rotation::Done { kid: next.clone() });
        let after = engine.sign_in("ada").await;
        assert_eq!(kid_of(&before.tokens.access_token), old);
        assert_eq!(kid_of(&after.tokens.access_token), next);
        for login in [&before, &after] {
            assert!(engine.session_of(&login.tokens.access_token).await.is_ok());
        }
    }

    async fn a_retired_key_verifies_until_its_last_token_has_expired(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let (old, next) = (signing(&engine), standby(&engine));
        let login = engine.sign_up("ada").await;
        engine.keyring.rotate(true).await.unwrap();
        let fresh = standby(&engine);
        let mut first_two = [old.clone(), next.clone()];
        first_two.sort();
        engine.advance(304);
        engine.keyring.rotate_when_due().await.unwrap();
        assert!(engine.session_of(&login.tokens.access_token).await.is_ok());
        let mut all = published(&engine);
        all.sort();
        let mut three = [old.clone(), next.clone(), fresh.clone()];
        three.sort();
        assert_eq!(all, three);

        engine.advance(LAST_TOKEN - 304);
        engine.keyring.rotate_when_due().await.unwrap();
        assert_eq!(engine.keyring.list().len(), 2);
        assert!(!published(&engine).contains(&old));
        // An expired token of a key that is gone: the refresh token may still be good.
        let error = engine.session_of(&login.tokens.access_token).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("TOKEN_VERIFICATION_FAILED"), Some(Action::Refresh)));
        assert!(engine.refresh(&login.tokens.refresh_token).await.is_ok());
    }

    async fn the_published_keys_are_in_the_order_in_which_they_were_made(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mut made = published(&engine);
        for _ in 0..4 {
            engine.advance(10);
            engine.keyring.rotate(true).await.unwrap();
            made.push(standby(&engine));
            assert_eq!(published(&engine), made);
        }
        assert_eq!(published(&engine.replica(&database).await), made);
    }

    async fn it_rotates_by_itself_every_thirty_days(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let (old, next) = (signing(&engine), standby(&engine));
        engine.advance(30 * DAY - 1);
        engine.keyring.rotate_when_due().await.unwrap();
        assert_eq!(signing(&engine), old);
        engine.advance(1);
        engine.keyring.rotate_when_due().await.unwrap();
        assert_eq!(signing(&engine), next);
        engine.keyring.rotate_when_due().await.unwrap();
        assert_eq!(signing(&engine), next);
        engine.advance(30 * DAY);
        engine.keyring.rotate_when_due().await.unwrap();
        assert_ne!(signing(&engine), next);
        // What ran out long ago is gone.
        engine.advance(LAST_TOKEN);
        engine.keyring.rotate_when_due().await.unwrap();
        assert_eq!(engine.keyring.list().len(), 2);
    }

    async fn it_does_not_where_that_is_switched_off(database: TestDatabase) {
        let policy = Policy::default();
        let mut options = keyring_options(SECRET, &policy);
        options.rotation = None;
        let engine = Engine::with_keys(&database, ManualClock::default(), policy, options).await;
        let old = signing(&engine);
        engine.advance(1_000 * DAY);
        engine.keyring.rotate_when_due().await.unwrap();
        assert_eq!(signing(&engine), old);
    }

    async fn replicas_that_rotate_at_once_rotate_once(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        for round in 1..=8 {
            engine.advance(30 * DAY);
            let (here, there) = tokio::join!(engine.keyring.rotate_when_due(), replica.keyring.rotate_when_due());
            here.unwrap();
            there.unwrap();
            let rotated = "SELECT COUNT(*) FROM signing_keys WHERE activated_at IS NOT NULL AND retired_at IS NULL";
            assert_eq!(scalar(&engine.db, rotated).await, 1);
            assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM signing_keys").await, 3, "round {round}");
            for replica in [&engine, &replica] {
                replica.keyring.reload().await.unwrap();
            }
            assert_eq!(signing(&engine), signing(&replica));
            assert_eq!(standby(&engine), standby(&replica));
            engine.advance(LAST_TOKEN);
            engine.keyring.rotate_when_due().await.unwrap();
        }
    }

    async fn while_one_replica_has_the_lease_the_others_leave_it_to_it(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let old = signing(&engine);
        let holder = Leases::new(engine.db.clone(), Arc::new(engine.clock.clone()), Uuid::nil());
        engine.advance(30 * DAY);
        assert!(holder.acquire("rotate-signing-key", Duration::from_secs(30)).await.unwrap());
        engine.keyring.rotate_when_due().await.unwrap();
        assert_eq!(signing(&engine), old);
        engine.advance(30);
        engine.keyring.rotate_when_due().await.unwrap();
        assert_ne!(signing(&engine), old, "a replica that died holds it up no longer than that");
    }

    async fn replicas_that_are_asked_at_once_leave_one_key_of_each_kind(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        for _ in 0..8 {
            let (here, there) = tokio::join!(engine.keyring.rotate(true), replica.keyring.rotate(true));
            here.unwrap();
            there.unwrap();
            for replica in [&engine, &replica] {
                replica.keyring.reload().await.unwrap();
                assert_eq!(in_state(&replica.keyring, KeyState::Signing).len(), 1);
                assert_eq!(in_state(&replica.keyring, KeyState::Standby).len(), 1);
            }
        }
    }

    async fn replicas_that_start_at_once_make_one_keyring(database: TestDatabase) {
        let clock = ManualClock::default();
        let start = || Engine::with(&database, clock.clone(), |_| {});
        let (a, b, c) = tokio::join!(start(), start(), start());
        let login = a.sign_up("ada").await;
        for replica in [&b, &c] {
            replica.keyring.reload().await.unwrap();
            assert!(replica.session_of(&login.tokens.access_token).await.is_ok());
            assert!(replica.refresh(&login.tokens.refresh_token).await.is_ok());
            assert_eq!(replica.keyring.list().len(), 2);
        }
    }

    async fn a_replica_that_meets_an_unknown_key_reads_the_keyring(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        engine.sign_up("ada").await;
        for _ in 0..2 {
            engine.keyring.rotate(true).await.unwrap();
        }
        // The replica knows the first standby key, and not what came after it.
        let login = engine.sign_in("ada").await;
        assert!(replica.session_of(&login.tokens.access_token).await.is_ok());

        // Once a second at most.
        for _ in 0..2 {
            engine.keyring.rotate(true).await.unwrap();
        }
        let login = engine.sign_in("ada").await;
        replica.statements.take();
        let error = replica.session_of(&login.tokens.access_token).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("TOKEN_VERIFICATION_FAILED"), Some(Action::Refresh)));
        assert_eq!(replica.statements.take(), []);
        engine.advance(1);
        assert!(replica.session_of(&login.tokens.access_token).await.is_ok());
    }

    async fn no_request_fails_while_keys_rotate(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        engine.sign_up("ada").await;
        let (done, stop) = tokio::sync::watch::channel(false);
        let users: Vec<_> = [(&engine, &replica), (&replica, &engine)]
            .map(|(here, there)| {
                let (here, there, stop) = (here.clone(), there.clone(), stop.clone());
                tokio::spawn(async move {
                    let mut requests = 0;
                    while !*stop.borrow() {
                        let login = here.sign_in("ada").await;
                        there.session_of(&login.tokens.access_token).await.unwrap();
                        let next = there.refresh(&login.tokens.refresh_token).await.unwrap();
                        here.session_of(&next.tokens.access_token).await.unwrap();
                        requests += 1;
                    }
                    requests
                })
            })
            .into();
        for _ in 0..10 {
            engine.advance(2);
            engine.keyring.rotate(true).await.unwrap();
            tokio::task::yield_now().await;
        }
        done.send(true).unwrap();
        for user in users {
            assert!(user.await.unwrap() > 0);
        }
    }

    async fn every_algorithm_signs_and_verifies(database: TestDatabase) {
        let clock = ManualClock::default();
        let first = Engine::with(&database, clock.clone(), |_| {}).await;
        first.sign_up("ada").await;
        let mut earlier = Vec::new();
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256] {
            let engine = with_algorithm(&database, &clock, algorithm).await;
            let login = engine.sign_in("ada").await;
            let header = jsonwebtoken::decode_header(text(&login.tokens.access_token)).unwrap();
            assert_eq!(format!("{:?}", header.alg).to_uppercase(), algorithm.as_str().to_uppercase());
            assert!(published(&engine).contains(&header.kid.unwrap()));
            earlier.push(login);
            // Tokens of the algorithms before it are still good.
            for login in &earlier {
                assert!(engine.session_of(&login.tokens.access_token).await.is_ok());
            }
            engine.keyring.rotate(true).await.unwrap();
            let rotated = engine.sign_in("ada").await;
            assert!(engine.session_of(&rotated.tokens.access_token).await.is_ok());
        }
    }

    async fn the_keys_of_an_earlier_algorithm_retire(database: TestDatabase) {
        let clock = ManualClock::default();
        for (algorithm, keys) in [(SigningAlgorithm::EdDsa, 2), (SigningAlgorithm::Hs256, 0)] {
            let old = Engine::with(&database, clock.clone(), |_| ()).await;
            let user = format!("user_{}", algorithm.as_str());
            let login = old.sign_up(&user).await;
            old.advance(1);
            let new = with_algorithm(&database, &old.clock, algorithm).await;
            new.advance(PUBLISH_AHEAD - 1);
            new.keyring.rotate_when_due().await.unwrap();
            // A replica that still has the old configuration signs with the old key meanwhile.
            let there = old.sign_in(&user).await;
            assert!(new.session_of(&there.tokens.access_token).await.is_ok());
            assert!(new.refresh(&login.tokens.refresh_token).await.is_ok());

            new.advance(1);
            new.keyring.rotate_when_due().await.unwrap();
            new.keyring.reload().await.unwrap();
            assert!(new.session_of(&there.tokens.access_token).await.is_ok());
            new.advance(LAST_TOKEN);
            new.keyring.rotate_when_due().await.unwrap();
            let earlier = format!("SELECT COUNT(*) FROM signing_keys WHERE algorithm <> '{}'", algorithm.as_str());
            assert_eq!(scalar(&new.db, &earlier).await, 0);
            assert_eq!(new.keyring.list().len(), keys);
        }
    }

    async fn a_replica_with_the_earlier_algorithm_leaves_the_new_keys_alone(database: TestDatabase) {
        let old = Engine::new(&database).await;
        old.sign_up("ada").await;
        old.advance(2 * PUBLISH_AHEAD);
        let new = with_algorithm(&database, &old.clock, SigningAlgorithm::EdDsa).await;
        old.keyring.reload().await.unwrap();
        old.keyring.rotate_when_due().await.unwrap();
        new.keyring.reload().await.unwrap();
        let login = new.sign_in("ada").await;
        for replica in [&old, &new] {
            assert!(replica.session_of(&login.tokens.access_token).await.is_ok());
        }
        let states: Vec<_> = new.keyring.list().into_iter().map(|key| key.state.as_str()).collect();
        assert!(!states.contains(&"retired"), "{states:?}");
    }

    async fn with_hs256_there_is_no_keyring(database: TestDatabase) {
        // Not even where there was one before.
        let before = Engine::new(&database).await;
        let engine = with_algorithm(&database, &before.clock, SigningAlgorithm::Hs256).await;
        let login = engine.sign_up("ada").await;
        assert!(engine.session_of(&login.tokens.access_token).await.is_ok());
        assert_eq!(&*engine.keyring.jwks(), r#"{"keys":[]}"#);
        assert!(engine.keyring.list().is_empty());
        engine.keyring.rotate_when_due().await.unwrap();
        let refusals = [engine.keyring.rotate(true).await.map(drop), engine.keyring.revoke("kid").await];
        for refusal in refusals {
            let error = refusal.unwrap_err();
            assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("signing_algorithm")));
            assert!(error.to_string().contains("HS256"), "{error}");
        }
    }
}

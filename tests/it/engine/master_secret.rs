//! The master secret, under which the keys in the database are sealed.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel};
use secrecy::SecretString;
use sessiongraph::{
    clock::{Clock, ManualClock},
    entity::{secret_key, signing_key},
    error::{Action, Result},
    keys::{Keyring, KeyringOptions},
    random::SystemRandom,
    scope::Scope,
    session::Policy,
};

use crate::support::{
    database::{TestDatabase, row_counts},
    engine::{Engine, SECRET, keyring_options, request, told},
    on_each_database,
};

const NEW_SECRET: &str = "another master secret, just as long";

async fn open(database: &TestDatabase, secret: &str, previous: &[&str]) -> Result<Keyring> {
    let clock = Arc::new(ManualClock::default());
    let db = database.connect().await;
    Keyring::open(db, options(secret, previous), clock, Arc::new(SystemRandom)).await
}

fn options(secret: &str, previous: &[&str]) -> KeyringOptions {
    let mut options = keyring_options(secret, &Policy::default());
    options.secret_previous = previous
        .iter()
        .map(|secret| SecretString::from(*secret))
        .collect();
    options
}

/// A server after a restart with other secrets.
async fn restart(
    engine: &Engine,
    database: &TestDatabase,
    secret: &str,
    previous: &[&str],
) -> Engine {
    let policy = engine.sessions.policy().clone();
    Engine::with_keys(
        database,
        engine.clock.clone(),
        policy,
        options(secret, previous),
    )
    .await
}

/// That a row which was changed by hand opens neither for a running server nor for a new one.
async fn assert_refused(engine: &Engine, database: &TestDatabase, what: &str) {
    let before = engine.keyring.jwks();
    let error = engine.keyring.reload().await.expect_err(what);
    assert_eq!(
        (error.code(), error.field()),
        ("BAD_USER_INPUT", Some("secret")),
        "{what}"
    );
    assert_eq!(engine.keyring.jwks(), before, "{what}");
    open(database, SECRET, &[]).await.expect_err(what);
}

async fn put_back(engine: &Engine, row: &signing_key::Model) {
    row.clone()
        .into_active_model()
        .reset_all()
        .update(&engine.db)
        .await
        .unwrap();
    engine.keyring.reload().await.unwrap();
}

on_each_database! {
    async fn another_secret_does_not_open_and_the_error_says_what_to_do(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let counts = row_counts(&engine.db).await;
        let error = open(&database, NEW_SECRET, &[]).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("secret")));
        let message = error.to_string();
        assert!(message.contains("another secret") && message.contains("secret_previous"), "{message}");
        assert!(!message.contains(SECRET) && !message.contains(NEW_SECRET));
        // Nothing was made under it.
        assert_eq!(row_counts(&engine.db).await, counts);
        assert!(open(&database, SECRET, &[]).await.is_ok());
    }

    async fn a_replica_that_cannot_read_the_keys_any_more_tells_clients_nothing_of_it(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let renewed = open(&database, NEW_SECRET, &[SECRET]).await.unwrap();
        renewed.rotate_secret(false).await.unwrap();
        let unknown_key = {
            for _ in 0..2 {
                renewed.rotate(true).await.unwrap();
            }
            let sessions = sessiongraph::session::Sessions::builder(engine.db.clone()).keys(renewed);
            let sessions = sessions.clock(engine.clock.clone()).build().unwrap();
            let input = sessiongraph::session::RefreshTokensInput { refresh_token: Some(login.tokens.refresh_token.clone()) };
            sessions.refresh_tokens(&request(), input).await.unwrap().tokens.access_token
        };
        engine.advance(2);
        let error = engine.session_of(&unknown_key).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("TOKEN_VERIFICATION_FAILED"), Some(Action::Refresh)));
        assert!(engine.session_of(&login.tokens.access_token).await.is_ok(), "it goes on with the keys that it has");
    }

    async fn a_short_secret_is_refused(database: TestDatabase) {
        let short = "thirty-one bytes of secret, no m";
        let short = &short[..31];
        let error = open(&database, short, &[]).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("secret")));
        let error = open(&database, SECRET, &[short]).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("secret_previous")));
    }

    async fn an_earlier_secret_opens_and_rotating_seals_everything_anew(database: TestDatabase) {
        let before = Engine::new(&database).await;
        let login = before.sign_up("ada").await;
        let key = before.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        let with_both = restart(&before, &database, NEW_SECRET, &["one that never was, and long enough", SECRET]).await;
        assert!(with_both.session_of(&login.tokens.access_token).await.is_ok());
        with_both.keyring.rotate_secret(false).await.unwrap();
        with_both.keyring.rotate_secret(false).await.unwrap();

        assert!(open(&database, SECRET, &[]).await.is_err());
        let after = restart(&before, &database, NEW_SECRET, &[]).await;
        assert_eq!(after.keyring.jwks(), before.keyring.jwks());
        // All sessions and service keys live on.
        assert!(after.session_of(&login.tokens.access_token).await.is_ok());
        assert!(after.refresh(&login.tokens.refresh_token).await.is_ok());
        assert_eq!(after.show(&key).await.session_claims().unwrap_err().code(), "FORBIDDEN");
        after.keyring.rotate(true).await.unwrap();
        let login = after.sign_in("ada").await;
        assert!(after.session_of(&login.tokens.access_token).await.is_ok());
    }

    async fn every_key_is_sealed_anew_whatever_its_state(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.keyring.rotate(true).await.unwrap();
        let revoked = engine.keyring.key_set().signing.kid.clone();
        engine.keyring.revoke(&revoked).await.unwrap();
        engine.keyring.rotate(false).await.unwrap();
        let with_both = restart(&engine, &database, NEW_SECRET, &[SECRET]).await;
        with_both.keyring.rotate_secret(false).await.unwrap();
        let after = restart(&engine, &database, NEW_SECRET, &[]).await;
        assert_eq!(format!("{:?}", after.keyring.list()), format!("{:?}", engine.keyring.list()));
    }

    async fn rotating_after_a_leak_makes_every_refresh_token_void(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let key = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        let mut login = engine.sign_up("ada").await;
        for _ in 0..3 {
            engine.advance(1);
            engine.keyring.rotate_secret(true).await.unwrap();
            replica.keyring.reload().await.unwrap();
            for server in [&engine, &replica, &restart(&engine, &database, SECRET, &[]).await] {
                let error = server.refresh(&login.tokens.refresh_token).await.unwrap_err();
                assert_eq!(told(&error), ("TOKEN_VERIFICATION_FAILED", None, Some(Action::SignIn)));
                assert_eq!(server.show(&key).await.session_claims().unwrap_err().code(), "FORBIDDEN");
            }
            login = engine.sign_in("ada").await;
            assert!(replica.refresh(&login.tokens.refresh_token).await.is_ok());
            login = engine.sign_in("ada").await;
        }
    }

    async fn the_secret_and_the_signing_key_can_be_rotated_at_once(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        for _ in 0..16 {
            let (sealed, rotated) = tokio::join!(engine.keyring.rotate_secret(false), replica.keyring.rotate(true));
            sealed.unwrap();
            rotated.unwrap();
            open(&database, SECRET, &[]).await.unwrap();
        }
    }

    async fn edited_dates_are_refused(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.keyring.rotate(true).await.unwrap();
        let leaked = engine.keyring.key_set().signing.kid.clone();
        engine.keyring.revoke(&leaked).await.unwrap();
        engine.keyring.rotate(false).await.unwrap();
        let later = engine.clock.now() + TimeDelta::days(1);
        let moved = |date: Option<DateTime<Utc>>| Set(date.map_or(Some(later), |_| None));
        // A retired one, a revoked one, the one that signs, and one that is scheduled.
        let rows = signing_key::Entity::find().all(&engine.db).await.unwrap();
        assert_eq!(rows.len(), 4);
        for row in rows {
            let untouched = || row.clone().into_active_model();
            let edits = [
                ("published_at", signing_key::ActiveModel { published_at: Set(later), ..untouched() }),
                ("activates_at", signing_key::ActiveModel { activates_at: moved(row.activates_at), ..untouched() }),
                ("verifies_until", signing_key::ActiveModel { verifies_until: moved(row.verifies_until), ..untouched() }),
            ];
            for (what, edit) in edits {
                edit.update(&engine.db).await.unwrap();
                assert_refused(&engine, &database, what).await;
                put_back(&engine, &row).await;
            }
        }
    }

    async fn neither_a_retired_nor_a_revoked_key_is_brought_back_by_hand(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.keyring.rotate(true).await.unwrap();
        let leaked = engine.keyring.key_set().signing.kid.clone();
        engine.keyring.revoke(&leaked).await.unwrap();
        let rows = signing_key::Entity::find().all(&engine.db).await.unwrap();
        let revoked = rows.iter().find(|row| row.revoked_at.is_some()).unwrap();
        let retired = rows.iter().find(|row| row.retired_at.is_some()).unwrap();
        // What is in the way of a second key that signs, an index would refuse first.
        let edits = [
            ("retired", retired, signing_key::ActiveModel {
                verifies_until: Set(Some(engine.clock.now() + TimeDelta::days(365))),
                ..retired.clone().into_active_model()
            }),
            ("revoked", revoked, signing_key::ActiveModel {
                revoked_at: Set(None),
                retired_at: Set(Some(engine.clock.now())),
                ..revoked.clone().into_active_model()
            }),
        ];
        for (what, row, edit) in edits {
            edit.update(&engine.db).await.unwrap();
            assert_refused(&engine, &database, what).await;
            put_back(&engine, row).await;
        }
    }

    async fn keys_moved_to_another_row_are_refused(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let rows = signing_key::Entity::find().all(&engine.db).await.unwrap();
        let [first, second] = rows.as_slice() else { panic!("{rows:?}") };
        let edits = [
            ("sealed bytes", signing_key::ActiveModel {
                sealed_private_key: Set(second.sealed_private_key.clone()),
                ..first.clone().into_active_model()
            }),
            ("public key", signing_key::ActiveModel {
                public_jwk: Set(second.public_jwk.clone()),
                ..first.clone().into_active_model()
            }),
            ("algorithm", signing_key::ActiveModel {
                algorithm: Set("EdDSA".to_owned()),
                ..first.clone().into_active_model()
            }),
        ];
        for (what, edit) in edits {
            edit.update(&engine.db).await.unwrap();
            assert_refused(&engine, &database, what).await;
            put_back(&engine, first).await;
        }

        let secrets = secret_key::Entity::find().all(&engine.db).await.unwrap();
        let [first, second] = secrets.as_slice() else { panic!("{secrets:?}") };
        let swapped = secret_key::ActiveModel {
            sealed_key: Set(second.sealed_key.clone()),
            ..first.clone().into_active_model()
        };
        swapped.update(&engine.db).await.unwrap();
        assert_refused(&engine, &database, "the key of another purpose").await;
    }
}

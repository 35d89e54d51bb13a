//! A leaked signing key is taken out.

use sessiongraph::{
    error::Action,
    keys::{KeyState, Keyring},
};

use crate::support::{
    database::TestDatabase,
    engine::{Engine, kid_of, told},
    on_each_database,
};

fn only(keyring: &Keyring, state: KeyState) -> String {
    let keys: Vec<_> = keyring
        .list()
        .into_iter()
        .filter(|key| key.state == state)
        .collect();
    assert_eq!(keys.len(), 1, "{state:?}: {keys:?}");
    keys[0].kid.clone()
}

on_each_database! {
    async fn the_tokens_of_a_revoked_key_are_to_be_refreshed(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let (leaked, next) = (only(&engine.keyring, KeyState::Signing), only(&engine.keyring, KeyState::Standby));
        let login = engine.sign_up("ada").await;
        engine.keyring.revoke(&leaked).await.unwrap();

        let error = engine.session_of(&login.tokens.access_token).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("TOKEN_VERIFICATION_FAILED"), Some(Action::Refresh)));
        let refreshed = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(kid_of(&refreshed.tokens.access_token), next);
        assert!(engine.session_of(&refreshed.tokens.access_token).await.is_ok());

        assert_eq!(only(&engine.keyring, KeyState::Signing), next);
        assert_ne!(only(&engine.keyring, KeyState::Standby), next);
        assert_eq!(only(&engine.keyring, KeyState::Revoked), leaked);
        assert!(!engine.keyring.jwks().contains(&leaked));
    }

    async fn other_replicas_refuse_them_when_they_have_read(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let login = engine.sign_up("ada").await;
        engine.keyring.revoke(&kid_of(&login.tokens.access_token)).await.unwrap();
        replica.keyring.reload().await.unwrap();
        let error = replica.session_of(&login.tokens.access_token).await.unwrap_err();
        assert_eq!(error.action(), Some(Action::Refresh));
        assert_eq!(only(&replica.keyring, KeyState::Signing), only(&engine.keyring, KeyState::Signing));
    }

    async fn a_revoked_standby_key_is_replaced(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let (signing, leaked) = (only(&engine.keyring, KeyState::Signing), only(&engine.keyring, KeyState::Standby));
        let login = engine.sign_up("ada").await;
        engine.keyring.revoke(&leaked).await.unwrap();
        assert_eq!(only(&engine.keyring, KeyState::Signing), signing);
        assert_ne!(only(&engine.keyring, KeyState::Standby), leaked);
        assert!(engine.session_of(&login.tokens.access_token).await.is_ok());
        engine.keyring.rotate(true).await.unwrap();
        assert_ne!(only(&engine.keyring, KeyState::Signing), leaked);
    }

    async fn a_retired_key_can_leak_too(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.keyring.rotate(true).await.unwrap();
        let keys = engine.keyring.list().len();
        engine.keyring.revoke(&kid_of(&login.tokens.access_token)).await.unwrap();
        assert_eq!(engine.keyring.list().len(), keys);
        let error = engine.session_of(&login.tokens.access_token).await.unwrap_err();
        assert_eq!(error.action(), Some(Action::Refresh));
        only(&engine.keyring, KeyState::Signing);
        only(&engine.keyring, KeyState::Standby);
    }

    async fn a_revoked_key_stays_listed_and_is_revoked_once(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let leaked = only(&engine.keyring, KeyState::Signing);
        engine.keyring.revoke(&leaked).await.unwrap();
        for kid in [leaked.as_str(), "no such key"] {
            let error = engine.keyring.revoke(kid).await.unwrap_err();
            assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("kid")));
        }
        engine.advance(365 * 24 * 60 * 60);
        engine.keyring.rotate_when_due().await.unwrap();
        assert_eq!(only(&engine.keyring, KeyState::Revoked), leaked);
        // And so it is after a restart.
        let restarted = engine.replica(&database).await;
        assert_eq!(only(&restarted.keyring, KeyState::Revoked), leaked);
    }

    async fn revoking_and_rotating_at_once_leave_a_key_that_signs_and_one_that_stands_by(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        for round in 0..16 {
            let leaked = match round % 2 {
                0 => only(&engine.keyring, KeyState::Standby),
                _ => only(&engine.keyring, KeyState::Signing),
            };
            let (revoked, rotated) = tokio::join!(engine.keyring.revoke(&leaked), replica.keyring.rotate(true));
            revoked.unwrap();
            rotated.unwrap();
            for replica in [&engine, &replica] {
                replica.keyring.reload().await.unwrap();
                assert_ne!(only(&replica.keyring, KeyState::Signing), leaked);
                assert_ne!(only(&replica.keyring, KeyState::Standby), leaked);
            }
        }
    }

    async fn both_keys_can_be_revoked_at_once(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        for _ in 0..8 {
            let (signing, standby) = (only(&engine.keyring, KeyState::Signing), only(&engine.keyring, KeyState::Standby));
            let (one, other) = tokio::join!(engine.keyring.revoke(&signing), replica.keyring.revoke(&standby));
            one.unwrap();
            other.unwrap();
            for replica in [&engine, &replica] {
                replica.keyring.reload().await.unwrap();
                assert!(![&signing, &standby].contains(&&only(&replica.keyring, KeyState::Signing)));
                assert!(![&signing, &standby].contains(&&only(&replica.keyring, KeyState::Standby)));
            }
        }
    }
}

/// A revocation that meets a rotation in the middle.
mod on_postgres {
    use sea_orm::{ConnectionTrait, TransactionTrait};

    use super::*;
    use crate::support::database::scalar;

    /// The key stands by when it is asked to be revoked, and signs when that gets its turn.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_standby_key_that_signs_by_now_is_replaced_as_the_one_that_signs() {
        let database = TestDatabase::postgres().await;
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let leaked = only(&engine.keyring, KeyState::Standby);
        // Holds the row up, so that both wait for it: the rotation in front.
        let transaction = engine.db.begin().await.unwrap();
        let lock = format!("SELECT 1 FROM signing_keys WHERE kid = '{leaked}' FOR UPDATE");
        transaction.execute_unprepared(&lock).await.unwrap();
        let waiting = |number| {
            let db = engine.db.clone();
            let sql = "SELECT COUNT(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
            async move {
                while scalar(&db, sql).await < number {
                    tokio::task::yield_now().await;
                }
            }
        };
        let rotation = tokio::spawn(async move { replica.keyring.rotate(true).await });
        waiting(1).await;
        let (revoking, kid) = (engine.clone(), leaked.clone());
        let revocation = tokio::spawn(async move { revoking.keyring.revoke(&kid).await });
        waiting(2).await;
        transaction.commit().await.unwrap();
        rotation.await.unwrap().unwrap();
        revocation.await.unwrap().unwrap();

        engine.keyring.reload().await.unwrap();
        assert_ne!(only(&engine.keyring, KeyState::Signing), leaked);
        assert_ne!(only(&engine.keyring, KeyState::Standby), leaked);
        assert_eq!(only(&engine.keyring, KeyState::Revoked), leaked);
    }
}

//! Changing one's own password.

use sessiongraph::{
    account::{AccountChanges, ChangePassword},
    crypto::password::Password,
    entity::session::InvalidationReason,
    error::Action,
    scope::Scope,
};

use crate::support::{
    database::scalar,
    engine::{Engine, PASSWORD, request, told},
    on_each_database,
};

const NEW: &str = "a new password";

fn to(current: &str, new: &str) -> ChangePassword {
    ChangePassword {
        current: Password::new(current),
        new: Password::new(new),
        invalidate_other_sessions: true,
    }
}

on_each_database! {
    async fn it_ends_the_other_sessions(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mine = engine.sign_up("ada").await;
        let other = engine.sign_in("ada").await;
        let stranger = engine.sign_up("bob").await;
        engine.advance(60);
        let request = engine.show(&mine.tokens.access_token).await;
        let changed = engine.accounts.change_password(&request, to(PASSWORD, NEW)).await.unwrap();
        assert_eq!(changed.id, mine.account.id);
        assert_eq!(changed.credentials_version, mine.account.credentials_version + 1);
        assert!(changed.updated_at > mine.account.updated_at);
        assert_eq!(engine.ended_with(other.session.id).await, Some(InvalidationReason::PasswordChanged));
        for login in [&mine, &stranger] {
            assert_eq!(engine.ended_with(login.session.id).await, None);
            assert!(engine.refresh(&login.tokens.refresh_token).await.is_ok());
        }
        assert_eq!(engine.try_sign_in("ada", PASSWORD).await.unwrap_err().code(), "AUTHENTICATION_FAILED");
        assert!(engine.try_sign_in("ada", NEW).await.is_ok());
    }

    async fn unless_told_otherwise(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mine = engine.sign_up("ada").await;
        let other = engine.sign_in("ada").await;
        let request = engine.show(&mine.tokens.access_token).await;
        let change = ChangePassword { invalidate_other_sessions: false, ..to(PASSWORD, NEW) };
        engine.accounts.change_password(&request, change).await.unwrap();
        assert!(engine.refresh(&other.tokens.refresh_token).await.is_ok());
    }

    async fn it_takes_the_present_password_and_a_good_new_one(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mine = engine.sign_up("ada").await;
        let other = engine.sign_in("ada").await;
        let request = engine.show(&mine.tokens.access_token).await;
        let error = engine.accounts.change_password(&request, to("a wrong password", NEW)).await.unwrap_err();
        assert_eq!(told(&error), ("AUTHENTICATION_FAILED", None, None));
        for bad in ["1234567", &"x".repeat(257)] {
            let error = engine.accounts.change_password(&request, to(PASSWORD, bad)).await.unwrap_err();
            assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("newPassword")));
        }
        assert_eq!(engine.ended_with(other.session.id).await, None);
        assert!(engine.try_sign_in("ada", PASSWORD).await.is_ok());
    }

    async fn it_is_for_signed_in_accounts(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let key = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        let with_key = engine.show(&key).await;
        let error = engine.accounts.change_password(&with_key, to(PASSWORD, NEW)).await.unwrap_err();
        assert_eq!(told(&error), ("FORBIDDEN", None, None));
        let error = engine.accounts.change_password(&request(), to(PASSWORD, NEW)).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("MISSING_TOKEN"), Some(Action::SignIn)));

        let request = engine.show(&login.tokens.access_token).await;
        let changes = AccountChanges { deactivated: Some(true), ..AccountChanges::default() };
        engine.accounts.update(&request, login.account.id, changes).await.unwrap();
        let error = engine.accounts.change_password(&request, to(PASSWORD, NEW)).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("USER_DEACTIVATED"), Some(Action::SignIn)));
    }

    async fn of_parallel_changes_one_wins(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let request = engine.show(&login.tokens.access_token).await;
        let changes: Vec<_> = (0..8)
            .map(|n| {
                let (accounts, request) = (engine.accounts.clone(), request.clone());
                let change = to(PASSWORD, &format!("new password {n}"));
                tokio::spawn(async move { accounts.change_password(&request, change).await.map(drop) })
            })
            .collect();
        let mut won = 0;
        for change in changes {
            match change.await.unwrap() {
                Ok(()) => won += 1,
                Err(error) => assert_eq!(error.code(), "AUTHENTICATION_FAILED"),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(scalar(&engine.db, "SELECT credentials_version FROM accounts").await, 1);
    }
}

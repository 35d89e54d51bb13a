//! Accounts, as a backend makes and changes them.

use sessiongraph::{
    account::{AccountChanges, AccountSelector, Email, NewAccount, Username},
    crypto::password::Password,
    entity::{account, session::InvalidationReason},
    error::Result,
};
use uuid::Uuid;

use crate::support::{
    database::row_counts,
    engine::{Engine, PASSWORD, request, told},
    on_each_database,
};

fn named(username: &str) -> NewAccount {
    NewAccount {
        username: Some(username.to_owned()),
        ..NewAccount::default()
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

async fn update(engine: &Engine, id: Uuid, changes: AccountChanges) -> Result<account::Model> {
    engine.accounts.update(&request(), id, changes).await
}

on_each_database! {
    async fn an_account_has_what_it_was_made_of(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let new = NewAccount {
            email: Some("Ada@Example.org".to_owned()),
            email_verified: true,
            password: Some(Password::new(PASSWORD)),
            permissions: texts(&["read", "write:all", "read"]),
            ..named("Ada")
        };
        let created = engine.accounts.create(&request(), new).await.unwrap();
        assert_eq!(created.username.as_deref(), Some("ada"));
        assert_eq!(created.email.as_deref(), Some("ada@example.org"));
        assert!(created.email_verified && created.deactivated_at.is_none());
        // A set: duplicates go.
        assert_eq!(created.permission_list().collect::<Vec<_>>(), ["read", "write:all"]);
        for selector in [
            AccountSelector::Id(created.id),
            AccountSelector::Username(Username::parse("ADA").unwrap()),
            AccountSelector::Email(Email::parse("ADA@example.org").unwrap()),
        ] {
            assert_eq!(engine.accounts.find(selector).await.unwrap().as_ref(), Some(&created));
        }
        // The permissions are the scope of its tokens.
        let login = engine.sign_in("ada").await;
        assert_eq!(login.claims.scope, "read write:all");
        // No address, nothing verified.
        let bob = engine.accounts.create(&request(), NewAccount { email_verified: true, ..named("bob") }).await.unwrap();
        assert!(!bob.email_verified);
    }

    async fn permissions_are_scope_tokens(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let with = |permissions| NewAccount { permissions, ..named("ada") };
        let counts = row_counts(&engine.db).await;
        let too_many: Vec<_> = (0..21).map(|n| format!("{n:0>100}")).collect();
        let refused = [
            texts(&[""]),
            texts(&["a b"]),
            texts(&["a\"b"]),
            texts(&["a\\b"]),
            texts(&["ä"]),
            texts(&["fine", "a\tb"]),
            vec!["x".repeat(101)],
            too_many.clone(),
        ];
        for permissions in refused {
            let error = engine.accounts.create(&request(), with(permissions)).await.unwrap_err();
            assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("permissions")));
        }
        assert_eq!(row_counts(&engine.db).await, counts);
        let account = engine.accounts.create(&request(), with(too_many[..20].to_vec())).await.unwrap();
        let changes = AccountChanges { permissions: Some(texts(&["a b"])), ..AccountChanges::default() };
        let error = update(&engine, account.id, changes).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("permissions")));
    }

    async fn what_is_absent_stays_and_nothing_is_changed_by_nothing(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.advance(60);
        let same = AccountChanges {
            username: Some("ADA".to_owned()),
            deactivated: Some(false),
            email_verified: Some(false),
            permissions: Some(Vec::new()),
            ..AccountChanges::default()
        };
        for changes in [AccountChanges::default(), same] {
            assert_eq!(update(&engine, login.account.id, changes).await.unwrap(), login.account);
        }
        assert!(engine.session_of(&login.tokens.access_token).await.is_ok());
    }

    async fn every_field_can_be_changed(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let before = engine.sign_up("ada").await.account;
        engine.advance(60);
        let changes = AccountChanges {
            username: Some("Countess".to_owned()),
            email: Some("Ada@Example.org".to_owned()),
            email_verified: Some(true),
            permissions: Some(texts(&["write"])),
            ..AccountChanges::default()
        };
        let after = update(&engine, before.id, changes).await.unwrap();
        assert_eq!(after.username.as_deref(), Some("countess"));
        assert_eq!(after.email.as_deref(), Some("ada@example.org"));
        assert!(after.email_verified);
        assert_eq!(after.permissions, "write");
        assert_eq!(after.credentials_version, before.credentials_version);
        assert_eq!((after.updated_at - before.updated_at).num_seconds(), 60);
        assert_eq!(engine.accounts.accounts_by_id(&[before.id]).await.unwrap(), [after]);
        assert_eq!(engine.sign_in("countess").await.claims.scope, "write");
        assert!(engine.try_sign_in("ada", PASSWORD).await.is_err());
    }

    async fn a_changed_address_is_not_verified(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let new = NewAccount { email: Some("ada@example.org".to_owned()), email_verified: true, ..NewAccount::default() };
        let id = engine.accounts.create(&request(), new).await.unwrap().id;
        let to = |email: &str| AccountChanges { email: Some(email.to_owned()), ..AccountChanges::default() };
        assert!(update(&engine, id, to("ADA@example.org")).await.unwrap().email_verified);
        assert!(!update(&engine, id, to("ada@example.com")).await.unwrap().email_verified);
        let verified = AccountChanges { email_verified: Some(true), ..to("ada@example.net") };
        assert!(update(&engine, id, verified).await.unwrap().email_verified);
    }

    async fn a_new_password_ends_every_session(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let second = engine.sign_in("ada").await;
        let changes = AccountChanges { password: Some(Password::new("a new password")), ..AccountChanges::default() };
        let after = update(&engine, first.account.id, changes).await.unwrap();
        assert_eq!(after.credentials_version, first.account.credentials_version + 1);
        for login in [&first, &second] {
            assert_eq!(engine.ended_with(login.session.id).await, Some(InvalidationReason::PasswordChanged));
        }
        assert!(engine.try_sign_in("ada", PASSWORD).await.is_err());
        assert!(engine.try_sign_in("ada", "a new password").await.is_ok());
        let short = AccountChanges { password: Some(Password::new("short")), ..AccountChanges::default() };
        let error = update(&engine, first.account.id, short).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("password")));
    }

    async fn deactivation_ends_every_session_and_reactivation_brings_none_back(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let second = engine.sign_in("ada").await;
        let stranger = engine.sign_up("bob").await;
        let set = |deactivated| AccountChanges { deactivated: Some(deactivated), ..AccountChanges::default() };
        let id = first.account.id;
        let deactivated = update(&engine, id, set(true)).await.unwrap();
        assert_eq!(deactivated.deactivated_at, Some(engine.sessions.clock().now()));
        engine.advance(60);
        // Since when, the first call says.
        assert_eq!(update(&engine, id, set(true)).await.unwrap(), deactivated);
        assert_eq!(update(&engine, id, set(false)).await.unwrap().deactivated_at, None);
        for login in [&first, &second] {
            assert_eq!(engine.ended_with(login.session.id).await, Some(InvalidationReason::AccountDeactivated));
            let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
            assert_eq!(error.reason(), Some("INVALIDATED"));
            assert!(engine.session_of(&login.tokens.access_token).await.is_err());
        }
        assert!(engine.try_sign_in("ada", PASSWORD).await.is_ok());
        assert!(engine.refresh(&stranger.tokens.refresh_token).await.is_ok());
    }

    async fn what_is_taken_or_not_there_changes_nothing(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let bob = NewAccount { email: Some("bob@example.org".to_owned()), ..named("bob") };
        engine.accounts.create(&request(), bob).await.unwrap();
        let everything_else = || AccountChanges {
            password: Some(Password::new("a new password")),
            deactivated: Some(true),
            ..AccountChanges::default()
        };
        let name = AccountChanges { username: Some("BOB".to_owned()), ..everything_else() };
        let address = AccountChanges { email: Some("Bob@example.org".to_owned()), ..everything_else() };
        for (changes, code) in [(name, "USERNAME_TAKEN"), (address, "EMAIL_TAKEN")] {
            let error = update(&engine, login.account.id, changes).await.unwrap_err();
            assert_eq!(told(&error), (code, None, None));
        }
        let error = update(&engine, Uuid::now_v7(), everything_else()).await.unwrap_err();
        assert_eq!(told(&error), ("USER_NOT_FOUND", None, None));
        assert_eq!(engine.accounts.accounts_by_id(&[login.account.id]).await.unwrap(), [login.account]);
        assert!(engine.refresh(&login.tokens.refresh_token).await.is_ok());
    }

    async fn parallel_changes_are_all_made(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let id = engine.sign_up("ada").await.account.id;
        let changes = [
            AccountChanges { username: Some("countess".to_owned()), ..AccountChanges::default() },
            AccountChanges { email: Some("ada@example.org".to_owned()), ..AccountChanges::default() },
            AccountChanges { permissions: Some(texts(&["write"])), ..AccountChanges::default() },
            AccountChanges { deactivated: Some(true), ..AccountChanges::default() },
        ];
        let updates = changes.map(|changes| {
            let engine = engine.clone();
            tokio::spawn(async move { update(&engine, id, changes).await.map(drop) })
        });
        for update in updates {
            update.await.unwrap().unwrap();
        }
        let account = engine.accounts.accounts_by_id(&[id]).await.unwrap().remove(0);
        assert_eq!(account.username.as_deref(), Some("countess"));
        assert_eq!(account.email.as_deref(), Some("ada@example.org"));
        assert_eq!(account.permissions, "write");
        assert!(account.deactivated_at.is_some());
    }
}

//! Signing in.

use serde_json::json;
use sessiongraph::{
    account::{AccountChanges, Accounts, CreateSession, NewAccount, SignIn},
    crypto::password::{Password, PasswordPolicy},
    entity::account::Model,
    error::Action,
    request::ConnectionInfo,
    session::TokenTransport,
};
use uuid::Uuid;

use crate::support::{
    engine::{Engine, FIREFOX, PASSWORD, PASSWORDS, request, told},
    on_each_database,
};

const FAILED: (&str, Option<&str>, Option<Action>) = ("AUTHENTICATION_FAILED", None, None);

fn account(username: &str, email: &str, password: Option<&str>) -> NewAccount {
    NewAccount {
        username: Some(username.to_owned()),
        email: Some(email.to_owned()),
        password: password.map(Password::new),
        ..NewAccount::default()
    }
}

on_each_database! {
    async fn user_name_and_address_are_good_in_any_case(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let ada = account("Ada_L", "Ada.L@Example.org", Some(PASSWORD));
        let ada = engine.accounts.create(&request(), ada).await.unwrap();
        for identifier in ["ada_l", "ADA_L", "Ada_L", " ada_l ", "ada.l@example.org", "ADA.L@EXAMPLE.ORG"] {
            let login = engine.try_sign_in(identifier, PASSWORD).await.unwrap();
            assert_eq!(login.account, ada, "{identifier:?}");
            assert_eq!(login.outcome, None);
            assert_eq!(login.session.account_id, ada.id);
        }
    }

    async fn a_password_is_what_was_typed_and_not_its_bytes(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        // A precomposed letter, a ligature and full-width letters.
        let ada = account("ada", "ada@example.org", Some("caf\u{e9} \u{fb01}ne \u{ff21}\u{ff22}\u{ff23}"));
        engine.accounts.create(&request(), ada).await.unwrap();
        assert!(engine.try_sign_in("ada", "cafe\u{301} fine ABC").await.is_ok());
        assert!(engine.try_sign_in("ada", "caf\u{e9} \u{fb01}ne \u{ff21}\u{ff22}\u{ff23}").await.is_ok());
        for other in ["cafe fine ABC", "caf\u{e9} fine abc", " caf\u{e9} fine ABC"] {
            assert_eq!(told(&engine.try_sign_in("ada", other).await.unwrap_err()), FAILED);
        }
    }

    async fn nobody_learns_which_accounts_there_are(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        let without_password = account("bob", "bob@example.org", None);
        engine.accounts.create(&request(), without_password).await.unwrap();
        engine.statements.take();
        let mut asked = Vec::new();
        for identifier in ["ada", "bob", "bob@example.org", "nobody", "nobody@example.org"] {
            for password in ["a wrong password", "", &"x".repeat(10_000)] {
                let error = engine.try_sign_in(identifier, password).await.unwrap_err();
                assert_eq!(told(&error), FAILED, "{identifier}");
                assert_eq!(error.to_string(), "The identifier or the password is wrong.");
                asked.push(engine.statements.take().len());
            }
        }
        asked.dedup();
        // The charge of the attempt, and the account.
        assert_eq!(asked, [2]);
        // What can be nobody's is the same answer.
        for identifier in ["", "@", "no such thing", "a\0b", &"x".repeat(1_000)] {
            assert_eq!(told(&engine.try_sign_in(identifier, PASSWORD).await.unwrap_err()), FAILED);
        }
    }

    async fn a_deactivated_account_says_so_to_who_knows_its_password(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let changes = AccountChanges { deactivated: Some(true), ..AccountChanges::default() };
        engine.accounts.update(&request(), login.account.id, changes).await.unwrap();
        let error = engine.try_sign_in("ada", PASSWORD).await.unwrap_err();
        assert_eq!(told(&error), ("USER_DEACTIVATED", None, None));
        assert_eq!(told(&engine.try_sign_in("ada", "a wrong password").await.unwrap_err()), FAILED);
    }

    async fn it_needs_an_address_and_a_user_agent(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        let input = || SignIn {
            identifier: "ada".to_owned(),
            password: Password::new(PASSWORD),
            transport: TokenTransport::Body,
        };
        let (mut without_ip, mut without_agent) = (request(), request());
        without_ip.ip = None;
        without_agent.user_agent = None;
        let error = engine.accounts.sign_in(&without_ip, input()).await.unwrap_err();
        assert_eq!(told(&error), ("INVALID_LOCATION_INFO_IP", None, None));
        let error = engine.accounts.sign_in(&without_agent, input()).await.unwrap_err();
        assert_eq!(told(&error), ("INVALID_LOCATION_INFO_USER_AGENT", None, None));
    }

    async fn a_hash_of_other_parameters_is_made_anew(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let before = engine.sign_up("ada").await.account;
        let stronger = PasswordPolicy { memory_kib: 128, iterations: 2, ..PASSWORDS };
        let accounts = Accounts::new(engine.sessions.clone(), stronger).unwrap();
        let sign_in = |password: &str| SignIn {
            identifier: "ada".to_owned(),
            password: Password::new(password),
            transport: TokenTransport::Body,
        };
        engine.advance(60);
        accounts.sign_in(&request(), sign_in("a wrong password")).await.unwrap_err();
        let find = || engine.accounts.accounts_by_id(std::slice::from_ref(&before.id));
        assert_eq!(find().await.unwrap(), std::slice::from_ref(&before));

        accounts.sign_in(&request(), sign_in(PASSWORD)).await.unwrap();
        let after = find().await.unwrap().remove(0);
        let hash = after.password_hash.clone().unwrap();
        assert!(hash.contains("m=128,t=2,p=1"), "{hash}");
        // The account is the same: nothing that was verified against it is void.
        assert_eq!(account_without_hash(&after), account_without_hash(&before));
        accounts.sign_in(&request(), sign_in(PASSWORD)).await.unwrap();
        assert_eq!(find().await.unwrap()[0].password_hash.as_ref(), Some(&hash));
    }

    async fn a_backend_opens_sessions_of_accounts_that_are_there_and_active(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let input = |account_id| CreateSession {
            account_id,
            connection_info: ConnectionInfo { ip: [203, 0, 113, 5].into(), user_agent: FIREFOX.to_owned() },
            metadata: Some(json!({"device": "phone", "ümläut": [1, null]})),
            transport: TokenTransport::Body,
        };
        let created = engine.accounts.create_session(&request(), input(login.account.id)).await.unwrap();
        assert_eq!(created.session.metadata, Some(json!({"device": "phone", "ümläut": [1, null]})));
        assert_eq!(engine.row(created.session.id).await, created.session);
        assert!(engine.refresh(&created.tokens.refresh_token).await.is_ok());

        let error = engine.accounts.create_session(&request(), input(Uuid::now_v7())).await.unwrap_err();
        assert_eq!(told(&error), ("USER_NOT_FOUND", None, None));
        let changes = AccountChanges { deactivated: Some(true), ..AccountChanges::default() };
        engine.accounts.update(&request(), login.account.id, changes).await.unwrap();
        let error = engine.accounts.create_session(&request(), input(login.account.id)).await.unwrap_err();
        assert_eq!(told(&error), ("USER_DEACTIVATED", None, None));
    }

    async fn metadata_has_four_kibibytes_at_most(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let with = |metadata| CreateSession {
            account_id: login.account.id,
            connection_info: ConnectionInfo { ip: [203, 0, 113, 5].into(), user_agent: FIREFOX.to_owned() },
            metadata: Some(metadata),
            transport: TokenTransport::Body,
        };
        // Two bytes are the quotation marks.
        let largest = with(json!("x".repeat(4_094)));
        assert!(engine.accounts.create_session(&request(), largest).await.is_ok());
        for refused in [json!("x".repeat(4_095)), json!({"a": "\0"}), json!({"a\0": 1})] {
            let error = engine.accounts.create_session(&request(), with(refused)).await.unwrap_err();
            assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("metadata")));
        }
        // A backslash before the letters is no such character.
        let spelt_out = with(json!("\\u0000"));
        assert!(engine.accounts.create_session(&request(), spelt_out).await.is_ok());
    }
}

fn account_without_hash(row: &Model) -> Model {
    Model {
        password_hash: None,
        ..row.clone()
    }
}

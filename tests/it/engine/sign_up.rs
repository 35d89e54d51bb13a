//! Signing up.

use sessiongraph::{
    account::SignUp,
    crypto::password::Password,
    error::Result,
    request::SessionRequest,
    session::{LoginResult, TokenTransport},
};

use crate::support::{
    database::{row_counts, scalar},
    engine::{Engine, PASSWORD, request, told},
    on_each_database,
};

fn input(username: Option<&str>, email: Option<&str>, password: &str) -> SignUp {
    SignUp {
        username: username.map(str::to_owned),
        email: email.map(str::to_owned),
        password: Password::new(password),
        transport: TokenTransport::Body,
    }
}

async fn sign_up(
    engine: &Engine,
    username: Option<&str>,
    email: Option<&str>,
) -> Result<LoginResult> {
    engine
        .accounts
        .sign_up(&request(), input(username, email, PASSWORD))
        .await
}

on_each_database! {
    async fn it_creates_an_account_and_its_first_session(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("Ada").await;
        assert_eq!(login.account.username.as_deref(), Some("ada"));
        assert_eq!(login.session.account_id, login.account.id);
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM sessions").await, 1);
        let current = engine.session_of(&login.tokens.access_token).await.unwrap();
        assert_eq!((current.account, current.session), (login.account, login.session));
    }

    async fn a_name_or_an_address_is_enough(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let by_address = sign_up(&engine, None, Some("Ada@Example.org")).await.unwrap().account;
        assert_eq!((by_address.username, by_address.email.as_deref()), (None, Some("ada@example.org")));
        assert!(!by_address.email_verified);
        let by_name = sign_up(&engine, Some("bob"), None).await.unwrap().account;
        assert_eq!((by_name.username.as_deref(), by_name.email), (Some("bob"), None));
        let error = sign_up(&engine, None, None).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("username")));
    }

    async fn reserved_names_are_refused_in_any_case(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let reserved = "admin administrator anonymous me null root security support system undefined viewer";
        for name in reserved.split(' ').chain(["Admin", "ROOT"]) {
            let error = sign_up(&engine, Some(name), None).await.unwrap_err();
            assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("username")), "{name}");
        }
    }

    async fn what_is_taken_is_taken_in_any_case(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        sign_up(&engine, Some("ada"), Some("ada@example.org")).await.unwrap();
        for (username, email, code) in [
            (Some("ADA"), None, "USERNAME_TAKEN"),
            (Some("Ada"), Some("other@example.org"), "USERNAME_TAKEN"),
            (Some("other"), Some("Ada@EXAMPLE.org"), "EMAIL_TAKEN"),
            (None, Some("ada@example.org"), "EMAIL_TAKEN"),
        ] {
            let error = sign_up(&engine, username, email).await.unwrap_err();
            assert_eq!(told(&error), (code, None, None));
        }
    }

    async fn of_parallel_sign_ups_of_one_name_one_wins(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let attempts: Vec<_> = (0..10)
            .map(|n| {
                let engine = if n % 2 == 0 { engine.clone() } else { replica.clone() };
                let name = if n % 3 == 0 { "Ada" } else { "ada" };
                tokio::spawn(async move { sign_up(&engine, Some(name), None).await.map(drop) })
            })
            .collect();
        let mut won = 0;
        for attempt in attempts {
            match attempt.await.unwrap() {
                Ok(()) => won += 1,
                Err(error) => assert_eq!(error.code(), "USERNAME_TAKEN"),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM sessions").await, 1);
    }

    async fn what_fails_leaves_nothing_behind(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        sign_up(&engine, Some("ada"), Some("ada@example.org")).await.unwrap();
        let counts = row_counts(&engine.db).await;
        let long = format!("{}@example.org", "a".repeat(250));
        for (input, field) in [
            (input(Some("ab"), None, PASSWORD), "username"),
            (input(Some("a b c"), None, PASSWORD), "username"),
            (input(Some("bob"), Some("not an address"), PASSWORD), "email"),
            (input(Some("bob"), Some(&long), PASSWORD), "email"),
            (input(Some("bob"), None, "1234567"), "password"),
            (input(Some("bob"), None, &"x".repeat(257)), "password"),
            (SignUp { transport: TokenTransport::Cookie, ..input(Some("bob"), None, PASSWORD) }, "transport"),
        ] {
            let error = engine.accounts.sign_up(&request(), input).await.unwrap_err();
            assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some(field)));
        }
        sign_up(&engine, Some("bob"), Some("ada@example.org")).await.unwrap_err();
        let without: [fn(&mut SessionRequest); 2] = [|request| request.ip = None, |request| request.user_agent = None];
        for take_away in without {
            let mut request = request();
            take_away(&mut request);
            let error = engine.accounts.sign_up(&request, input(Some("bob"), None, PASSWORD)).await.unwrap_err();
            assert!(error.code().starts_with("INVALID_LOCATION_INFO"));
        }
        assert_eq!(row_counts(&engine.db).await, counts);
        assert!(sign_up(&engine, Some("bob"), None).await.is_ok());
    }

    async fn eight_to_256_characters_are_a_password(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let longest = "\u{1f980}".repeat(256);
        for (name, password) in [("ada", "12345678"), ("bob", longest.as_str())] {
            let login = engine.accounts.sign_up(&request(), input(Some(name), None, password)).await;
            assert!(login.is_ok());
            assert!(engine.try_sign_in(name, password).await.is_ok());
        }
    }

    async fn it_can_be_switched_off(database: TestDatabase) {
        let mut engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        engine.accounts = engine.accounts.with_sign_up(false);
        let error = sign_up(&engine, Some("bob"), None).await.unwrap_err();
        assert_eq!(told(&error), ("SIGN_UP_DISABLED", None, None));
        assert!(engine.try_sign_in("ada", PASSWORD).await.is_ok());
    }
}

//! What a request costs the database.

use secrecy::SecretString;
use sessiongraph::{clock::ManualClock, error::Action, scope::Scope};

use crate::support::{
    database::{row_counts, scalar},
    engine::{Engine, request, text, told},
    on_each_database,
};

/// The text with one character replaced, once for each character.
fn flipped(token: &SecretString) -> Vec<SecretString> {
    let text = text(token);
    let flip = |at: usize| {
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        SecretString::from(format!("{}{other}{}", &text[..at], &text[at + 1..]))
    };
    (0..text.len()).map(flip).collect()
}

on_each_database! {
    async fn the_usual_refresh_is_one_statement(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.statements.take();
        engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let statements = engine.statements.take();
        assert_eq!(statements.len(), 1, "{statements:?}");
        assert!(statements[0].sql.starts_with("UPDATE"));
    }

    async fn opening_ending_and_recovering_cost_one_more_for_the_record(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let lost = engine.sign_up("ada").await;
        engine.refresh_and_advance(&lost.tokens.refresh_token, 36).await;
        let writes = || -> Vec<_> {
            let statements = engine.statements.take();
            let words = statements.iter().map(|statement| {
                let table = if statement.sql.contains("session_records") { "session_records" } else { "sessions" };
                (statement.sql.split(' ').next().unwrap().to_owned(), table)
            });
            words.collect()
        };
        let write = |word: &str, table| (word.to_owned(), table);
        let record = write("INSERT", "session_records");
        engine.statements.take();
        engine.refresh(&lost.tokens.refresh_token).await.unwrap();
        // The usual exchange fails, the row is read, and the other exchange is recorded.
        assert_eq!(writes(), [write("UPDATE", "sessions"), write("SELECT", "sessions"), write("UPDATE", "sessions"), record.clone()]);
        let mut signed_in = engine.show(&lost.tokens.access_token).await;
        assert!(engine.sessions.logout(&mut signed_in, None).await.unwrap());
        assert_eq!(writes(), [write("UPDATE", "sessions"), record.clone()]);
        engine.sign_in("ada").await;
        assert_eq!(writes().iter().filter(|write| **write == record).count(), 1);
    }

    async fn a_forged_refresh_token_costs_none(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.statements.take();
        for forged in flipped(&login.tokens.refresh_token) {
            let error = engine.refresh(&forged).await.unwrap_err();
            assert_eq!(told(&error), ("TOKEN_VERIFICATION_FAILED", None, Some(Action::SignIn)));
            let error = engine.show(&forged).await.session_claims().unwrap_err();
            assert_eq!(told(&error), ("UNAUTHENTICATED", Some("TOKEN_VERIFICATION_FAILED"), Some(Action::SignIn)));
        }
        assert_eq!(engine.statements.take(), []);
        assert_eq!(engine.row(login.session.id).await, login.session);
    }

    async fn a_forged_service_key_costs_none(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let key = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        engine.statements.take();
        for forged in flipped(&key) {
            let error = engine.show(&forged).await.session_claims().unwrap_err();
            assert_eq!(told(&error), ("UNAUTHENTICATED", Some("TOKEN_VERIFICATION_FAILED"), Some(Action::SignIn)));
            let error = engine.sessions.logout(&mut request(), Some(&forged)).await.unwrap_err();
            assert_eq!(told(&error), ("TOKEN_VERIFICATION_FAILED", None, Some(Action::SignIn)));
        }
        assert_eq!(engine.statements.take(), []);
    }

    async fn forged_access_tokens_make_the_keyring_read_once_a_second_at_most(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.statements.take();
        for forged in flipped(&login.tokens.access_token) {
            let error = engine.show(&forged).await.session_claims().unwrap_err();
            assert_eq!(error.reason(), Some("TOKEN_VERIFICATION_FAILED"));
        }
        // One for each table of keys.
        assert!(engine.statements.take().len() <= 2);
    }

    async fn verifying_an_access_token_costs_none_and_reading_its_session_one(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.statements.take();
        let request = engine.show(&login.tokens.access_token).await;
        assert_eq!(engine.statements.take(), []);
        let current = engine.sessions.current_session(&request).await.unwrap().unwrap();
        assert_eq!(engine.statements.take().len(), 1);
        assert_eq!((current.session, current.account), (login.session, login.account));
    }

    async fn a_request_without_a_session_costs_none(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let nobody = engine.sessions.handle_request(request()).await.unwrap();
        assert!(engine.sessions.current_session(&nobody).await.unwrap().is_none());
        let error = engine.sessions.require_session(&nobody).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("MISSING_TOKEN"), Some(Action::SignIn)));
        assert_eq!(engine.statements.take(), []);
    }

    async fn a_service_key_is_read_at_each_request(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let key = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        engine.statements.take();
        for _ in 0..2 {
            let request = engine.show(&key).await;
            assert_eq!(engine.statements.take().len(), 1);
            assert!(engine.sessions.current_session(&request).await.unwrap().is_none());
            assert_eq!(engine.statements.take(), []);
        }
    }

    async fn ten_thousand_refreshes_leave_one_row(database: TestDatabase) {
        let engine = Engine::with(&database, ManualClock::default(), |policy| policy.refresh_limit = None).await;
        let mut login = engine.sign_up("ada").await;
        let counts = row_counts(&engine.db).await;
        for _ in 0..REFRESHES {
            login = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        }
        assert_eq!(row_counts(&engine.db).await, counts);
        assert_eq!(scalar(&engine.db, "SELECT generation FROM sessions").await, REFRESHES);
    }
}

const REFRESHES: i64 = 10_000;

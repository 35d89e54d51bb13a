//! What is not a failure is given back, and nothing else.

use std::thread;

use sessiongraph::{
    account::{AccountChanges, Accounts},
    crypto::password::PasswordPolicy,
};

use super::*;
use crate::support::{engine::PASSWORDS, on_each_database};

/// Long enough to hash that something else happens meanwhile.
const SLOW: PasswordPolicy = PasswordPolicy {
    memory_kib: 64 * 1024,
    iterations: 12,
    ..PASSWORDS
};

async fn with_passwords(database: &TestDatabase, passwords: PasswordPolicy) -> Engine {
    let mut engine = Engine::new(database).await;
    engine.accounts = Accounts::new(engine.sessions.clone(), passwords).unwrap();
    engine
}

fn wrong(
    engine: &Engine,
    request: SessionRequest,
    identifier: &str,
) -> tokio::task::JoinHandle<Outcome> {
    let accounts = engine.accounts.clone();
    let input = SignIn {
        identifier: identifier.to_owned(),
        password: Password::new(WRONG),
        transport: TokenTransport::Body,
    };
    tokio::spawn(async move { outcome(accounts.sign_in(&request, input).await) })
}

/// Waits for so many sign-ins to look for their accounts.
async fn looked_for(engine: &Engine, count: usize) {
    let mut looked_for = 0;
    while looked_for < count {
        let statements = engine.statements.take();
        looked_for += statements
            .iter()
            .filter(|statement| statement.sql.contains(r#"FROM "accounts""#))
            .count();
        tokio::task::yield_now().await;
    }
}

on_each_database! {
    async fn a_sign_in_that_succeeds_takes_back_its_own_charge_and_no_other(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        fail(&engine, "192.0.2.1", "ada", 9).await;
        for _ in 0..30 {
            assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, ok());
        }
        assert_eq!((counts(&engine, GUESSED).await, counts(&engine, NETWORK).await), (vec![9], vec![9]));
        fail(&engine, "192.0.2.1", "ada", 1).await;
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, limited(900));
    }

    async fn it_costs_one_statement_before_the_hashing_and_one_after(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        for _ in 0..2 {
            engine.statements.take();
            engine.sign_in("ada").await;
            let statements = engine.statements.take();
            let begins: Vec<_> = statements.iter().map(|statement| {
                let table = ["counters", "accounts", "sessions", "session_records"].into_iter().find(|table| statement.sql.contains(table)).unwrap();
                (statement.sql.split(' ').next().unwrap(), table)
            }).collect();
            let counting = ("WITH", "counters");
            let opening = [("SELECT", "accounts"), ("SELECT", "sessions"), ("INSERT", "sessions"), ("INSERT", "session_records")];
            assert_eq!(begins, [&[counting, ("SELECT", "accounts"), counting], &opening[..]].concat());
        }
    }

    async fn a_deactivated_account_with_the_right_password_is_no_failure(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let changes = AccountChanges { deactivated: Some(true), ..AccountChanges::default() };
        engine.accounts.update(&request(), login.account.id, changes).await.unwrap();
        for _ in 0..15 {
            assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await.0, "USER_DEACTIVATED");
        }
        fail(&engine, "192.0.2.1", "ada", 10).await;
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, limited(900));
    }

    async fn a_full_queue_charges_nothing_and_asks_nobody(database: TestDatabase) {
        let engine = with_passwords(&database, PasswordPolicy { queue: 0, ..PASSWORDS }).await;
        engine.statements.take();
        for _ in 0..20 {
            assert_eq!(attempt(&engine, "192.0.2.1", "ada", WRONG).await, ("SERVICE_UNAVAILABLE".to_owned(), Some(1)));
        }
        assert_eq!(engine.try_sign_up("ada").await.unwrap_err().code(), "SERVICE_UNAVAILABLE");
        assert_eq!(engine.statements.take(), []);
    }

    async fn a_database_that_fails_before_the_hashing_charges_nobody(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        engine.sql("ALTER TABLE accounts RENAME TO lost").await;
        for _ in 0..12 {
            assert_eq!(attempt(&engine, "192.0.2.1", "ada", WRONG).await.0, "INTERNAL_SERVER_ERROR");
        }
        engine.sql("ALTER TABLE lost RENAME TO accounts").await;
        assert_eq!(counts(&engine, GUESSED).await, [0]);
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, ok());
    }

    async fn without_its_counters_nobody_guesses(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        engine.sql("ALTER TABLE counters RENAME TO lost").await;
        for password in [WRONG, PASSWORD] {
            assert_eq!(attempt(&engine, "192.0.2.1", "ada", password).await.0, "INTERNAL_SERVER_ERROR");
        }
    }

    async fn a_client_that_leaves_before_its_turn_is_not_charged_and_one_that_leaves_later_is(database: TestDatabase) {
        let engine = with_passwords(&database, SLOW).await;
        // So many that some still wait when the next one has come as far as its password.
        let crowd = 3 * thread::available_parallelism().unwrap().get();
        let busy: Vec<_> = (0..crowd)
            .map(|n| wrong(&engine, from(&format!("203.0.113.{n}")), &format!("nobody_{n}")))
            .collect();
        // Whose account has been looked for has been charged, and its hashing has begun or is about to.
        looked_for(&engine, crowd).await;
        let leaving = from("198.51.100.1");
        let waiting = wrong(&engine, leaving.clone(), "ada");
        looked_for(&engine, 1).await;
        leaving.client_gone.cancel();
        assert_eq!(waiting.await.unwrap().0, "SERVICE_UNAVAILABLE");
        let expected = [vec![0], vec![1; crowd]].concat();
        assert_eq!(counts(&engine, GUESSED).await, expected);
        for busy in busy {
            assert_eq!(busy.await.unwrap(), failed());
        }
        assert_eq!(counts(&engine, GUESSED).await, expected);

        // Whoever simply stops waiting has had a try, whether or not it was hashed.
        let abandoned = wrong(&engine, from("198.51.100.2"), "ada");
        while charged(&engine).await < 3 * (i64::try_from(crowd).unwrap() + 1) {
            tokio::task::yield_now().await;
        }
        abandoned.abort();
        assert!(abandoned.await.unwrap_err().is_cancelled());
        assert_eq!(counts(&engine, GUESSED).await, vec![1; crowd + 1]);
    }

    async fn what_is_given_back_late_leaves_the_next_window_alone(database: TestDatabase) {
        let engine = with_passwords(&database, SLOW).await;
        engine.sign_up("ada").await;
        let signing_in = engine.clone();
        let slow = tokio::spawn(async move { attempt(&signing_in, "192.0.2.1", "ada", PASSWORD).await });
        while counts(&engine, GUESSED).await != [1] {
            tokio::task::yield_now().await;
        }
        engine.advance(900);
        // Counted in a new window before the first attempt is over; from elsewhere, as attempts from one network take turns.
        let other = wrong(&engine, from("198.51.100.1"), "ada");
        assert_eq!(slow.await.unwrap(), ok());
        assert_eq!(other.await.unwrap(), failed());
        assert_eq!(counts(&engine, GUESSED).await, [1]);
    }
}

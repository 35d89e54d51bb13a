//! Limits of what strangers may try: the rules of `sessiongraph::limit`.

mod given_back;
mod guessing;
mod networks;
mod parallel;
mod queue;
mod refreshes;
mod sign_ups;
mod stored;

use std::time::Duration;

use sea_orm::EntityTrait;
use sessiongraph::{
    account::SignIn,
    clock::ManualClock,
    crypto::password::Password,
    entity::counter,
    error::{Action, Result},
    limit::Rate,
    request::SessionRequest,
    session::{LoginResult, Policy, TokenTransport},
};

use crate::support::{
    database::TestDatabase,
    engine::{Engine, PASSWORD, request},
};

const WRONG: &str = "a wrong password";
/// What an attempt came to: `OK` or a code, and with it `retryAfter`.
type Outcome = (String, Option<u64>);

/// The kinds of counters, as their names begin.
const NETWORK: u8 = 2;
const GUESSED: u8 = 3;

fn ok() -> Outcome {
    ("OK".to_owned(), None)
}

fn failed() -> Outcome {
    ("AUTHENTICATION_FAILED".to_owned(), None)
}

fn limited(seconds: u64) -> Outcome {
    ("RATE_LIMITED".to_owned(), Some(seconds))
}

fn outcome<T>(result: Result<T>) -> Outcome {
    match result {
        Ok(_) => ok(),
        Err(error) => {
            let retry = error.retry_after();
            assert_eq!(retry.is_some(), error.action() == Some(Action::Retry));
            (error.code().to_owned(), retry)
        }
    }
}

fn from(ip: &str) -> SessionRequest {
    let mut request = request();
    request.ip = Some(ip.parse().unwrap());
    request
}

async fn sign_in(
    engine: &Engine,
    ip: &str,
    identifier: &str,
    password: &str,
) -> Result<LoginResult> {
    let input = SignIn {
        identifier: identifier.to_owned(),
        password: Password::new(password),
        transport: TokenTransport::Body,
    };
    engine.accounts.sign_in(&from(ip), input).await
}

async fn attempt(engine: &Engine, ip: &str, identifier: &str, password: &str) -> Outcome {
    outcome(sign_in(engine, ip, identifier, password).await)
}

/// Fails so many times, each time with a password that was hashed.
async fn fail(engine: &Engine, ip: &str, identifier: &str, times: usize) {
    for _ in 0..times {
        assert_eq!(attempt(engine, ip, identifier, WRONG).await, failed());
    }
}

/// The counts of a kind, in ascending order.
async fn counts(engine: &Engine, kind: u8) -> Vec<i64> {
    let mut rows = counter::Entity::find().all(&engine.db).await.unwrap();
    rows.retain(|row| row.key[0] == kind);
    let mut counts: Vec<_> = rows.iter().map(|row| row.count).collect();
    counts.sort_unstable();
    counts
}

/// The sum of all counts.
async fn charged(engine: &Engine) -> i64 {
    let rows = counter::Entity::find().all(&engine.db).await.unwrap();
    rows.iter().map(|row| row.count).sum()
}

async fn engine_with(database: &TestDatabase, change: impl FnOnce(&mut Policy)) -> Engine {
    Engine::with(database, ManualClock::default(), change).await
}

fn rate(count: u32, seconds: u64) -> Rate {
    let per = Duration::from_secs(seconds);
    Rate { count, per }
}

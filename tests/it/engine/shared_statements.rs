//! Requests that arrive together share statements, each with its own outcome.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, EntityTrait, TransactionTrait};
use sessiongraph::{
    account::AccountChanges,
    clock::ManualClock,
    entity::account,
    session::{LoginResult, RefreshOutcome},
};
use tokio::time::timeout;

use crate::support::{
    database::TestDatabase,
    engine::{Engine, SAFARI, request},
    on_each_database,
};

/// An engine with so many sessions of one account.
async fn with_sessions(database: &TestDatabase, count: usize) -> (Engine, Vec<LoginResult>) {
    let engine = Engine::with(database, ManualClock::default(), |policy| {
        policy.max_sessions_per_account = 1_000;
        policy.sign_in_failures = None;
    })
    .await;
    let mut logins = vec![engine.sign_up("ada").await];
    while logins.len() < count {
        logins.push(engine.sign_in("ada").await);
    }
    engine.statements.take();
    (engine, logins)
}

on_each_database! {
    async fn a_hundred_sessions_that_are_refreshed_at_once_share_writes(database: TestDatabase) {
        let (engine, logins) = with_sessions(&database, 100).await;
        let refreshed = join_all(logins.iter().map(|login| engine.refresh(&login.tokens.refresh_token))).await;
        let statements = engine.statements.take().len();
        assert!(statements < 20, "{statements}");
        for (login, refreshed) in logins.iter().zip(refreshed) {
            let refreshed = refreshed.unwrap();
            assert_eq!((refreshed.session.id, refreshed.outcome), (login.session.id, Some(RefreshOutcome::Rotated)));
            assert_eq!(refreshed.session, engine.row(login.session.id).await, "what is answered is what is written");
            let account = account::Entity::find_by_id(login.account.id).one(&engine.db).await.unwrap();
            assert_eq!(Some(&refreshed.account), account.as_ref());
            let current = engine.session_of(&refreshed.tokens.access_token).await.unwrap();
            assert_eq!((current.session, Some(current.account)), (refreshed.session.clone(), account));
            assert_eq!((refreshed.session.generation, refreshed.session.parent), (1, Some(0)));
            assert!(engine.session_of(&refreshed.tokens.access_token).await.is_ok());
            assert!(engine.refresh(&refreshed.tokens.refresh_token).await.is_ok());
        }
    }

    async fn a_hundred_sessions_that_are_read_at_once_share_reads(database: TestDatabase) {
        let (engine, logins) = with_sessions(&database, 100).await;
        // Half of them twice.
        let tokens: Vec<_> = logins.iter().chain(&logins[..50]).map(|login| (&login.tokens.access_token, login.session.id)).collect();
        // Once before: on a busy machine a hundred signatures take longer to verify than a statement takes.
        for (token, _) in &tokens {
            engine.session_of(token).await.unwrap();
        }
        engine.statements.take();
        let read = join_all(tokens.iter().map(|(token, _)| engine.session_of(token))).await;
        let statements = engine.statements.take().len();
        assert!(statements < 20, "{statements}");
        for ((_, id), read) in tokens.iter().zip(read) {
            let read = read.unwrap();
            assert_eq!((read.session.id, read.account.id), (*id, logins[0].account.id));
        }
    }

    async fn who_is_refused_harms_no_other(database: TestDatabase) {
        let (engine, logins) = with_sessions(&database, 40).await;
        let other = engine.sign_up("bob").await;
        let changes = AccountChanges { deactivated: Some(true), ..AccountChanges::default() };
        engine.accounts.update(&request(), other.account.id, changes).await.unwrap();
        engine.sql("UPDATE sessions SET invalidated_at = NULL, invalidation_reason = NULL").await;
        let superseded = engine.refresh(&logins[0].tokens.refresh_token).await.unwrap();
        assert!(engine.sessions.logout(&mut request(), Some(&logins[1].tokens.refresh_token)).await.unwrap());
        let mut foreign_agent = request();
        foreign_agent.user_agent = Some(SAFARI.to_owned());
        let ours = request();
        let outcomes = join_all(logins.iter().chain([&other]).enumerate().map(|(n, login)| {
            let from = if n == 2 { &foreign_agent } else { &ours };
            engine.refresh_from(from, &login.tokens.refresh_token)
        }))
        .await;
        for (n, outcome) in outcomes.iter().enumerate() {
            match n {
                0 => {
                    let converged = outcome.as_ref().unwrap();
                    assert_eq!(converged.outcome, Some(RefreshOutcome::Converged));
                    assert_eq!(converged.session.generation, superseded.session.generation);
                }
                1 => assert_eq!(outcome.as_ref().unwrap_err().reason(), Some("INVALIDATED")),
                2 => assert_eq!(outcome.as_ref().unwrap_err().reason(), Some("AGENT_CHANGED")),
                40 => assert_eq!(outcome.as_ref().unwrap_err().code(), "USER_DEACTIVATED"),
                _ => assert_eq!(outcome.as_ref().unwrap().outcome, Some(RefreshOutcome::Rotated), "{n}"),
            }
        }
    }

    async fn of_one_token_a_hundred_times_among_others_one_rotates(database: TestDatabase) {
        let (engine, logins) = with_sessions(&database, 20).await;
        let many = std::iter::repeat_n(&logins[0], 100).chain(&logins[1..]);
        let outcomes = join_all(many.map(|login| engine.refresh(&login.tokens.refresh_token))).await;
        let of_one: Vec<_> = outcomes[..100].iter().map(|outcome| outcome.as_ref().unwrap()).collect();
        assert_eq!(of_one.iter().filter(|login| login.outcome == Some(RefreshOutcome::Rotated)).count(), 1);
        assert!(of_one.iter().all(|login| login.session.generation == 1));
        assert!(outcomes[100..].iter().all(|outcome| outcome.as_ref().unwrap().outcome == Some(RefreshOutcome::Rotated)));
    }
}

#[tokio::test]
async fn on_postgres_a_locked_row_holds_up_its_own_session_alone() {
    let database = TestDatabase::postgres().await;
    let (engine, logins) = with_sessions(&database, 40).await;
    let elsewhere = database.connect().await;
    let lock = elsewhere.begin().await.unwrap();
    let locked = logins[..3]
        .iter()
        .map(|login| format!("'{}'", login.session.id));
    let locked: Vec<_> = locked.collect();
    let sql = format!(
        "SELECT 1 FROM sessions WHERE id IN ({}) FOR UPDATE",
        locked.join(", ")
    );
    lock.execute_unprepared(&sql).await.unwrap();
    let refresh = |login: &LoginResult| {
        let (engine, token) = (engine.clone(), login.tokens.refresh_token.clone());
        tokio::spawn(async move { engine.refresh(&token).await })
    };
    let waiting: Vec<_> = logins[..3].iter().map(refresh).collect();
    let others = join_all(logins[3..].iter().map(refresh));
    for other in timeout(Duration::from_secs(10), others).await.unwrap() {
        let outcome = other.unwrap().unwrap().outcome;
        assert_eq!(outcome, Some(RefreshOutcome::Rotated));
    }
    assert!(waiting.iter().all(|task| !task.is_finished()));
    lock.rollback().await.unwrap();
    for waited in timeout(Duration::from_secs(10), join_all(waiting))
        .await
        .unwrap()
    {
        let outcome = waited.unwrap().unwrap().outcome;
        assert_eq!(outcome, Some(RefreshOutcome::Rotated));
    }
}

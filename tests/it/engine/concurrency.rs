//! Many requests at once, on two replicas.

use std::{collections::HashMap, time::Duration};

use sea_orm::{ConnectionTrait, TransactionTrait};
use sessiongraph::{
    account::{AccountChanges, ChangePassword},
    clock::ManualClock,
    crypto::password::Password,
    error::Result,
    page::Page,
    session::{LoginResult, NewSession, Policy, RefreshOutcome, UpsertSession},
};
use tokio::task::JoinHandle;

use crate::support::{
    database::{TestDatabase, scalar},
    engine::{Engine, PASSWORD, request, text},
    on_each_database,
};

const LIVE_SESSIONS: &str = "SELECT COUNT(*) FROM sessions WHERE invalidated_at IS NULL";
const EVICTED_SESSIONS: &str =
    "SELECT COUNT(*) FROM sessions WHERE invalidation_reason = 'SESSION_LIMIT'";

/// Opens a session against the account as it was at a login.
async fn open_as_verified(engine: &Engine, login: &LoginResult) -> Result<LoginResult> {
    let new = NewSession {
        account_id: login.account.id,
        credentials_version: Some(login.account.credentials_version),
        connection_info: engine.sessions.connection_info(&request())?,
        metadata: None,
    };
    let input = UpsertSession::Insert(new);
    let sessions = &engine.sessions;
    sessions
        .upsert_refresh_token_and_session(&request(), input)
        .await
}

fn limit_of_five(policy: &mut Policy) {
    policy.max_sessions_per_account = 5;
}

fn sixty_sign_ins(one: &Engine, two: &Engine) -> Vec<JoinHandle<LoginResult>> {
    let sign_in = |n| {
        let replica = if n % 2 == 0 { one } else { two }.clone();
        tokio::spawn(async move { replica.sign_in("ada").await })
    };
    (0..60).map(sign_in).collect()
}

on_each_database! {
    async fn of_a_hundred_parallel_refreshes_one_rotates_and_all_get_its_successor(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let login = engine.sign_up("ada").await;
        let refreshes: Vec<_> = (0..100)
            .map(|n| {
                let replica = if n % 2 == 0 { engine.clone() } else { replica.clone() };
                let token = login.tokens.refresh_token.clone();
                tokio::spawn(async move { replica.refresh(&token).await.unwrap() })
            })
            .collect();
        let mut outcomes = HashMap::new();
        let mut successors = HashMap::new();
        for refresh in refreshes {
            let result = refresh.await.unwrap();
            *outcomes.entry(result.outcome).or_insert(0) += 1;
            *successors.entry(text(&result.tokens.refresh_token).to_owned()).or_insert(0) += 1;
        }
        let expected = [(Some(RefreshOutcome::Rotated), 1), (Some(RefreshOutcome::Converged), 99)];
        assert_eq!(outcomes, HashMap::from(expected));
        assert_eq!(successors.len(), 1);
        let row = engine.row(login.session.id).await;
        assert_eq!((row.generation, row.parent), (1, Some(0)));
    }

    async fn sixty_parallel_sign_ins_keep_the_session_limit(database: TestDatabase) {
        let engine = Engine::with(&database, ManualClock::default(), limit_of_five).await;
        let replica = engine.replica(&database).await;
        engine.sign_up("ada").await;
        for sign_in in sixty_sign_ins(&engine, &replica) {
            sign_in.await.unwrap();
        }
        assert_eq!(scalar(&engine.db, LIVE_SESSIONS).await, 5);
        assert_eq!(scalar(&engine.db, EVICTED_SESSIONS).await, 56);
    }

    async fn no_session_is_opened_with_a_password_that_was_changed_meanwhile(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        assert!(open_as_verified(&engine, &login).await.is_ok());
        let change = ChangePassword {
            current: Password::new(PASSWORD),
            new: Password::new("another password"),
            invalidate_other_sessions: true,
        };
        let signed_in = engine.show(&login.tokens.access_token).await;
        engine.accounts.change_password(&signed_in, change).await.unwrap();
        let error = open_as_verified(&engine, &login).await.unwrap_err();
        assert_eq!(error.code(), "AUTHENTICATION_FAILED");
        assert_eq!(scalar(&engine.db, LIVE_SESSIONS).await, 1);
    }

    async fn no_session_is_opened_for_an_account_that_was_deactivated_meanwhile(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let set = |deactivated| AccountChanges { deactivated: Some(deactivated), ..AccountChanges::default() };
        engine.accounts.update(&request(), login.account.id, set(true)).await.unwrap();
        let error = open_as_verified(&engine, &login).await.unwrap_err();
        assert_eq!(error.code(), "USER_DEACTIVATED");
        // Even when it is active again: what was verified is no longer the account.
        engine.accounts.update(&request(), login.account.id, set(false)).await.unwrap();
        let error = open_as_verified(&engine, &login).await.unwrap_err();
        assert_eq!(error.code(), "AUTHENTICATION_FAILED");
        assert_eq!(scalar(&engine.db, LIVE_SESSIONS).await, 0);
    }

    async fn sessions_are_ended_and_refreshed_at_once_without_a_deadlock(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let first = engine.sign_up("ada").await;
        let mut logins = vec![first];
        for _ in 0..19 {
            logins.push(engine.sign_in("ada").await);
        }
        for round in 0..10 {
            for login in &logins {
                for shown_at in [&engine, &replica] {
                    shown_at.show(&login.tokens.access_token).await;
                }
            }
            let flushes = [engine.clone(), replica.clone()]
                .map(|flushing| tokio::spawn(async move { flushing.sessions.flush_activity().await }));
            let refreshes: Vec<_> = logins
                .iter()
                .map(|login| {
                    let (engine, token) = (engine.clone(), login.tokens.refresh_token.clone());
                    tokio::spawn(async move { engine.refresh(&token).await })
                })
                .collect();
            for flush in flushes {
                flush.await.unwrap().unwrap();
            }
            logins.clear();
            for refresh in refreshes {
                logins.push(refresh.await.unwrap().unwrap());
            }
            assert_eq!(logins[0].session.generation, round + 1);
        }
    }
}

/// A sign-in that has verified the password while the account is being changed.
mod on_postgres {
    use super::*;

    /// Connections that wait for a lock.
    const WAITING: &str = "SELECT COUNT(*) FROM pg_stat_activity \
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";

    /// Signs in while a transaction that changes the account is open, and commits that once the sign-in waits for it.
    async fn sign_in_during(change: &str) -> (Engine, Result<LoginResult>) {
        let database = TestDatabase::postgres().await;
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        let transaction = engine.db.begin().await.unwrap();
        transaction.execute_unprepared(change).await.unwrap();
        let signing_in = engine.clone();
        let sign_in = tokio::spawn(async move { signing_in.try_sign_in("ada", PASSWORD).await });
        while scalar(&engine.db, WAITING).await == 0 {
            tokio::task::yield_now().await;
        }
        transaction.commit().await.unwrap();
        (engine, sign_in.await.unwrap())
    }

    /// As many as there are connections have verified the password and wait for the account before the first goes on.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sign_ins_that_meet_before_the_account_keep_the_session_limit() {
        let database = TestDatabase::postgres().await;
        let engine = Engine::with(&database, ManualClock::default(), limit_of_five).await;
        let replica = engine.replica(&database).await;
        engine.sign_up("ada").await;
        let elsewhere = database.connect().await;
        let barrier = elsewhere.begin().await.unwrap();
        let lock = "SELECT id FROM accounts FOR UPDATE";
        barrier.execute_unprepared(lock).await.unwrap();
        let sign_ins = sixty_sign_ins(&engine, &replica);
        while scalar(&elsewhere, WAITING).await < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        barrier.commit().await.unwrap();
        for sign_in in sign_ins {
            sign_in.await.unwrap();
        }
        assert_eq!(scalar(&elsewhere, LIVE_SESSIONS).await, 5);
        assert_eq!(scalar(&elsewhere, EVICTED_SESSIONS).await, 56);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_password_change_in_the_middle_of_a_sign_in_wins() {
        let (engine, result) = sign_in_during(
            "UPDATE accounts SET password_hash = 'x', credentials_version = credentials_version + 1",
        )
        .await;
        assert_eq!(result.unwrap_err().code(), "AUTHENTICATION_FAILED");
        assert_eq!(scalar(&engine.db, LIVE_SESSIONS).await, 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_deactivation_in_the_middle_of_a_sign_in_wins() {
        let (engine, result) = sign_in_during(
            "UPDATE accounts SET deactivated_at = now(), credentials_version = credentials_version + 1",
        )
        .await;
        assert_eq!(result.unwrap_err().code(), "USER_DEACTIVATED");
        assert_eq!(scalar(&engine.db, LIVE_SESSIONS).await, 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_harmless_change_in_the_middle_of_a_sign_in_disturbs_nothing() {
        let (engine, result) = sign_in_during("UPDATE accounts SET permissions = 'read'").await;
        assert_eq!(result.unwrap().claims.scope, "read");
        assert_eq!(scalar(&engine.db, LIVE_SESSIONS).await, 2);
    }

    /// Who ends a session holds its row, and wants the account's for the record.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_session_ends_while_its_account_gets_another_name_and_ends_it_too() {
        let database = TestDatabase::postgres().await;
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let ending = engine.db.begin().await.unwrap();
        let id = login.session.id;
        let end = format!(
            "UPDATE sessions SET invalidated_at = now(), invalidation_reason = 'LOGOUT' WHERE id = '{id}'"
        );
        ending.execute_unprepared(&end).await.unwrap();
        let changing = engine.clone();
        let change = AccountChanges {
            username: Some("grace".to_owned()),
            deactivated: Some(true),
            ..AccountChanges::default()
        };
        let change = tokio::spawn(async move {
            let accounts = &changing.accounts;
            accounts.update(&request(), login.account.id, change).await
        });
        while scalar(&engine.db, WAITING).await == 0 {
            tokio::task::yield_now().await;
        }
        let record = "INSERT INTO session_records (id, session_id, account_id, kind, at) \
                      SELECT gen_random_uuid(), id, account_id, 'INVALIDATED', now() FROM sessions";
        ending.execute_unprepared(record).await.unwrap();
        ending.commit().await.unwrap();
        let account = change.await.unwrap().unwrap();
        assert_eq!(account.username.as_deref(), Some("grace"));
        let ends = "SELECT COUNT(*) FROM session_records WHERE kind = 'INVALIDATED'";
        assert_eq!(scalar(&engine.db, ends).await, 1);
    }

    /// Where rows lie in another order than their ids, two statements that write several may lock them in different
    /// orders.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sessions_are_marked_as_seen_while_they_end_whatever_the_order_of_the_rows() {
        let database = TestDatabase::postgres().await;
        let limit = |policy: &mut Policy| policy.max_sessions_per_account = 500;
        let engine = Engine::with(&database, ManualClock::default(), limit).await;
        let replica = engine.replica(&database).await;
        let ada = engine.sign_up("ada").await.account.id;
        engine.sign_up("bob").await;
        engine
            .sql("CREATE TABLE template AS SELECT * FROM sessions")
            .await;
        // Many of somebody else's, so that a few are found by an index.
        engine.sql(&copies(20_000, "bob")).await;
        engine.sql(&copies(200, "ada")).await;
        engine.sql("CREATE TABLE kept AS SELECT * FROM sessions WHERE account_id = (SELECT id FROM accounts WHERE username = 'ada')").await;
        let lay_down = "DELETE FROM sessions WHERE id IN (SELECT id FROM kept); \
                        INSERT INTO sessions SELECT * FROM kept ORDER BY id DESC";
        let page = Page {
            length: 500,
            after: None,
            before: None,
            from_end: false,
        };
        let sessions = engine
            .sessions
            .session_pages(&[ada], None, page)
            .await
            .unwrap()
            .remove(&ada)
            .unwrap();
        let change = |deactivated| AccountChanges {
            deactivated: Some(deactivated),
            ..AccountChanges::default()
        };
        engine.sql("ANALYZE sessions").await;
        for generation in 1..=20 {
            engine.sql(lay_down).await;
            engine.advance(1);
            for session in &sessions.rows {
                for replica in [&engine, &replica] {
                    let activity = replica.sessions.activity();
                    activity.note(session.id, generation, replica.sessions.clock().now());
                }
            }
            let request = request();
            let (here, there, ended) = tokio::join!(
                engine.sessions.flush_activity(),
                replica.sessions.flush_activity(),
                engine.accounts.update(&request, ada, change(true)),
            );
            here.unwrap();
            there.unwrap();
            ended.unwrap();
            engine
                .accounts
                .update(&request, ada, change(false))
                .await
                .unwrap();
        }
    }

    /// What makes so many more sessions of an account.
    fn copies(number: u32, username: &str) -> String {
        format!(
            "INSERT INTO sessions SELECT gen_random_uuid(), s.account_id, generation, parent, seen_generation, ip, \
             user_agent, user_agent_family, metadata, s.created_at, refreshed_at, last_seen_at, expires_at, \
             absolute_expires_at, invalidated_at, invalidation_reason \
             FROM template s JOIN accounts a ON a.id = s.account_id, generate_series(1, {number}) \
             WHERE a.username = '{username}'"
        )
    }

    /// A sighting that could not be written at once is written all the same.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_session_that_is_being_written_is_marked_as_seen_afterwards() {
        let database = TestDatabase::postgres().await;
        let engine = Engine::new(&database).await;
        let (held, free, ended) = (
            engine.sign_up("ada").await,
            engine.sign_in("ada").await,
            engine.sign_in("ada").await,
        );
        for login in [&held, &free, &ended] {
            engine.show(&login.tokens.access_token).await;
        }
        engine
            .sessions
            .logout(&mut request(), Some(&ended.tokens.refresh_token))
            .await
            .unwrap();
        let transaction = engine.db.begin().await.unwrap();
        let lock = format!(
            "UPDATE sessions SET ip = '198.51.100.1' WHERE id = '{}'",
            held.session.id
        );
        transaction.execute_unprepared(&lock).await.unwrap();
        let flushing = engine.clone();
        let flush = tokio::spawn(async move { flushing.sessions.flush_activity().await });
        while engine.row(free.session.id).await.seen_generation < 0 {
            tokio::task::yield_now().await;
        }
        transaction.commit().await.unwrap();
        flush.await.unwrap().unwrap();
        let row = engine.row(held.session.id).await;
        assert_eq!((row.seen_generation, row.ip.as_str()), (0, "198.51.100.1"));
        assert_eq!(engine.row(ended.session.id).await.seen_generation, -1);
        for login in [&held, &free, &ended] {
            assert_eq!(
                engine.sessions.activity().seen_generation(login.session.id),
                None
            );
        }
    }
}

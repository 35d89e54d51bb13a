//! Connections that the hot statements keep for each other, on PostgreSQL; on SQLite the same calls keep none.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
use sessiongraph::{
    account::Accounts,
    database::{DatabaseOptions, connect},
    session::{LoginResult, RefreshOutcome, Sessions},
};
use tokio::time::{sleep, timeout};

use crate::support::{
    database::TestDatabase,
    engine::{Engine, PASSWORDS},
    on_each_database,
};

const LARGE: u32 = 20;
const SMALL: u32 = 10;
const LONG: Duration = Duration::from_secs(10);

/// A replica that keeps connections, of a pool of this size.
async fn keeping(engine: &Engine, database: &TestDatabase, pool: u32) -> Engine {
    let mut options = DatabaseOptions::new(database.url.clone());
    options.max_connections = pool;
    let db = connect(&options).await.unwrap();
    let sessions = Sessions::builder(db.clone())
        .shared_keys(engine.keyring.clone())
        .policy(engine.sessions.policy().clone())
        .clock(engine.clock.clone())
        .keep_connections()
        .build()
        .unwrap();
    let accounts = Accounts::new(sessions.clone(), PASSWORDS).unwrap();
    Engine {
        db,
        sessions,
        accounts,
        ..engine.clone()
    }
}

/// One that keeps a connection already.
async fn with_one_kept(database: &TestDatabase) -> (Engine, Engine, LoginResult) {
    let engine = Engine::new(database).await;
    let login = engine.sign_up("ada").await;
    let replica = keeping(&engine, database, LARGE).await;
    assert!(replica.session_of(&login.tokens.access_token).await.is_ok());
    if database.is_postgres() {
        sleep(Duration::from_millis(100)).await;
        assert_eq!(in_use(&replica.db), 1);
    }
    (engine, replica, login)
}

fn in_use(db: &DatabaseConnection) -> usize {
    let pool = db.get_postgres_connection_pool();
    pool.size() as usize - pool.num_idle()
}

async fn given_back(db: &DatabaseConnection) {
    timeout(LONG, async {
        while in_use(db) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
}

on_each_database! {
    async fn what_is_read_and_written_is_the_same(database: TestDatabase) {
        let (engine, replica, login) = with_one_kept(&database).await;
        let refreshed = replica.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(refreshed.outcome, Some(RefreshOutcome::Rotated));
        assert_eq!(refreshed.session, engine.row(login.session.id).await);
        let current = replica.session_of(&refreshed.tokens.access_token).await.unwrap();
        assert_eq!((current.session, current.account), (refreshed.session, refreshed.account));
        let bob = engine.sign_up("bob").await;
        let together = join_all((0..100).map(|n| {
            let token = if n % 2 == 0 { &bob.tokens.refresh_token } else { &refreshed.tokens.refresh_token };
            replica.refresh(token)
        }))
        .await;
        let rotated = |login: &LoginResult| login.outcome == Some(RefreshOutcome::Rotated);
        let together: Vec<_> = together.into_iter().map(Result::unwrap).collect();
        assert_eq!(together.iter().filter(|login| rotated(login)).count(), 2);
        assert!(together.iter().all(|login| rotated(login) || login.outcome == Some(RefreshOutcome::Converged)));
    }

    async fn what_another_replica_ends_is_ended_on_a_kept_connection_at_once(database: TestDatabase) {
        let (engine, replica, login) = with_one_kept(&database).await;
        for name in ["bob", "eve", "joe"] {
            let login = engine.sign_up(name).await;
            assert!(replica.session_of(&login.tokens.access_token).await.is_ok());
            let mut request = crate::support::engine::request();
            assert!(engine.sessions.logout(&mut request, Some(&login.tokens.refresh_token)).await.unwrap());
            assert_eq!(replica.session_of(&login.tokens.access_token).await.unwrap_err().reason(), Some("INVALID_SESSION"));
        }
        assert!(replica.session_of(&login.tokens.access_token).await.is_ok());
    }

    async fn a_pool_can_be_closed_while_a_connection_is_kept(database: TestDatabase) {
        let (_, replica, login) = with_one_kept(&database).await;
        timeout(LONG, replica.db.clone().close()).await.unwrap().unwrap();
        let refused = replica.session_of(&login.tokens.access_token).await.unwrap_err();
        assert_eq!(refused.code(), "SERVICE_UNAVAILABLE");
    }
}

/// `PostgreSQL` alone keeps connections.
mod postgres_alone {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_nobody_uses_goes_back_to_the_pool() {
        let database = TestDatabase::postgres().await;
        let (_, replica, login) = with_one_kept(&database).await;
        given_back(&replica.db).await;
        assert!(replica.session_of(&login.tokens.access_token).await.is_ok());
        sleep(Duration::from_millis(100)).await;
        assert_eq!(in_use(&replica.db), 1, "it is kept again");
        given_back(&replica.db).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_a_small_pool_none_is_kept() {
        let database = TestDatabase::postgres().await;
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let replica = keeping(&engine, &database, SMALL).await;
        for _ in 0..10 {
            assert!(replica.session_of(&login.tokens.access_token).await.is_ok());
        }
        sleep(Duration::from_millis(100)).await;
        assert_eq!(in_use(&replica.db), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_that_the_server_has_closed_fails_one_request_alone() {
        let database = TestDatabase::postgres().await;
        let (engine, replica, login) = with_one_kept(&database).await;
        engine
            .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
            .await;
        let read = || replica.session_of(&login.tokens.access_token);
        assert_eq!(read().await.unwrap_err().code(), "SERVICE_UNAVAILABLE");
        timeout(LONG, async {
            // The pool's own, which it has not tried yet, may be gone as well.
            while read().await.is_err() {}
        })
        .await
        .unwrap();
        for _ in 0..10 {
            assert!(read().await.is_ok());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whose_reader_has_left_in_the_middle_answers_nobody_else() {
        let database = TestDatabase::postgres().await;
        let (engine, replica, ada) = with_one_kept(&database).await;
        let bob = engine.sign_up("bob").await;
        for _ in 0..3 {
            let lock = engine.db.begin().await.unwrap();
            lock.execute_unprepared("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
                .await
                .unwrap();
            let reading = replica.session_of(&ada.tokens.access_token);
            assert!(timeout(Duration::from_millis(50), reading).await.is_err());
            let after = tokio::spawn({
                let (replica, token) = (replica.clone(), bob.tokens.access_token.clone());
                async move { replica.session_of(&token).await }
            });
            sleep(Duration::from_millis(20)).await;
            lock.commit().await.unwrap();
            assert_eq!(after.await.unwrap().unwrap().session.id, bob.session.id);
            for login in [&ada, &bob, &ada] {
                let current = replica
                    .session_of(&login.tokens.access_token)
                    .await
                    .unwrap();
                assert_eq!(current.session.id, login.session.id);
            }
        }
    }
}

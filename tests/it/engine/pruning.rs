//! Pruning, and the lease that lets one replica do it.

use std::{sync::Arc, time::Duration};

use sessiongraph::{
    lease::Leases,
    session::{Caller, InvalidateSessions, Policy, Sessions},
    upkeep::{Upkeep, UpkeepOptions},
};
use uuid::Uuid;

use crate::support::{
    database::scalar,
    engine::{Engine, request},
    on_each_database,
};

const DAY: u64 = 24 * 60 * 60;
const RETENTION: Duration = Duration::from_secs(30 * DAY);

async fn end_all(sessions: &Sessions, login: &sessiongraph::session::LoginResult) {
    let mut signed_in = request();
    signed_in.bearer = Some(login.tokens.access_token.clone());
    let signed_in = sessions.handle_request(signed_in).await.unwrap();
    let caller = Caller::Session(signed_in.session_claims().unwrap().clone());
    sessions
        .invalidate_sessions(&signed_in, &caller, None, InvalidateSessions::All)
        .await
        .unwrap();
}

on_each_database! {
    async fn a_session_is_deleted_when_it_ended_or_ran_out_longer_ago_than_the_retention(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let ended = engine.sign_up("ada").await;
        end_all(&engine.sessions, &ended).await;
        engine.sign_up("bob").await;
        let count = || scalar(&engine.db, "SELECT COUNT(*) FROM sessions");

        engine.advance(30 * DAY);
        assert_eq!(engine.sessions.prune(RETENTION).await.unwrap(), 0, "not a moment too early");
        engine.advance(1);
        assert_eq!(engine.sessions.prune(RETENTION).await.unwrap(), 1, "the one that was ended");
        engine.advance(7 * DAY);
        engine.sign_up("carol").await;
        assert_eq!(engine.sessions.prune(RETENTION).await.unwrap(), 1, "the one that ran out after seven days");
        assert_eq!(count().await, 1, "a live one stays");
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM accounts").await, 3, "accounts stay");
    }

    async fn more_than_one_batch_is_deleted(database: TestDatabase) {
        let engine = Engine::with(&database, sessiongraph::clock::ManualClock::default(), |policy| policy.max_sessions_per_account = 10_000).await;
        let login = engine.sign_up("ada").await;
        engine.copy_sessions(2_500).await;
        engine.advance(3 * DAY);
        end_all(&engine.sessions, &fresh(&engine, &login).await).await;
        engine.advance(31 * DAY);
        assert_eq!(engine.sessions.prune(RETENTION).await.unwrap(), 2_501);
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM sessions").await, 0);
    }

    async fn a_process_prunes_sessions_and_records_each_by_its_own_retention(database: TestDatabase) {
        let policies: [fn(&mut Policy); 2] = [
            |policy| policy.audit_retention = Duration::from_secs(10 * DAY),
            |policy| policy.retention = Duration::from_secs(10 * DAY),
        ];
        for (change, sessions, records) in [(policies[0], 2, 1), (policies[1], 1, 3)] {
            let engine = Engine::with(&database, sessiongraph::clock::ManualClock::default(), change).await;
            engine.sql("DELETE FROM accounts").await;
            let ended = engine.sign_up("ada").await;
            end_all(&engine.sessions, &ended).await;
            engine.advance(11 * DAY);
            engine.sign_in("ada").await;
            engine.sql("DELETE FROM leases").await;
            let count = async |table| scalar(&engine.db, &format!("SELECT COUNT(*) FROM {table}")).await;
            let upkeep = Upkeep::begin(&engine.sessions, UpkeepOptions::default()).await.unwrap();
            let pruned = async {
                while (count("sessions").await, count("session_records").await) != (sessions, records) {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_mins(1), pruned).await.unwrap();
            upkeep.end().await.unwrap();
        }
    }

    async fn one_replica_holds_a_lease_until_it_runs_out(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = |id| Leases::new(engine.db.clone(), Arc::new(engine.clock.clone()), Uuid::from_u128(id));
        let (a, b) = (replica(1), replica(2));
        let minute = Duration::from_mins(1);
        assert!(a.acquire("work", minute).await.unwrap());
        assert!(!b.acquire("work", minute).await.unwrap());
        assert!(b.acquire("other work", minute).await.unwrap());
        engine.advance(59);
        assert!(a.acquire("work", minute).await.unwrap(), "its holder renews it");
        engine.advance(59);
        assert!(!b.acquire("work", minute).await.unwrap());
        engine.advance(1);
        assert!(b.acquire("work", minute).await.unwrap());
        assert!(!a.acquire("work", minute).await.unwrap());
    }
}

/// The same login, with an access token that has not expired.
async fn fresh(
    engine: &Engine,
    login: &sessiongraph::session::LoginResult,
) -> sessiongraph::session::LoginResult {
    let refresh_token = Some(login.tokens.refresh_token.clone());
    let input = sessiongraph::session::RefreshTokensInput { refresh_token };
    engine
        .sessions
        .refresh_tokens(&request(), input)
        .await
        .unwrap()
}

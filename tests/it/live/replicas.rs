//! Events of other replicas.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::StreamExt;
use secrecy::SecretString;
use sessiongraph::{
    clock::ManualClock,
    session::{InvalidateSessions, Listener, Notice, Relay, SessionEventKind, Subscriber, Topic},
};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{
    database::TestDatabase,
    engine::{Engine, request},
    on_each_database,
};

async fn next_kind(notices: &mut Listener) -> SessionEventKind {
    match timeout(Duration::from_secs(10), notices.recv())
        .await
        .expect("an event")
        .unwrap()
    {
        Notice::Session { kind, .. } => kind,
        Notice::ServiceKeyRevoked(_) => panic!("no key was revoked"),
    }
}

on_each_database! {
    async fn what_another_replica_committed_is_found_in_the_rows(database: TestDatabase) {
        let here = Engine::new(&database).await;
        let there = here.replica(&database).await;
        let mut notices = here.sessions.events().listen([Topic::AllAccounts]);
        let since = sessiongraph::clock::Clock::now(&here.clock);
        let login = there.sign_up("ada").await;
        let relay = Relay::new(here.sessions.clone(), Uuid::nil());
        relay.read_since(since).await.unwrap();
        assert_eq!(next_kind(&mut notices).await, SessionEventKind::Created);
        let caller = there.caller(&login).await;
        there.sessions.invalidate_sessions(&request(), &caller, None, InvalidateSessions::All).await.unwrap();
        for _ in 0..2 {
            relay.read_since(since).await.unwrap();
        }
        assert_eq!(next_kind(&mut notices).await, SessionEventKind::Invalidated);
        assert!(notices.try_recv().is_none(), "nothing is told twice");
    }

    async fn a_subscriber_that_falls_back_too_far_is_let_go(database: TestDatabase) {
        let engine = Engine::with(&database, ManualClock::default(), |policy| policy.refresh_limit = None).await;
        let login = engine.sign_up("ada").await;
        let caller = engine.show(&login.tokens.access_token).await;
        let subscriber = Subscriber::Session(caller.session_claims().unwrap().clone());
        let mut events = Box::pin(engine.sessions.session_events(subscriber));
        let mut token = login.tokens.refresh_token.clone();
        for _ in 0..4_200 {
            token = engine.refresh(&token).await.unwrap().tokens.refresh_token;
        }
        // What was noticed before is told; rotations that nobody has read are one.
        let told = events.next().await.unwrap().unwrap();
        assert_eq!(told.kind, SessionEventKind::Refreshed);
        let last = events.next().await.unwrap();
        assert_eq!(last.unwrap_err().code(), "SERVICE_UNAVAILABLE");
        assert!(events.next().await.is_none());
    }

    async fn what_happened_before_anybody_listened_is_told_to_nobody(database: TestDatabase) {
        let here = Engine::new(&database).await;
        let there = here.replica(&database).await;
        there.sign_up("ada").await;
        let relay = Relay::new(here.sessions.clone(), Uuid::nil());
        relay.remember_the_past().await.unwrap();
        let mut notices = here.sessions.events().listen([Topic::AllAccounts]);
        let since = sessiongraph::clock::Clock::now(&here.clock) - Duration::from_secs(15);
        there.sign_up("bob").await;
        relay.read_since(since).await.unwrap();
        assert_eq!(next_kind(&mut notices).await, SessionEventKind::Created);
        assert!(notices.try_recv().is_none());
    }

    async fn a_long_backlog_is_read_page_by_page(database: TestDatabase) {
        let here = Engine::new(&database).await;
        let there = here.replica(&database).await;
        let since = sessiongraph::clock::Clock::now(&here.clock);
        let ada = there.sign_up("ada").await;
        here.copy_sessions(1_499).await;
        // All in the same instant. (Their ids are no times: some of them are not found as opened.)
        let ending = "UPDATE sessions SET invalidated_at = created_at";
        sea_orm::ConnectionTrait::execute_unprepared(&here.db, ending).await.unwrap();
        let mut notices = here.sessions.events().listen([Topic::Account(ada.account.id)]);
        Relay::new(here.sessions.clone(), Uuid::nil()).read_since(since).await.unwrap();
        let mut ended = HashSet::new();
        while let Some(Notice::Session { session_id, kind, .. }) = notices.try_recv() {
            assert!(kind == SessionEventKind::Created || ended.insert(session_id), "told twice");
        }
        assert_eq!(ended.len(), 1_500);
    }
}

mod announced {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_postgres_what_a_replica_commits_is_heard_by_the_others() {
        let database = TestDatabase::postgres().await;
        let here = Engine::new(&database).await;
        let there = here.replica(&database).await;
        let listening = Arc::new(Relay::new(here.sessions.clone(), Uuid::from_u128(1)));
        let announcing = Arc::new(Relay::new(there.sessions.clone(), Uuid::from_u128(2)));
        let url = SecretString::from(database.url.clone());
        tokio::spawn(async move { listening.listen(&url).await });
        tokio::spawn(async move { announcing.announce().await });
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut notices = here.sessions.events().listen([Topic::AllAccounts]);
        let login = there.sign_up("ada").await;
        assert_eq!(next_kind(&mut notices).await, SessionEventKind::Created);
        there.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(next_kind(&mut notices).await, SessionEventKind::Refreshed);
    }
}

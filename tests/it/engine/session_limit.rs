//! An account has so many sessions at most.

use sessiongraph::{
    account::{CreateSession, SignUp},
    clock::ManualClock,
    crypto::password::Password,
    entity::session::{InvalidationReason, SessionStatus},
    request::ConnectionInfo,
    session::{Policy, TokenTransport},
};

use crate::support::{
    database::TestDatabase,
    engine::{Engine, FIREFOX, PASSWORD, request},
    on_each_database,
};

const EVICTED: Option<InvalidationReason> = Some(InvalidationReason::SessionLimit);

async fn with_limit(database: &TestDatabase, limit: u32) -> Engine {
    let change = |policy: &mut Policy| policy.max_sessions_per_account = limit;
    Engine::with(database, ManualClock::default(), change).await
}

on_each_database! {
    async fn the_least_recently_refreshed_is_evicted(database: TestDatabase) {
        let engine = with_limit(&database, 3).await;
        let first = engine.sign_up("ada").await;
        engine.advance(1);
        let second = engine.sign_in("ada").await;
        engine.advance(1);
        let third = engine.sign_in("ada").await;
        engine.advance(1);
        // Being used is not being refreshed.
        engine.refresh(&first.tokens.refresh_token).await.unwrap();
        engine.show(&second.tokens.access_token).await;
        engine.sessions.flush_activity().await.unwrap();
        engine.advance(1);
        let fourth = engine.sign_in("ada").await;
        assert_eq!(engine.ended_with(second.session.id).await, EVICTED);
        let error = engine.refresh(&second.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.reason(), Some("INVALIDATED"));
        for login in [&first, &third, &fourth] {
            assert_eq!(engine.ended_with(login.session.id).await, None);
        }
        engine.advance(1);
        engine.sign_in("ada").await;
        assert_eq!(engine.ended_with(third.session.id).await, EVICTED);
    }

    async fn sessions_that_are_over_do_not_count(database: TestDatabase) {
        let engine = with_limit(&database, 2).await;
        let expired = engine.sign_up("ada").await;
        engine.advance(7 * 24 * 60 * 60);
        let ended = engine.sign_in("ada").await;
        engine.sessions.logout(&mut request(), Some(&ended.tokens.refresh_token)).await.unwrap();
        let kept = [engine.sign_in("ada").await, engine.sign_in("ada").await];
        for login in kept {
            assert_eq!(engine.ended_with(login.session.id).await, None);
        }
        assert_eq!(engine.ended_with(expired.session.id).await, None);
        assert_eq!(engine.ended_with(ended.session.id).await, Some(InvalidationReason::Logout));
    }

    async fn each_account_has_its_own(database: TestDatabase) {
        let engine = with_limit(&database, 1).await;
        let ada = engine.sign_up("ada").await;
        let bob = engine.sign_up("bob").await;
        engine.sign_in("bob").await;
        assert_eq!(engine.ended_with(ada.session.id).await, None);
        assert_eq!(engine.ended_with(bob.session.id).await, EVICTED);
    }

    async fn a_limit_that_was_lowered_is_kept_with_the_next_sign_in(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        for _ in 0..5 {
            engine.advance(1);
            engine.sign_in("ada").await;
        }
        let lowered = |policy: &mut Policy| policy.max_sessions_per_account = 2;
        let engine = Engine::with(&database, engine.clock.clone(), lowered).await;
        assert!(engine.refresh(&first.tokens.refresh_token).await.is_ok());
        engine.advance(1);
        let last = engine.sign_in("ada").await;
        let active = Some(SessionStatus::Active);
        let live = engine.sessions.session_counts(&[last.account.id], active).await.unwrap();
        assert_eq!(live[&last.account.id], 2);
        assert_eq!(engine.ended_with(last.session.id).await, None);
    }

    /// More than a statement can have values, on either database.
    async fn a_limit_may_be_lowered_by_any_number(database: TestDatabase) {
        let engine = with_limit(&database, 100_000).await;
        let first = engine.sign_up("ada").await;
        engine.copy_sessions(66_000).await;
        let lowered = |policy: &mut Policy| policy.max_sessions_per_account = 2;
        let engine = Engine::with(&database, engine.clock.clone(), lowered).await;
        engine.advance(1);
        let last = engine.sign_in("ada").await;
        let active = Some(SessionStatus::Active);
        let live = engine.sessions.session_counts(&[first.account.id], active).await.unwrap();
        assert_eq!(live[&first.account.id], 2);
        assert_eq!(engine.ended_with(last.session.id).await, None);
    }

    async fn sessions_of_a_backend_count_too(database: TestDatabase) {
        let engine = with_limit(&database, 1).await;
        let input = SignUp {
            username: None,
            email: Some("ada@example.org".to_owned()),
            password: Password::new(PASSWORD),
            transport: TokenTransport::Body,
        };
        let login = engine.accounts.sign_up(&request(), input).await.unwrap();
        let create = CreateSession {
            account_id: login.account.id,
            connection_info: ConnectionInfo { ip: [192, 0, 2, 9].into(), user_agent: FIREFOX.to_owned() },
            metadata: None,
            transport: TokenTransport::Body,
        };
        let created = engine.accounts.create_session(&request(), create).await.unwrap();
        assert_eq!(created.session.ip, "192.0.2.9");
        assert_eq!(engine.ended_with(login.session.id).await, EVICTED);
    }
}

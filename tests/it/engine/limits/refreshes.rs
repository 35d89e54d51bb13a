//! Refreshing.

use secrecy::SecretString;
use sessiongraph::{
    request::{Authentication, CookieChange},
    session::RefreshOutcome,
};

use super::*;
use crate::support::{
    engine::{text, told},
    on_each_database,
};

async fn limited_to(database: &TestDatabase, count: u32) -> Engine {
    engine_with(database, |policy| {
        policy.refresh_limit = Some(rate(count, 60));
    })
    .await
}

on_each_database! {
    async fn each_genuine_token_presented_counts_converging_ones_too(database: TestDatabase) {
        let engine = limited_to(&database, 3).await;
        let login = engine.sign_up("ada").await;
        let first = &login.tokens.refresh_token;
        let rotated = engine.refresh(first).await.unwrap();
        assert_eq!(rotated.outcome, Some(RefreshOutcome::Rotated));
        engine.advance(10);
        for _ in 0..2 {
            assert_eq!(engine.refresh(first).await.unwrap().outcome, Some(RefreshOutcome::Converged));
        }
        engine.statements.take();
        for token in [first, &rotated.tokens.refresh_token, first] {
            let error = engine.refresh(token).await.unwrap_err();
            assert_eq!(told(&error), ("RATE_LIMITED", None, Some(Action::Retry)));
            assert_eq!(error.retry_after(), Some(50));
        }
        // That cost no statement, and the session is as it was.
        assert_eq!(engine.statements.take(), []);
        assert_eq!(engine.row(login.session.id).await, rotated.session);
        assert!(engine.session_of(&rotated.tokens.access_token).await.is_ok());
        engine.advance(50);
        let next = engine.refresh(&rotated.tokens.refresh_token).await.unwrap();
        assert_eq!(next.outcome, Some(RefreshOutcome::Rotated));
    }

    async fn another_session_has_its_own_budget_and_so_has_another_replica(database: TestDatabase) {
        let engine = limited_to(&database, 1).await;
        let replica = engine.replica(&database).await;
        let (one, two) = (engine.sign_up("ada").await, engine.sign_in("ada").await);
        let refreshed = engine.refresh(&one.tokens.refresh_token).await.unwrap();
        let token = &refreshed.tokens.refresh_token;
        assert_eq!(outcome(engine.refresh(token).await), limited(60));
        assert_eq!(outcome(engine.refresh(&two.tokens.refresh_token).await), ok());
        assert_eq!(outcome(replica.refresh(token).await), ok());
    }

    async fn a_token_that_is_not_genuine_counts_for_nobody(database: TestDatabase) {
        let engine = limited_to(&database, 1).await;
        let login = engine.sign_up("ada").await;
        let token = text(&login.tokens.refresh_token);
        let forged = SecretString::from(format!("{}A{}", &token[..20], &token[21..]));
        for _ in 0..3 {
            let refused = outcome(engine.refresh(&forged).await);
            assert_eq!(refused, ("TOKEN_VERIFICATION_FAILED".to_owned(), None));
        }
        assert_eq!(outcome(engine.refresh(&login.tokens.refresh_token).await), ok());
    }

    async fn a_stolen_token_ends_its_session_when_the_window_is_over(database: TestDatabase) {
        let engine = limited_to(&database, 2).await;
        let login = engine.sign_up("ada").await;
        let first = &login.tokens.refresh_token;
        let second = engine.refresh(first).await.unwrap();
        let third = engine.refresh(&second.tokens.refresh_token).await.unwrap();
        assert_eq!(outcome(engine.refresh(first).await), limited(60));
        assert_eq!(engine.ended_with(login.session.id).await, None);
        engine.advance(60);
        assert_eq!(outcome(engine.refresh(first).await).0, "REFRESH_TOKEN_REUSED");
        assert_eq!(outcome(engine.refresh(&third.tokens.refresh_token).await).0, "INVALID_SESSION");
    }

    async fn of_many_at_once_no_more_pass(database: TestDatabase) {
        let engine = limited_to(&database, 7).await;
        let login = engine.sign_up("ada").await;
        let refreshes: Vec<_> = (0..50)
            .map(|_| {
                let (engine, token) = (engine.clone(), login.tokens.refresh_token.clone());
                tokio::spawn(async move { outcome(engine.refresh(&token).await) })
            })
            .collect();
        let mut passed = 0;
        for refresh in refreshes {
            passed += usize::from(refresh.await.unwrap() == ok());
        }
        assert_eq!(passed, 7);
    }

    async fn it_can_be_switched_off(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.refresh_limit = None).await;
        let mut login = engine.sign_up("ada").await;
        for _ in 0..700 {
            login = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        }
        assert_eq!(login.session.generation, 700);
    }

    /// A renewal on the way is a refresh: the fields that need a session say when to come again, and the cookies stay.
    async fn a_query_that_would_be_renewed_is_told_to_come_again(database: TestDatabase) {
        let engine = limited_to(&database, 1).await;
        let login = engine.sign_up("ada").await;
        let with_cookies = |token: &SecretString| {
            let mut request = request();
            request.accepts_cookies = true;
            request.cookies.refresh = Some(token.clone());
            request.cookies.present = true;
            request
        };
        let renewed = engine.sessions.handle_request(with_cookies(&login.tokens.refresh_token)).await.unwrap();
        let Some(CookieChange::Set { refresh, .. }) = renewed.take_cookie_change() else {
            panic!("it was not renewed");
        };
        let again = engine.sessions.handle_request(with_cookies(&refresh)).await.unwrap();
        assert!(matches!(again.authentication, Authentication::Failed(_)));
        let error = engine.sessions.require_session(&again).await.unwrap_err();
        assert_eq!(told(&error), ("RATE_LIMITED", None, Some(Action::Retry)));
        assert_eq!(error.retry_after(), Some(60));
        assert!(again.take_cookie_change().is_none());
        engine.advance(60);
        let later = engine.sessions.handle_request(with_cookies(&refresh)).await.unwrap();
        assert!(engine.sessions.require_session(&later).await.is_ok());
    }
}

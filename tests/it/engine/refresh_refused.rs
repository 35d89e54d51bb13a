//! Refreshes that are refused, and what the client is told to do next.

use secrecy::SecretString;
use sessiongraph::{
    account::AccountChanges,
    error::Action,
    scope::Scope,
    session::{RefreshOutcome, RefreshTokensInput},
};

use crate::support::{
    engine::{Engine, request, told},
    on_each_database,
};

const DAY: u64 = 24 * 60 * 60;
const SIGN_IN: Option<Action> = Some(Action::SignIn);

on_each_database! {
    async fn a_session_that_was_idle_for_a_week_has_expired(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let other = engine.sign_in("ada").await;
        engine.advance(7 * DAY - 1);
        assert!(engine.refresh(&other.tokens.refresh_token).await.is_ok());
        engine.advance(1);
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("INVALID_SESSION", Some("EXPIRED"), SIGN_IN));
        assert_eq!(engine.ended_with(login.session.id).await, None);
    }

    async fn a_session_lives_for_ninety_days_in_all(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mut login = engine.sign_up("ada").await;
        for _ in 0..15 {
            engine.advance(6 * DAY - 1);
            login = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        }
        engine.advance(14);
        login = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        engine.advance(1);
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("INVALID_SESSION", Some("EXPIRED"), SIGN_IN));
    }

    async fn a_token_of_long_ago_says_expired_rather_than_reused(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let second = engine.refresh(&first.tokens.refresh_token).await.unwrap();
        engine.refresh(&second.tokens.refresh_token).await.unwrap();
        engine.advance(7 * DAY);
        let error = engine.refresh(&first.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("INVALID_SESSION", Some("EXPIRED"), SIGN_IN));
    }

    async fn an_ended_session_is_not_refreshed(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        assert!(engine.sessions.logout(&mut request(), Some(&login.tokens.refresh_token)).await.unwrap());
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("INVALID_SESSION", Some("INVALIDATED"), SIGN_IN));
        engine.advance(100 * DAY);
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.reason(), Some("INVALIDATED"));
    }

    async fn a_deactivated_account_says_so_before_its_session_does(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let changes = AccountChanges { deactivated: Some(true), ..AccountChanges::default() };
        engine.accounts.update(&request(), login.account.id, changes).await.unwrap();
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("USER_DEACTIVATED", None, SIGN_IN));
        let error = engine.session_of(&login.tokens.access_token).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("USER_DEACTIVATED"), SIGN_IN));
    }

    async fn a_live_session_of_a_deactivated_account_is_not_refreshed(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.sql("UPDATE accounts SET deactivated_at = created_at").await;
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("USER_DEACTIVATED", None, SIGN_IN));
        assert_eq!(engine.row(login.session.id).await.generation, 0);
    }

    async fn a_session_that_is_not_there_is_not_found(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.sql("DELETE FROM sessions").await;
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("SESSION_NOT_FOUND", None, SIGN_IN));
        let error = engine.session_of(&login.tokens.access_token).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("SESSION_NOT_FOUND"), SIGN_IN));
    }

    async fn a_deleted_account_takes_its_sessions_along(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.sql("DELETE FROM accounts").await;
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("SESSION_NOT_FOUND", None, SIGN_IN));
    }

    async fn a_token_one_generation_ahead_is_taken_as_the_current_one(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let second = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let third = engine.refresh(&second.tokens.refresh_token).await.unwrap();
        // A failover lost the last commit.
        engine.sql("UPDATE sessions SET generation = 1, parent = 0").await;
        let next = engine.refresh(&third.tokens.refresh_token).await.unwrap();
        assert_eq!(next.outcome, Some(RefreshOutcome::Rotated));
        assert_eq!(next.claims.generation(), Some(3));
        let row = engine.row(login.session.id).await;
        assert_eq!((row.generation, row.parent), (3, Some(2)));
        for access_token in [&third.tokens.access_token, &next.tokens.access_token] {
            assert!(engine.session_of(access_token).await.is_ok());
        }
        let again = engine.refresh(&third.tokens.refresh_token).await.unwrap();
        assert_eq!(again.outcome, Some(RefreshOutcome::Converged));
    }

    async fn a_token_further_ahead_is_refused_and_the_session_stays(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let second = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let third = engine.refresh(&second.tokens.refresh_token).await.unwrap();
        // A backup was restored.
        engine.sql("UPDATE sessions SET generation = 0, parent = NULL").await;
        let row = engine.row(login.session.id).await;
        let error = engine.refresh(&third.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("INVALID_SESSION", Some("ROLLED_BACK"), SIGN_IN));
        assert_eq!(engine.row(login.session.id).await, row);
    }

    async fn a_refresh_needs_an_address_and_a_user_agent(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let mut without_ip = request();
        without_ip.ip = None;
        let error = engine.refresh_from(&without_ip, &login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("INVALID_LOCATION_INFO_IP", None, None));
        for user_agent in [None, Some(String::new()), Some("  ".to_owned())] {
            let mut without_agent = request();
            without_agent.user_agent = user_agent;
            let error = engine.refresh_from(&without_agent, &login.tokens.refresh_token).await.unwrap_err();
            assert_eq!(told(&error), ("INVALID_LOCATION_INFO_USER_AGENT", None, None));
        }
        assert_eq!(engine.row(login.session.id).await, login.session);
    }

    async fn a_refresh_needs_a_refresh_token(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let none = engine.sessions.refresh_tokens(&request(), RefreshTokensInput::default()).await.unwrap_err();
        assert_eq!(told(&none), ("INVALID_TOKENS", None, SIGN_IN));

        let service_key = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        for wrong_kind in [&login.tokens.access_token, &service_key] {
            let error = engine.refresh(wrong_kind).await.unwrap_err();
            assert_eq!(told(&error), ("INVALID_TOKEN", None, SIGN_IN));
        }
        for not_ours in ["", "sgr_", "sgk_", "nonsense", "a.b.c"] {
            let error = engine.refresh(&SecretString::from(not_ours)).await.unwrap_err();
            assert_eq!(told(&error), ("TOKEN_VERIFICATION_FAILED", None, SIGN_IN), "{not_ours:?}");
        }
    }

    async fn an_access_token_of_another_issuer_is_no_token_of_ours(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let issuer = "https://other.example".to_owned();
        let other = Engine::with(&database, engine.clock.clone(), |policy| policy.issuer = issuer).await;
        let login = engine.sign_up("ada").await;
        let error = other.refresh(&login.tokens.access_token).await.unwrap_err();
        assert_eq!(told(&error), ("TOKEN_VERIFICATION_FAILED", None, SIGN_IN));
        let error = other.session_of(&login.tokens.access_token).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("TOKEN_VERIFICATION_FAILED"), SIGN_IN));
    }

    async fn a_stale_authorization_header_does_not_disturb_a_refresh(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.advance(3_600);
        let stale = engine.show(&login.tokens.access_token).await;
        let refreshed = engine.refresh_from(&stale, &login.tokens.refresh_token).await.unwrap();
        assert_eq!(refreshed.outcome, Some(RefreshOutcome::Rotated));
        assert_eq!(engine.ended_with(login.session.id).await, None);
    }
}

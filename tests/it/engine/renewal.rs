//! Requests with cookies, which are renewed on the way.

use secrecy::SecretString;
use sessiongraph::{
    clock::ManualClock,
    error::Action,
    request::{CookieChange, Operation, SessionRequest},
    session::{LoginResult, Policy, RefreshOutcome},
};

use crate::support::{
    engine::{Engine, request, text, told},
    on_each_database,
};

/// A query of a browser that keeps its tokens in cookies.
fn with_cookies(login: &LoginResult) -> SessionRequest {
    let mut request = request();
    request.accepts_cookies = true;
    request.cookies.access = Some(login.tokens.access_token.clone());
    request.cookies.refresh = Some(login.tokens.refresh_token.clone());
    request
}

/// The refresh token that a response sets.
fn set_refresh_token(request: &SessionRequest) -> Option<SecretString> {
    match request.take_cookie_change() {
        Some(CookieChange::Set { refresh, .. }) => Some(refresh),
        _ => None,
    }
}

on_each_database! {
    async fn a_good_access_cookie_is_left_alone(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let request = engine.sessions.handle_request(with_cookies(&login)).await.unwrap();
        assert_eq!(request.session_claims().unwrap().session_id, login.session.id);
        assert!(request.take_cookie_change().is_none());
        assert_eq!(engine.row(login.session.id).await, login.session);
    }

    async fn an_expired_access_cookie_or_none_is_renewed(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.advance(305);
        let request = engine.sessions.handle_request(with_cookies(&login)).await.unwrap();
        let current = engine.sessions.current_session(&request).await.unwrap().unwrap();
        assert_eq!((current.session.id, current.session.generation), (login.session.id, 1));

        let mut gone = with_cookies(&login);
        gone.cookies.refresh = set_refresh_token(&request);
        gone.cookies.access = None;
        let request = engine.sessions.handle_request(gone).await.unwrap();
        assert_eq!(request.session_claims().unwrap().generation, 2);
        assert!(set_refresh_token(&request).is_some());
    }

    async fn so_is_one_of_a_key_that_was_revoked(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let leaked = engine.keyring.key_set().signing.kid.clone();
        engine.keyring.revoke(&leaked).await.unwrap();
        let request = engine.sessions.handle_request(with_cookies(&login)).await.unwrap();
        assert_eq!(request.session_claims().unwrap().generation, 1);
    }

    async fn only_queries_are_renewed(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.advance(305);
        let (mutation, mut without_access) = (with_cookies(&login), with_cookies(&login));
        without_access.cookies.access = None;
        for mut request in [mutation, without_access] {
            request.operation = Operation::Mutation;
            let request = engine.sessions.handle_request(request).await.unwrap();
            let error = request.session_claims().unwrap_err();
            assert_eq!(told(&error), ("UNAUTHENTICATED", Some("TOKEN_EXPIRED"), Some(Action::Refresh)));
            assert!(request.take_cookie_change().is_none());
        }
        assert_eq!(engine.row(login.session.id).await, login.session);
    }

    async fn it_can_be_switched_off(database: TestDatabase) {
        let off = |policy: &mut Policy| policy.silent_renewal = false;
        let engine = Engine::with(&database, ManualClock::default(), off).await;
        let login = engine.sign_up("ada").await;
        engine.advance(305);
        let request = engine.sessions.handle_request(with_cookies(&login)).await.unwrap();
        let error = request.session_claims().unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("TOKEN_EXPIRED"), Some(Action::Refresh)));
    }

    async fn the_operations_of_one_request_are_renewed_once(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.advance(305);
        let batch = with_cookies(&login);
        let operations: Vec<_> = (0..5)
            .map(|_| {
                let (sessions, request) = (engine.sessions.clone(), batch.clone());
                tokio::spawn(async move { sessions.handle_request(request).await.unwrap() })
            })
            .collect();
        for operation in operations {
            assert_eq!(operation.await.unwrap().session_claims().unwrap().generation, 1);
        }
        assert!(set_refresh_token(&batch).is_some());
        assert_eq!(engine.row(login.session.id).await.generation, 1);
    }

    async fn parallel_requests_converge(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.advance(305);
        let mut successors = Vec::new();
        for _ in 0..3 {
            let request = engine.sessions.handle_request(with_cookies(&login)).await.unwrap();
            assert_eq!(request.session_claims().unwrap().generation, 1);
            successors.push(text(&set_refresh_token(&request).unwrap()).to_owned());
        }
        successors.dedup();
        assert_eq!(successors.len(), 1);
    }

    async fn where_the_refresh_cookie_is_not_good_either_the_fields_say_why(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.advance(305);
        let mut garbled = with_cookies(&login);
        garbled.cookies.refresh = Some(SecretString::from("sgr_garbled"));
        let mut wrong_kind = with_cookies(&login);
        wrong_kind.cookies.refresh = Some(login.tokens.access_token.clone());
        engine.sessions.logout(&mut request(), Some(&login.tokens.refresh_token)).await.unwrap();
        for (request, reason) in [
            (garbled, "TOKEN_VERIFICATION_FAILED"),
            (wrong_kind, "INVALID_TOKEN"),
            (with_cookies(&login), "INVALID_SESSION"),
        ] {
            let request = engine.sessions.handle_request(request).await.unwrap();
            let error = engine.sessions.current_session(&request).await.unwrap_err();
            assert_eq!(told(&error), ("UNAUTHENTICATED", Some(reason), Some(Action::SignIn)));
            assert!(set_refresh_token(&request).is_none());
        }
    }

    async fn a_token_in_the_header_goes_before_the_cookies(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.advance(305);
        let mut both = with_cookies(&engine.sign_in("ada").await);
        both.bearer = Some(login.tokens.access_token.clone());
        let request = engine.sessions.handle_request(both).await.unwrap();
        assert_eq!(request.session_claims().unwrap_err().reason(), Some("TOKEN_EXPIRED"));
        assert!(request.take_cookie_change().is_none());
    }

    async fn a_program_can_renew_a_request_itself(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        assert!(engine.sessions.try_set_session(&mut request()).await.unwrap().is_none());
        let mut request = with_cookies(&login);
        let renewed = engine.sessions.try_set_session(&mut request).await.unwrap().unwrap();
        assert_eq!(renewed.outcome, Some(RefreshOutcome::Rotated));
        assert_eq!(request.session_claims().unwrap().session_id, login.session.id);
        assert_eq!(text(&set_refresh_token(&request).unwrap()), text(&renewed.tokens.refresh_token));
    }
}

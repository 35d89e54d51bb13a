//! Logging out.

use secrecy::SecretString;
use sessiongraph::{
    entity::session::InvalidationReason,
    error::Action,
    request::{Authentication, CookieChange, SessionRequest},
    scope::Scope,
    session::LoginResult,
};

use crate::support::{
    engine::{Engine, request, text, told},
    on_each_database,
};

const SIGN_IN: Option<Action> = Some(Action::SignIn);

fn with_cookies(access: Option<&SecretString>, refresh: Option<&SecretString>) -> SessionRequest {
    let mut request = request();
    request.accepts_cookies = true;
    request.cookies.access = access.cloned();
    request.cookies.refresh = refresh.cloned();
    request.cookies.present = access.or(refresh).is_some();
    request
}

on_each_database! {
    async fn logging_out_ends_the_session_once(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let other = engine.sign_in("ada").await;
        let mut request = engine.show(&login.tokens.access_token).await;
        assert!(engine.sessions.logout(&mut request, None).await.unwrap());
        assert_eq!(engine.ended_with(login.session.id).await, Some(InvalidationReason::Logout));
        // Neither user nor token is left in the request.
        assert!(matches!(request.authentication, Authentication::Nobody));
        assert!(request.access_token().is_none());
        assert!(!engine.sessions.logout(&mut request, None).await.unwrap());

        let mut again = engine.show(&login.tokens.access_token).await;
        assert!(!engine.sessions.logout(&mut again, None).await.unwrap());
        assert_eq!(engine.ended_with(other.session.id).await, None);
    }

    async fn expired_and_superseded_tokens_are_good_for_logging_out(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        let first = engine.sign_in("ada").await;
        let second = engine.sign_in("ada").await;
        let mut current = second.clone();
        for _ in 0..3 {
            current = engine.refresh(&current.tokens.refresh_token).await.unwrap();
        }
        engine.advance(24 * 60 * 60);
        for (token, login) in [(&first.tokens.access_token, &first), (&second.tokens.refresh_token, &second)] {
            assert!(engine.sessions.logout(&mut request(), Some(token)).await.unwrap());
            assert_eq!(engine.ended_with(login.session.id).await, Some(InvalidationReason::Logout));
            assert!(!engine.sessions.logout(&mut request(), Some(token)).await.unwrap());
        }
    }

    async fn a_forged_token_ends_nobodys_session(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let genuine = text(&login.tokens.access_token);
        let forged = SecretString::from(format!("{}AAAA", &genuine[..genuine.len() - 4]));
        let failed = ("TOKEN_VERIFICATION_FAILED", None, SIGN_IN);

        let mut request = engine.show(&forged).await;
        let error = engine.sessions.logout(&mut request, None).await.unwrap_err();
        assert_eq!(told(&error), failed);
        let mut request = engine.show(&login.tokens.access_token).await;
        let error = engine.sessions.logout(&mut request, Some(&forged)).await.unwrap_err();
        assert_eq!(told(&error), failed);
        let mut request = with_cookies(Some(&forged), None);
        let error = engine.sessions.logout(&mut request, None).await.unwrap_err();
        assert_eq!(told(&error), failed);
        assert_eq!(engine.ended_with(login.session.id).await, None);
    }

    async fn a_service_key_has_no_session_to_end(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let key = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        let mut request = engine.show(&key).await;
        let error = engine.sessions.logout(&mut request, None).await.unwrap_err();
        assert_eq!(told(&error), ("INVALID_TOKEN", None, SIGN_IN));
        assert_eq!(engine.ended_with(login.session.id).await, None);
    }

    async fn without_any_token_there_is_none_to_end(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        engine.statements.take();
        assert!(!engine.sessions.logout(&mut request(), None).await.unwrap());
        assert_eq!(engine.statements.take(), []);
    }

    async fn the_token_handed_over_goes_before_the_header_and_that_before_the_cookies(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let cookie = engine.sign_up("ada").await;
        let header = engine.sign_in("ada").await;
        let input = engine.sign_in("ada").await;
        let all = || {
            let mut request = with_cookies(Some(&cookie.tokens.access_token), Some(&cookie.tokens.refresh_token));
            request.bearer = Some(header.tokens.access_token.clone());
            request
        };
        assert!(engine.sessions.logout(&mut all(), Some(&input.tokens.refresh_token)).await.unwrap());
        let ended = |login: &LoginResult| {
            let (engine, session) = (engine.clone(), login.session.id);
            async move { engine.ended_with(session).await.is_some() }
        };
        assert!(ended(&input).await && !ended(&header).await && !ended(&cookie).await);
        assert!(engine.sessions.logout(&mut all(), None).await.unwrap());
        assert!(ended(&header).await && !ended(&cookie).await);
        let mut cookies_alone = all();
        cookies_alone.bearer = None;
        assert!(engine.sessions.logout(&mut cookies_alone, None).await.unwrap());
        assert!(ended(&cookie).await);
    }

    async fn either_cookie_names_the_session(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        let garbled = SecretString::from("sgr_garbled");
        for n in 0..3 {
            let login = engine.sign_in("ada").await;
            let tokens = &login.tokens;
            let mut request = match n {
                0 => with_cookies(Some(&tokens.access_token), None),
                1 => with_cookies(None, Some(&tokens.refresh_token)),
                _ => with_cookies(Some(&tokens.access_token), Some(&garbled)),
            };
            assert!(engine.sessions.logout(&mut request, None).await.unwrap());
            assert_eq!(engine.ended_with(login.session.id).await, Some(InvalidationReason::Logout));
        }
    }

    async fn cookies_are_cleared_whatever_the_answer(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let forged = SecretString::from("a.b.c");
        for (access, is_error) in [(&login.tokens.access_token, false), (&login.tokens.access_token, false), (&forged, true)] {
            let mut request = with_cookies(Some(access), None);
            assert_eq!(engine.sessions.logout(&mut request, None).await.is_err(), is_error);
            assert!(matches!(request.take_cookie_change(), Some(CookieChange::Clear)));
        }
        let mut without = with_cookies(None, None);
        engine.sessions.logout(&mut without, Some(&login.tokens.access_token)).await.unwrap();
        assert!(without.take_cookie_change().is_none());
    }
}

//! Keys of trusted backends.

use secrecy::SecretString;
use sessiongraph::{
    crypto::opaque_token::{SECRET_KEY_LENGTH, ServiceKeyMaker},
    error::Action,
    random::SystemRandom,
    request::{Authentication, SessionRequest},
    scope::Scope,
};
use uuid::Uuid;

use crate::support::{
    engine::{Engine, request, text, told},
    on_each_database,
};

on_each_database! {
    async fn a_service_key_says_what_it_may_do(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let scopes = [Scope::SessionsWrite, Scope::AccountsRead, Scope::SessionsWrite];
        let key = engine.sessions.create_service_key("backend", scopes).await.unwrap();
        assert!(text(&key).starts_with("sgk_"));
        let request = engine.show(&key).await;
        let Authentication::Service(identity) = &request.authentication else { panic!("{request:?}") };
        assert_eq!(identity.name, "backend");
        assert_eq!(identity.scopes.to_string(), "accounts:read sessions:write");
        assert!(!identity.scopes.contains(Scope::AccountsWrite));
        // Where a field wants a user it is forbidden; where it asks who is there it is nobody.
        let error = engine.sessions.require_session(&request).await.unwrap_err();
        assert_eq!(told(&error), ("FORBIDDEN", None, None));
        assert!(engine.sessions.current_session(&request).await.unwrap().is_none());
    }

    async fn another_replica_knows_it_at_once(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let key = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        let refused = |request: SessionRequest| request.session_claims().unwrap_err();
        assert_eq!(refused(replica.show(&key).await).code(), "FORBIDDEN");
        engine.sessions.revoke_service_key("backend").await.unwrap();
        let failed = ("UNAUTHENTICATED", Some("TOKEN_VERIFICATION_FAILED"), Some(Action::SignIn));
        for server in [&engine, &replica] {
            assert_eq!(told(&refused(server.show(&key).await)), failed);
        }
    }

    async fn they_are_listed_oldest_first_with_the_revoked_ones(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        for name in ["one", "two", "three"] {
            engine.sessions.create_service_key(name, [Scope::AccountsRead]).await.unwrap();
            engine.advance(1);
        }
        engine.sessions.revoke_service_key("two").await.unwrap();
        let listed = engine.sessions.list_service_keys().await.unwrap();
        let names: Vec<_> = listed.iter().map(|key| (key.name.as_str(), key.revoked_at.is_some())).collect();
        assert_eq!(names, [("one", false), ("two", true), ("three", false)]);
        assert!(listed.iter().all(|key| key.scopes.to_string() == "accounts:read"));
    }

    async fn a_name_is_free_again_when_its_key_is_revoked(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        let error = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("name")));
        engine.sessions.revoke_service_key("backend").await.unwrap();
        let second = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        assert_eq!(engine.show(&first).await.session_claims().unwrap_err().code(), "UNAUTHENTICATED");
        assert_eq!(engine.show(&second).await.session_claims().unwrap_err().code(), "FORBIDDEN");
        // Revoking ends the one that lives.
        engine.sessions.revoke_service_key("backend").await.unwrap();
        assert_eq!(engine.show(&second).await.session_claims().unwrap_err().code(), "UNAUTHENTICATED");
        assert_eq!(engine.sessions.list_service_keys().await.unwrap().len(), 2);
    }

    async fn of_parallel_creations_under_one_name_one_wins(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let creations: Vec<_> = (0..8)
            .map(|_| {
                let sessions = engine.sessions.clone();
                tokio::spawn(async move { sessions.create_service_key("backend", Scope::ALL).await.is_ok() })
            })
            .collect();
        let mut won = 0;
        for creation in creations {
            won += u32::from(creation.await.unwrap());
        }
        assert_eq!(won, 1);
    }

    async fn bad_names_and_no_scope_are_refused(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        for name in ["", "  ", "a\nb", &"x".repeat(129)] {
            let error = engine.sessions.create_service_key(name, Scope::ALL).await.unwrap_err();
            assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("name")), "{name:?}");
        }
        let error = engine.sessions.create_service_key("backend", []).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("scope")));
        let error = engine.sessions.revoke_service_key("backend").await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("name")));
        assert_eq!(engine.sessions.list_service_keys().await.unwrap().len(), 0);
    }

    async fn an_invented_key_costs_no_statement(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        let invented = ServiceKeyMaker::new(&[7; SECRET_KEY_LENGTH]).make(Uuid::now_v7(), &SystemRandom).unwrap().0;
        engine.statements.take();
        for key in [invented, SecretString::from("sgk_"), SecretString::from(format!("sgk_{}", "A".repeat(108)))] {
            assert_eq!(engine.show(&key).await.session_claims().unwrap_err().reason(), Some("TOKEN_VERIFICATION_FAILED"));
        }
        assert_eq!(engine.statements.take(), []);
    }

    async fn a_genuine_key_whose_row_has_another_digest_is_refused(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let one = engine.sessions.create_service_key("one", Scope::ALL).await.unwrap();
        engine.sql("UPDATE service_keys SET digest = '0'").await;
        assert_eq!(engine.show(&one).await.session_claims().unwrap_err().reason(), Some("TOKEN_VERIFICATION_FAILED"));
    }

    async fn a_key_in_a_cookie_does_not_count(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let key = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        let mut with_cookie = request();
        with_cookie.cookies.access = Some(key);
        let request = engine.sessions.handle_request(with_cookie).await.unwrap();
        assert_eq!(request.session_claims().unwrap_err().reason(), Some("INVALID_TOKEN"));
    }
}

//! Ending sessions with `invalidate_sessions`.

use chrono::TimeDelta;
use secrecy::SecretString;
use sessiongraph::{
    account::ChangePassword,
    crypto::password::Password,
    entity::session::{self, InvalidationReason},
    error::{Action, Result},
    request::{Authentication, SessionRequest},
    scope::Scope,
    session::{Caller, InvalidateSessions, LoginResult, SessionSelector},
};
use uuid::Uuid;

use crate::support::{
    engine::{Engine, PASSWORD, request, told},
    on_each_database,
};

fn one(login: &LoginResult) -> InvalidateSessions {
    InvalidateSessions::One(SessionSelector::Id(login.session.id))
}

fn of_token(token: &SecretString) -> InvalidateSessions {
    InvalidateSessions::One(SessionSelector::Token(token.clone()))
}

async fn end(
    engine: &Engine,
    caller: &Caller,
    what: InvalidateSessions,
) -> Result<Vec<session::Model>> {
    engine
        .sessions
        .invalidate_sessions(&request(), caller, None, what)
        .await
}

async fn end_of(
    engine: &Engine,
    caller: &Caller,
    account: Uuid,
    what: InvalidateSessions,
) -> Result<Vec<session::Model>> {
    engine
        .sessions
        .invalidate_sessions(&request(), caller, Some(account), what)
        .await
}

async fn service(engine: &Engine) -> Caller {
    let key = engine
        .sessions
        .create_service_key("backend", Scope::ALL)
        .await
        .unwrap();
    match engine.show(&key).await.authentication {
        Authentication::Service(identity) => Caller::Service(identity),
        other => panic!("{other:?}"),
    }
}

fn ids(sessions: &[session::Model]) -> Vec<Uuid> {
    let mut ids: Vec<_> = sessions.iter().map(|session| session.id).collect();
    ids.sort();
    ids
}

on_each_database! {
    async fn one_ends_the_session_that_is_named(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mine = engine.sign_up("ada").await;
        let other = engine.sign_in("ada").await;
        let caller = engine.caller(&mine).await;
        engine.advance(60);
        let ended = end(&engine, &caller, one(&other)).await.unwrap();
        assert_eq!(ids(&ended), [other.session.id]);
        let row = engine.row(other.session.id).await;
        assert_eq!(ended, std::slice::from_ref(&row));
        assert_eq!(row.invalidation_reason, Some(InvalidationReason::Requested));
        assert_eq!(row.invalidated_at, Some(other.session.created_at + TimeDelta::seconds(60)));
        assert_eq!(engine.ended_with(mine.session.id).await, None);

        assert_eq!(end(&engine, &caller, one(&other)).await.unwrap(), []);
        // Its own one too.
        assert_eq!(ids(&end(&engine, &caller, one(&mine)).await.unwrap()), [mine.session.id]);
    }

    async fn any_token_names_its_session(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(engine.sign_in("ada").await);
        }
        let expired = others[0].tokens.access_token.clone();
        let superseded = others[1].tokens.refresh_token.clone();
        for _ in 0..3 {
            others[1] = engine.refresh(&others[1].tokens.refresh_token).await.unwrap();
        }
        engine.advance(3_600);
        let caller = engine.caller(&engine.sign_in("ada").await).await;
        let current = others[2].tokens.refresh_token.clone();
        for (token, login) in [(expired, &others[0]), (superseded, &others[1]), (current, &others[2])] {
            let ended = end(&engine, &caller, of_token(&token)).await.unwrap();
            assert_eq!(ids(&ended), [login.session.id]);
            assert_eq!(end(&engine, &caller, of_token(&token)).await.unwrap(), []);
        }
        assert_eq!(engine.ended_with(others[3].session.id).await, None);
    }

    async fn others_ends_all_but_the_callers(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let second = engine.sign_in("ada").await;
        let third = engine.sign_in("ada").await;
        let stranger = engine.sign_up("bob").await;
        let caller = engine.caller(&second).await;
        let ended = end(&engine, &caller, InvalidateSessions::Others).await.unwrap();
        let mut expected = [first.session.id, third.session.id];
        expected.sort();
        assert_eq!(ids(&ended), expected);
        assert_eq!(end(&engine, &caller, InvalidateSessions::Others).await.unwrap(), []);
        for login in [&second, &stranger] {
            assert_eq!(engine.ended_with(login.session.id).await, None);
        }
    }

    async fn all_ends_the_callers_too(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let second = engine.sign_in("ada").await;
        let stranger = engine.sign_up("bob").await;
        let caller = engine.caller(&first).await;
        let ended = end_of(&engine, &caller, first.account.id, InvalidateSessions::All).await.unwrap();
        let mut expected = [first.session.id, second.session.id];
        expected.sort();
        assert_eq!(ids(&ended), expected);
        assert_eq!(engine.ended_with(stranger.session.id).await, None);
        let error = end(&engine, &caller, InvalidateSessions::All).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("INVALID_SESSION"), Some(Action::SignIn)));
    }

    async fn a_session_that_ran_out_is_not_counted(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let old = engine.sign_up("ada").await;
        engine.advance(7 * 24 * 60 * 60);
        let fresh = engine.sign_in("ada").await;
        let caller = engine.caller(&fresh).await;
        assert_eq!(end(&engine, &caller, one(&old)).await.unwrap(), []);
        assert_eq!(ids(&end(&engine, &caller, InvalidateSessions::All).await.unwrap()), [fresh.session.id]);
        assert_eq!(engine.ended_with(old.session.id).await, None);
    }

    async fn anothers_session_is_not_found(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let ada = engine.sign_up("ada").await;
        let bob = engine.sign_up("bob").await;
        let caller = engine.caller(&ada).await;
        let nobodys = InvalidateSessions::One(SessionSelector::Id(Uuid::now_v7()));
        let mut attempts = vec![nobodys, one(&bob)];
        attempts.extend([&bob.tokens.access_token, &bob.tokens.refresh_token].map(of_token));
        for attempt in attempts {
            let error = end(&engine, &caller, attempt).await.unwrap_err();
            assert_eq!(told(&error), ("SESSION_NOT_FOUND", None, None));
        }
        for what in [one(&bob), one(&ada), InvalidateSessions::Others, InvalidateSessions::All] {
            for account in [bob.account.id, Uuid::now_v7()] {
                let error = end_of(&engine, &caller, account, what.clone()).await.unwrap_err();
                assert_eq!(told(&error), ("FORBIDDEN", None, None));
            }
        }
        assert_eq!(engine.ended_with(bob.session.id).await, None);
        assert_eq!(engine.ended_with(ada.session.id).await, None);
    }

    async fn a_text_that_is_no_token_of_a_session_is_refused_without_an_action(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let ada = engine.sign_up("ada").await;
        let caller = engine.caller(&ada).await;
        for forged in ["", "sgr_forged", "a.b.c"] {
            let error = end(&engine, &caller, of_token(&forged.into())).await.unwrap_err();
            assert_eq!(told(&error), ("TOKEN_VERIFICATION_FAILED", None, None));
        }
        let key = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        let error = end(&engine, &caller, of_token(&key)).await.unwrap_err();
        assert_eq!(told(&error), ("INVALID_TOKEN", None, None));
        assert_eq!(engine.ended_with(ada.session.id).await, None);
    }

    async fn a_service_key_ends_anybodys_sessions(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let service = service(&engine).await;
        let ada = engine.sign_up("ada").await;
        let second = engine.sign_in("ada").await;
        let third = engine.sign_in("ada").await;
        let ended = end(&engine, &service, one(&ada)).await.unwrap();
        assert_eq!(ids(&ended), [ada.session.id]);
        let ended = end_of(&engine, &service, ada.account.id, of_token(&second.tokens.refresh_token)).await.unwrap();
        assert_eq!(ids(&ended), [second.session.id]);
        let ended = end_of(&engine, &service, ada.account.id, InvalidateSessions::All).await.unwrap();
        assert_eq!(ids(&ended), [third.session.id]);
        assert_eq!(end_of(&engine, &service, ada.account.id, InvalidateSessions::All).await.unwrap(), []);
    }

    async fn a_service_key_has_to_say_whose(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let service = service(&engine).await;
        let ada = engine.sign_up("ada").await;
        let bob = engine.sign_up("bob").await;
        let error = end(&engine, &service, InvalidateSessions::All).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("accountId")));
        for account in [None, Some(ada.account.id)] {
            let others = InvalidateSessions::Others;
            let result = engine.sessions.invalidate_sessions(&request(), &service, account, others).await;
            let error = result.unwrap_err();
            assert_eq!((error.code(), error.field()), ("BAD_USER_INPUT", Some("mode")));
        }
        let error = end_of(&engine, &service, bob.account.id, one(&ada)).await.unwrap_err();
        assert_eq!(told(&error), ("SESSION_NOT_FOUND", None, None));
        for what in [InvalidateSessions::All, one(&ada)] {
            let error = end_of(&engine, &service, Uuid::now_v7(), what).await.unwrap_err();
            assert_eq!(told(&error), ("USER_NOT_FOUND", None, None));
        }
        assert_eq!(engine.ended_with(ada.session.id).await, None);
    }

    async fn parallel_calls_end_each_session_once(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let service = service(&engine).await;
        let ada = engine.sign_up("ada").await;
        for _ in 0..9 {
            engine.sign_in("ada").await;
        }
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let (engine, service, account) = (engine.clone(), service.clone(), ada.account.id);
                tokio::spawn(async move { end_of(&engine, &service, account, InvalidateSessions::All).await.unwrap() })
            })
            .collect();
        let mut ended = Vec::new();
        for call in calls {
            ended.extend(ids(&call.await.unwrap()));
        }
        let mut distinct = ended.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!((ended.len(), distinct.len()), (10, 10));
    }

    async fn the_access_token_of_an_ended_session_does_nothing_any_more(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let ended = engine.sign_up("ada").await;
        let other = engine.sign_in("ada").await;
        // It was verified before the end.
        let request = engine.show(&ended.tokens.access_token).await;
        let caller = engine.caller(&ended).await;
        end(&engine, &caller, one(&ended)).await.unwrap();

        let invalid = ("UNAUTHENTICATED", Some("INVALID_SESSION"), Some(Action::SignIn));
        assert_eq!(told(&engine.sessions.current_session(&request).await.unwrap_err()), invalid);
        for what in [one(&ended), one(&other), InvalidateSessions::Others, InvalidateSessions::All] {
            assert_eq!(told(&end(&engine, &caller, what).await.unwrap_err()), invalid);
        }
        let change = ChangePassword {
            current: Password::new(PASSWORD),
            new: Password::new("another password"),
            invalidate_other_sessions: true,
        };
        assert_eq!(told(&engine.accounts.change_password(&request, change).await.unwrap_err()), invalid);
        assert_eq!(engine.ended_with(other.session.id).await, None);
        assert!(engine.try_sign_in("ada", PASSWORD).await.is_ok());
    }

    async fn so_it_is_on_every_replica_at_once(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let ada = engine.sign_up("ada").await;
        let there: SessionRequest = replica.show(&ada.tokens.access_token).await;
        assert!(replica.sessions.current_session(&there).await.is_ok());
        end(&engine, &engine.caller(&ada).await, one(&ada)).await.unwrap();
        let error = replica.sessions.current_session(&there).await.unwrap_err();
        assert_eq!(error.reason(), Some("INVALID_SESSION"));
        let error = replica.refresh(&ada.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.reason(), Some("INVALIDATED"));
    }
}

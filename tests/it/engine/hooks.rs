//! The application's own steps.

use std::sync::{Arc, Mutex};

use sessiongraph::{
    account::{AccountChanges, ChangePassword},
    clock::ManualClock,
    crypto::password::Password,
    error::{Action, Error, ErrorKind},
    request::Authentication,
    session::{InvalidateSessions, LoginDraft, Policy, RefreshOutcome, RequestDecision},
};

use tokio::sync::Notify;

use crate::support::{
    database::scalar,
    engine::{Engine, PASSWORD, request, text, told},
    on_each_database,
};

/// What hooks were called with, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn add(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn custom(code: &'static str) -> Error {
    Error::new(ErrorKind::Custom {
        code: code.into(),
        message: "of the application".into(),
    })
}

/// What an application keeps in a request.
#[derive(Clone, PartialEq, Debug)]
struct Tenant(&'static str);

/// Begins work, leaves it alone when it comes to the hooks, and returns what they did nevertheless.
async fn leave(engine: &Engine, calls: &Calls, go: &Notify, work: impl Future) -> Vec<String> {
    let reached = async {
        while calls.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = work => panic!("it does not wait for its hooks"),
        () = reached => {}
    }
    assert_eq!(calls.take(), ["begun"]);
    go.notify_one();
    engine.sessions.tasks().close();
    engine.sessions.tasks().wait().await;
    engine.sessions.tasks().reopen();
    calls.take()
}

on_each_database! {
    async fn those_that_follow_a_commit_run_though_the_caller_is_gone(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mine = engine.sign_up("ada").await;
        engine.sign_in("ada").await;
        let (calls, go) = (Calls::default(), Arc::new(Notify::new()));
        let (created, may_go) = (calls.clone(), Arc::clone(&go));
        engine.sessions.hooks().on_session_created(move |_, _| {
            let (calls, go) = (created.clone(), Arc::clone(&may_go));
            async move { calls.add("begun"); go.notified().await; calls.add("created"); Ok(()) }
        });
        let (ended, may_go) = (calls.clone(), Arc::clone(&go));
        engine.sessions.hooks().on_session_invalidated(move |_, _| {
            let (calls, go) = (ended.clone(), Arc::clone(&may_go));
            async move { calls.add("begun"); go.notified().await; calls.add("ended"); Ok(()) }
        });

        assert_eq!(leave(&engine, &calls, &go, engine.try_sign_up("bob")).await, ["created"]);
        let ada = engine.show(&mine.tokens.access_token).await;
        let change = ChangePassword { current: Password::new(PASSWORD), new: Password::new("a new password"), invalidate_other_sessions: true };
        assert_eq!(leave(&engine, &calls, &go, engine.accounts.change_password(&ada, change)).await, ["ended"]);
        let deactivate = AccountChanges { deactivated: Some(true), ..AccountChanges::default() };
        assert_eq!(leave(&engine, &calls, &go, engine.accounts.update(&ada, mine.account.id, deactivate)).await, ["ended"]);
    }

    async fn request_handlers_run_in_order_behind_the_built_in_one(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let calls = Calls::default();
        for name in ["first", "second"] {
            let calls = calls.clone();
            engine.sessions.hooks().on_request(move |mut request, _| {
                let signed_in = matches!(request.authentication, Authentication::Session(_));
                let before = request.extensions.insert(Tenant(name));
                calls.add(format!("{name} {signed_in} {before:?}"));
                async { RequestDecision::Continue(request) }
            });
        }
        let request = engine.show(&login.tokens.access_token).await;
        assert_eq!(calls.take(), ["first true None", "second true Some(Tenant(\"first\"))"]);
        assert_eq!(request.extensions.get(), Some(&Tenant("second")));
    }

    async fn a_failure_is_kept_for_the_fields_that_need_a_session(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.sessions.hooks().on_request(|request, _| async { RequestDecision::Fail(request, custom("MAINTENANCE")) });
        let mut request = engine.show(&login.tokens.access_token).await;
        let error = engine.sessions.require_session(&request).await.unwrap_err();
        assert_eq!(told(&error), ("MAINTENANCE", None, None));
        assert_eq!(engine.sessions.current_session(&request).await.unwrap_err().code(), "MAINTENANCE");
        // The others work.
        let refreshed = engine.refresh_from(&request, &login.tokens.refresh_token).await.unwrap();
        assert_eq!(refreshed.outcome, Some(RefreshOutcome::Rotated));
        assert!(engine.sessions.logout(&mut request, None).await.unwrap());
    }

    async fn a_later_handler_may_overrule_a_failure(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let calls = Calls::default();
        let seen = calls.clone();
        engine.sessions.hooks().on_request(move |mut request, _| {
            if let Authentication::Failed(error) = &request.authentication {
                seen.add(error.code());
                request.authentication = Authentication::Nobody;
            }
            async { RequestDecision::Continue(request) }
        });
        let request = engine.show(&"not a token".into()).await;
        assert_eq!(calls.take(), ["UNAUTHENTICATED"]);
        assert!(engine.sessions.current_session(&request).await.unwrap().is_none());
    }

    async fn a_rejection_is_the_answer_and_ends_the_waterfall(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let calls = Calls::default();
        engine.sessions.hooks().on_request(|_, _| async { RequestDecision::Reject(custom("BLOCKED")) });
        let later = calls.clone();
        engine.sessions.hooks().on_request(move |request, _| {
            later.add("later");
            async { RequestDecision::Continue(request) }
        });
        let error = engine.sessions.handle_request(request()).await.unwrap_err();
        assert_eq!(error.code(), "BLOCKED");
        assert!(calls.take().is_empty());
    }

    async fn claims_are_added_whenever_tokens_are_issued(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let calls = Calls::default();
        for (name, value) in [("plan", "free"), ("plan", "paid")] {
            let calls = calls.clone();
            engine.sessions.hooks().on_refresh_tokens(move |mut draft: LoginDraft, _| {
                calls.add(format!("{:?}", draft.outcome));
                draft.claims.insert(name.to_owned(), value.into());
                async { Ok(draft) }
            });
        }
        let login = engine.sign_up("ada").await;
        let rotated = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let converged = engine.refresh_and_advance(&login.tokens.refresh_token, 36).await;
        let recovered = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let outcomes = ["None", "Some(Rotated)", "Some(Converged)", "Some(Recovered)"];
        assert_eq!(calls.take(), outcomes.map(|outcome| [outcome, outcome]).concat());
        for result in [&login, &rotated, &converged, &recovered] {
            // What the later handler says counts.
            assert_eq!(result.claims.extra["plan"], "paid");
        }
        let request = engine.show(&recovered.tokens.access_token).await;
        assert_eq!(request.session_claims().unwrap().claims.extra["plan"], "paid");
    }

    async fn the_claims_of_the_token_itself_are_not_replaced(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let reserved = ["iss", "aud", "sub", "sid", "client_id", "jti", "iat", "exp", "nbf", "scope", "typ", "kid"];
        engine.sessions.hooks().on_refresh_tokens(move |mut draft: LoginDraft, _| async move {
            for claim in reserved {
                draft.claims.insert(claim.to_owned(), "mine".into());
            }
            draft.claims.insert("tenant".to_owned(), "a".into());
            // Whose tokens they are is settled as well.
            draft.session.generation += 7;
            draft.session.id = draft.account.id;
            Ok(draft)
        });
        let login = engine.sign_up("ada").await;
        assert_eq!(login.claims.extra.keys().collect::<Vec<_>>(), ["tenant"]);
        let current = engine.session_of(&login.tokens.access_token).await.unwrap();
        assert_eq!(current.account.id, login.account.id);
        assert_eq!(login.claims.generation(), Some(0));
        let refreshed = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(refreshed.outcome, Some(RefreshOutcome::Rotated));
    }

    async fn a_hook_that_fails_loses_no_token(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let failing = Arc::new(Mutex::new(true));
        let fails = failing.clone();
        engine.sessions.hooks().on_refresh_tokens(move |draft, _| {
            let fails = *fails.lock().unwrap();
            async move { if fails { Err(custom("CRM_DOWN")) } else { Ok(draft) } }
        });
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "CRM_DOWN");
        // The rotation stands: the token that was presented still gets its successor.
        assert_eq!(engine.row(login.session.id).await.generation, 1);
        *failing.lock().unwrap() = false;
        let again = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(again.outcome, Some(RefreshOutcome::Converged));
        let next = engine.refresh(&again.tokens.refresh_token).await.unwrap();
        assert_eq!(next.outcome, Some(RefreshOutcome::Rotated));
    }

    async fn a_hook_that_fails_leaves_no_session_whose_tokens_nobody_has(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        engine.sessions.hooks().on_refresh_tokens(|_, _| async { Err(custom("CRM_DOWN")) });
        let error = engine.try_sign_in("ada", PASSWORD).await.unwrap_err();
        assert_eq!(error.code(), "CRM_DOWN");
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM sessions WHERE invalidated_at IS NULL").await, 1);
    }

    async fn errors_of_sessions_can_be_replaced(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let calls = Calls::default();
        let first = calls.clone();
        engine.sessions.hooks().on_upsert_session_error(move |error, request, _| {
            first.add(format!("{} {}", error.code(), request.ip.is_some()));
            async { custom("ASK_SUPPORT").with_action(Action::SignIn) }
        });
        let second = calls.clone();
        engine.sessions.hooks().on_upsert_session_error(move |error, _, _| {
            second.add(error.code());
            async { error }
        });
        for (token, code) in [(text(&login.tokens.access_token), "INVALID_TOKEN"), ("sgr_", "TOKEN_VERIFICATION_FAILED")] {
            let error = engine.refresh(&token.into()).await.unwrap_err();
            assert_eq!(told(&error), ("ASK_SUPPORT", None, Some(Action::SignIn)));
            assert_eq!(calls.take(), [format!("{code} true"), "ASK_SUPPORT".to_owned()]);
        }
        engine.sql("DELETE FROM sessions").await;
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "ASK_SUPPORT");
        assert_eq!(calls.take()[0], "SESSION_NOT_FOUND true");
        // What went well is no error.
        engine.sign_in("ada").await;
        assert!(calls.take().is_empty());
    }

    async fn they_hear_of_sessions_that_are_committed(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let observer = engine.replica(&database).await;
        let calls = Calls::default();
        let (created, db) = (calls.clone(), observer.db.clone());
        engine.sessions.hooks().on_session_created(move |session, _| {
            let (created, db) = (created.clone(), db.clone());
            async move {
                // Another connection sees it already.
                let rows = scalar(&db, "SELECT COUNT(*) FROM sessions").await;
                created.add(format!("created {} {rows}", session.generation));
                Err(custom("IGNORED"))
            }
        });
        let (ended, db) = (calls.clone(), observer.db.clone());
        engine.sessions.hooks().on_session_invalidated(move |session, context| {
            let (ended, db) = (ended.clone(), db.clone());
            async move {
                let live = scalar(&db, "SELECT COUNT(*) FROM sessions WHERE invalidated_at IS NULL").await;
                ended.add(format!("{:?} {live}", session.invalidation_reason.unwrap()));
                // The engine is at hand.
                context.sessions.flush_activity().await
            }
        });
        let login = engine.sign_up("ada").await;
        let other = engine.sign_in("ada").await;
        assert_eq!(calls.take(), ["created 0 1", "created 0 2"]);
        engine.refresh(&login.tokens.refresh_token).await.unwrap();
        assert!(calls.take().is_empty());

        engine.sessions.logout(&mut request(), Some(&other.tokens.access_token)).await.unwrap();
        engine.sessions.logout(&mut request(), Some(&other.tokens.access_token)).await.unwrap();
        assert_eq!(calls.take(), ["Logout 1"]);
        let caller = engine.caller(&login).await;
        engine.sessions.invalidate_sessions(&request(), &caller, None, InvalidateSessions::All).await.unwrap();
        assert_eq!(calls.take(), ["Requested 0"]);
        engine.try_sign_in("ada", "a wrong password").await.unwrap_err();
        assert!(calls.take().is_empty());
        assert!(engine.try_sign_in("ada", PASSWORD).await.is_ok());
    }

    async fn they_hear_of_evicted_and_of_stolen_sessions(database: TestDatabase) {
        let limit = |policy: &mut Policy| policy.max_sessions_per_account = 1;
        let engine = Engine::with(&database, ManualClock::default(), limit).await;
        let calls = Calls::default();
        let ended = calls.clone();
        engine.sessions.hooks().on_session_invalidated(move |session, _| {
            ended.add(format!("{:?}", session.invalidation_reason.unwrap()));
            async { Ok(()) }
        });
        engine.sign_up("ada").await;
        let first = engine.sign_in("ada").await;
        assert_eq!(calls.take(), ["SessionLimit"]);
        let second = engine.refresh(&first.tokens.refresh_token).await.unwrap();
        engine.refresh(&second.tokens.refresh_token).await.unwrap();
        engine.refresh(&first.tokens.refresh_token).await.unwrap_err();
        assert_eq!(calls.take(), ["RefreshTokenReused"]);
    }
}

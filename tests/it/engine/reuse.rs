//! Reuse: a token that had lost its validity for good is in two parties' hands, and ends the session.

use sessiongraph::{
    entity::session::InvalidationReason,
    error::Action,
    session::{LoginResult, RefreshOutcome},
};

use crate::support::{
    engine::{Engine, SAFARI, request_of, told},
    on_each_database,
};

/// That the session has ended as reused, and what each token of it is answered from now on.
async fn assert_ended(engine: &Engine, tokens_of: &[&LoginResult]) {
    let session = tokens_of[0].session.id;
    assert_eq!(
        engine.ended_with(session).await,
        Some(InvalidationReason::RefreshTokenReused)
    );
    for login in tokens_of {
        let error = engine
            .refresh(&login.tokens.refresh_token)
            .await
            .unwrap_err();
        assert_eq!(
            told(&error),
            ("INVALID_SESSION", Some("INVALIDATED"), Some(Action::SignIn))
        );
        let error = engine
            .session_of(&login.tokens.access_token)
            .await
            .unwrap_err();
        assert_eq!(
            told(&error),
            (
                "UNAUTHENTICATED",
                Some("INVALID_SESSION"),
                Some(Action::SignIn)
            )
        );
    }
}

on_each_database! {
    async fn a_token_two_steps_back_ends_the_session(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let second = engine.refresh(&first.tokens.refresh_token).await.unwrap();
        let third = engine.refresh(&second.tokens.refresh_token).await.unwrap();
        // Within the grace of neither: that is for the token just superseded.
        let error = engine.refresh(&first.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("REFRESH_TOKEN_REUSED", None, Some(Action::SignIn)));
        assert_ended(&engine, &[&first, &second, &third]).await;
    }

    async fn so_does_one_from_long_ago(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let mut last = engine.refresh(&first.tokens.refresh_token).await.unwrap();
        for _ in 0..50 {
            engine.advance(24 * 60 * 60);
            last = engine.refresh(&last.tokens.refresh_token).await.unwrap();
        }
        let error = engine.refresh(&first.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
        assert_ended(&engine, &[&last]).await;
    }

    async fn whatever_the_user_agent(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        for agent in [SAFARI, "something nobody knows"] {
            let first = engine.sign_in("ada").await;
            let second = engine.refresh(&first.tokens.refresh_token).await.unwrap();
            let third = engine.refresh(&second.tokens.refresh_token).await.unwrap();
            let error = engine.refresh_from(&request_of(agent), &first.tokens.refresh_token).await.unwrap_err();
            assert_eq!(error.code(), "REFRESH_TOKEN_REUSED", "{agent}");
            assert_ended(&engine, &[&third]).await;
        }
    }

    async fn the_token_just_superseded_does_after_its_successor_was_used(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let second = engine.refresh_and_advance(&first.tokens.refresh_token, 36).await;
        engine.show(&second.tokens.access_token).await;
        let agent = request_of(SAFARI);
        let error = engine.refresh_from(&agent, &first.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
        assert_ended(&engine, &[&first, &second]).await;
    }

    async fn a_void_refresh_token_does(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let lost = engine.refresh_and_advance(&first.tokens.refresh_token, 36).await;
        let recovered = engine.refresh(&first.tokens.refresh_token).await.unwrap();
        assert_eq!(recovered.outcome, Some(RefreshOutcome::Recovered));
        let error = engine.refresh(&lost.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
        assert_ended(&engine, &[&first, &lost, &recovered]).await;
    }

    async fn an_access_token_issued_with_a_void_refresh_token_does(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let lost = engine.refresh_and_advance(&first.tokens.refresh_token, 36).await;
        let recovered = engine.refresh(&first.tokens.refresh_token).await.unwrap();
        // Those of the token that recovered, and of the recovery, are fine.
        assert!(engine.session_of(&first.tokens.access_token).await.is_ok());
        assert!(engine.session_of(&recovered.tokens.access_token).await.is_ok());

        let error = engine.session_of(&lost.tokens.access_token).await.unwrap_err();
        assert_eq!(told(&error), ("UNAUTHENTICATED", Some("INVALID_SESSION"), Some(Action::SignIn)));
        assert_ended(&engine, &[&first, &lost, &recovered]).await;
    }

    async fn only_once_is_it_reported_as_reused(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let second = engine.refresh(&first.tokens.refresh_token).await.unwrap();
        engine.refresh(&second.tokens.refresh_token).await.unwrap();
        let attempts: Vec<_> = (0..10)
            .map(|_| {
                let (engine, token) = (engine.clone(), first.tokens.refresh_token.clone());
                tokio::spawn(async move { engine.refresh(&token).await.unwrap_err().code().to_owned() })
            })
            .collect();
        let mut codes = Vec::new();
        for attempt in attempts {
            codes.push(attempt.await.unwrap());
        }
        codes.sort();
        codes.dedup_by(|a, b| a == b && a == "INVALID_SESSION");
        assert_eq!(codes, ["INVALID_SESSION", "REFRESH_TOKEN_REUSED"]);
    }

    async fn another_session_of_the_account_stays(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let first = engine.sign_up("ada").await;
        let other = engine.sign_in("ada").await;
        let second = engine.refresh(&first.tokens.refresh_token).await.unwrap();
        engine.refresh(&second.tokens.refresh_token).await.unwrap();
        engine.refresh(&first.tokens.refresh_token).await.unwrap_err();
        assert_eq!(engine.ended_with(other.session.id).await, None);
        assert!(engine.refresh(&other.tokens.refresh_token).await.is_ok());
    }
}

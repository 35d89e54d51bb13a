//! Recovering: a refresh whose answer was lost is repeated after the grace.

use sessiongraph::{
    clock::ManualClock,
    entity::session::InvalidationReason,
    error::Action,
    session::{Policy, RefreshOutcome},
};

use crate::support::{
    engine::{Engine, text, told},
    on_each_database,
};

/// Past grace and clock skew.
const LATER: u64 = 36;

on_each_database! {
    async fn a_lost_answer_is_recovered_from_after_the_grace(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let lost = engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        let recovered = engine.refresh(&login.tokens.refresh_token).await.unwrap();

        assert_eq!(recovered.outcome, Some(RefreshOutcome::Recovered));
        assert_ne!(text(&recovered.tokens.refresh_token), text(&lost.tokens.refresh_token));
        let row = engine.row(login.session.id).await;
        assert_eq!((row.generation, row.parent), (2, Some(0)));
        assert_eq!(row.refreshed_at, recovered.session.refreshed_at);

        // A new grace has begun, for the recovered successor.
        engine.advance(35);
        let converged = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(converged.outcome, Some(RefreshOutcome::Converged));
        assert_eq!(text(&converged.tokens.refresh_token), text(&recovered.tokens.refresh_token));

        let next = engine.refresh(&recovered.tokens.refresh_token).await.unwrap();
        assert_eq!(next.outcome, Some(RefreshOutcome::Rotated));
    }

    async fn of_ten_parallel_recoveries_one_recovers_and_nine_converge(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        let recoveries: Vec<_> = (0..10)
            .map(|_| {
                let (engine, token) = (engine.clone(), login.tokens.refresh_token.clone());
                tokio::spawn(async move { engine.refresh(&token).await.unwrap() })
            })
            .collect();
        let (mut recovered, mut successors) = (0, Vec::new());
        for recovery in recoveries {
            let result = recovery.await.unwrap();
            match result.outcome {
                Some(RefreshOutcome::Recovered) => recovered += 1,
                outcome => assert_eq!(outcome, Some(RefreshOutcome::Converged)),
            }
            successors.push(text(&result.tokens.refresh_token).to_owned());
        }
        successors.dedup();
        assert_eq!((recovered, successors.len()), (1, 1));
        assert_eq!(engine.row(login.session.id).await.generation, 2);
    }

    async fn one_token_recovers_three_times_at_most(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        for _ in 0..3 {
            let result = engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
            assert_eq!(result.outcome, Some(RefreshOutcome::Recovered));
        }
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
        assert_eq!(engine.ended_with(login.session.id).await, Some(InvalidationReason::RefreshTokenReused));
    }

    async fn the_next_token_recovers_three_times_again(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mut login = engine.sign_up("ada").await;
        for _ in 0..2 {
            let token = login.tokens.refresh_token;
            engine.refresh_and_advance(&token, LATER).await;
            for _ in 0..2 {
                engine.refresh_and_advance(&token, LATER).await;
            }
            login = engine.refresh(&token).await.unwrap();
            assert_eq!(login.outcome, Some(RefreshOutcome::Recovered));
        }
    }

    async fn a_recovered_session_goes_on_while_the_lost_token_is_void(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let lost = engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        let recovered = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let next = engine.refresh(&recovered.tokens.refresh_token).await.unwrap();
        assert_eq!(next.outcome, Some(RefreshOutcome::Rotated));

        // The lost token is in somebody's hands after all.
        let error = engine.refresh(&lost.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
    }

    async fn recovery_can_be_switched_off(database: TestDatabase) {
        let switch_off = |policy: &mut Policy| policy.refresh_recovery = false;
        let engine = Engine::with(&database, ManualClock::default(), switch_off).await;
        let login = engine.sign_up("ada").await;
        engine.refresh_and_advance(&login.tokens.refresh_token, 35).await;
        let converged = engine.refresh_and_advance(&login.tokens.refresh_token, 1).await;
        assert_eq!(converged.outcome, Some(RefreshOutcome::Converged));
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
    }

    async fn no_answer_was_lost_whose_access_token_was_shown(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let arrived = engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        engine.show(&arrived.tokens.access_token).await;
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("REFRESH_TOKEN_REUSED", None, Some(Action::SignIn)));
        assert_eq!(engine.ended_with(login.session.id).await, Some(InvalidationReason::RefreshTokenReused));
    }

    async fn an_expired_access_token_proves_it_too(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let arrived = engine.refresh_and_advance(&login.tokens.refresh_token, 3_600).await;
        let shown = engine.show(&arrived.tokens.access_token).await;
        assert_eq!(shown.session_claims().unwrap_err().reason(), Some("TOKEN_EXPIRED"));
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
    }

    async fn an_access_token_of_a_converging_answer_proves_it_too(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let arrived = engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        engine.show(&arrived.tokens.access_token).await;
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
    }

    async fn an_access_token_of_an_earlier_generation_proves_nothing(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.show(&login.tokens.access_token).await;
        engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        engine.show(&login.tokens.access_token).await;
        engine.sessions.flush_activity().await.unwrap();
        let recovered = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(recovered.outcome, Some(RefreshOutcome::Recovered));
    }

    async fn what_was_shown_is_remembered_in_the_database(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let login = engine.sign_up("ada").await;
        let arrived = engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        replica.show(&arrived.tokens.access_token).await;
        replica.sessions.flush_activity().await.unwrap();
        assert_eq!(replica.sessions.activity().seen_generation(login.session.id), None);

        let row = engine.row(login.session.id).await;
        assert_eq!(row.seen_generation, 1);
        assert_eq!((row.last_seen_at - row.refreshed_at).num_seconds(), 36);
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
    }

    async fn until_then_another_replica_may_recover_and_the_next_refresh_tells(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let login = engine.sign_up("ada").await;
        let arrived = engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        replica.show(&arrived.tokens.access_token).await;
        let recovered = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(recovered.outcome, Some(RefreshOutcome::Recovered));
        let error = engine.refresh(&arrived.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
    }

    async fn a_late_mark_of_an_earlier_generation_takes_nothing_back(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let login = engine.sign_up("ada").await;
        replica.show(&login.tokens.access_token).await;
        let next = engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        engine.show(&next.tokens.access_token).await;
        engine.sessions.flush_activity().await.unwrap();
        let seen = engine.row(login.session.id).await;
        replica.sessions.flush_activity().await.unwrap();
        assert_eq!(engine.row(login.session.id).await, seen);
    }
}

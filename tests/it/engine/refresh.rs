//! Refreshing: a refresh token is exchanged for its successor, and presented again within the grace it gives that again.

use std::time::Duration;

use chrono::TimeDelta;
use secrecy::SecretString;
use sessiongraph::session::{RefreshOutcome, RefreshTokensInput};

use crate::support::{
    engine::{Engine, request, text},
    on_each_database,
};

on_each_database! {
    async fn a_refresh_token_is_exchanged_for_its_successor(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.advance(60);
        let refreshed = engine.refresh(&login.tokens.refresh_token).await.unwrap();

        assert_eq!(refreshed.outcome, Some(RefreshOutcome::Rotated));
        assert_eq!(refreshed.session.id, login.session.id);
        assert_eq!(refreshed.account, login.account);
        assert_ne!(text(&refreshed.tokens.refresh_token), text(&login.tokens.refresh_token));
        assert_ne!(text(&refreshed.tokens.access_token), text(&login.tokens.access_token));
        let row = engine.row(login.session.id).await;
        assert_eq!(row, refreshed.session);
        assert_eq!((row.generation, row.parent), (1, Some(0)));
        assert_eq!(row.refreshed_at - login.session.refreshed_at, TimeDelta::seconds(60));
        assert_eq!(row.expires_at - row.refreshed_at, TimeDelta::days(7));
        assert_eq!(row.absolute_expires_at, login.session.absolute_expires_at);
        assert!(engine.session_of(&refreshed.tokens.access_token).await.is_ok());
    }

    async fn a_chain_of_refreshes_is_one_session(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mut login = engine.sign_up("ada").await;
        for generation in 1..=20 {
            engine.advance(300);
            login = engine.refresh(&login.tokens.refresh_token).await.unwrap();
            assert_eq!(login.outcome, Some(RefreshOutcome::Rotated));
            assert_eq!(login.claims.generation(), Some(generation));
        }
        assert_eq!(engine.row(login.session.id).await.generation, 20);
    }

    async fn within_the_grace_the_same_successor_is_given_again_and_nothing_is_written(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let rotated = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let row = engine.row(login.session.id).await;
        // 30 seconds of grace, and 5 by which clocks may differ.
        for seconds in [0, 20, 15] {
            engine.advance(seconds);
            engine.statements.take();
            let converged = engine.refresh(&login.tokens.refresh_token).await.unwrap();
            // The usual write, which has found nothing to change, and the reading.
            assert_eq!(engine.statements.take().len(), 2);

            assert_eq!(converged.outcome, Some(RefreshOutcome::Converged));
            assert_eq!(text(&converged.tokens.refresh_token), text(&rotated.tokens.refresh_token));
            assert_eq!(converged.claims.generation(), Some(1));
            assert_eq!(converged.tokens.refresh_token_expires_at, rotated.tokens.refresh_token_expires_at);
            assert_eq!(engine.row(login.session.id).await, row);
            assert!(engine.session_of(&converged.tokens.access_token).await.is_ok());
        }
    }

    async fn converging_answers_go_on_as_one_session(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let first = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let second = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        engine.advance(300);
        let next = engine.refresh(&first.tokens.refresh_token).await.unwrap();
        let same = engine.refresh(&second.tokens.refresh_token).await.unwrap();
        assert_eq!(next.outcome, Some(RefreshOutcome::Rotated));
        assert_eq!(same.outcome, Some(RefreshOutcome::Converged));
        assert_eq!(text(&next.tokens.refresh_token), text(&same.tokens.refresh_token));
    }

    async fn a_replica_whose_clock_is_behind_converges_too(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.refresh(&login.tokens.refresh_token).await.unwrap();
        engine.clock.go_back(Duration::from_secs(10));
        let converged = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(converged.outcome, Some(RefreshOutcome::Converged));
    }

    async fn another_replica_knows_the_same_successor(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let login = engine.sign_up("ada").await;
        let here = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let there = replica.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(there.outcome, Some(RefreshOutcome::Converged));
        assert_eq!(text(&here.tokens.refresh_token), text(&there.tokens.refresh_token));
    }

    async fn the_cookie_is_used_where_no_token_is_given(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let mut with_cookie = request();
        with_cookie.cookies.refresh = Some(login.tokens.refresh_token.clone());
        let refreshed = engine.sessions.refresh_tokens(&with_cookie, RefreshTokensInput::default()).await.unwrap();
        assert_eq!(refreshed.outcome, Some(RefreshOutcome::Rotated));

        // The token that is given goes before it.
        with_cookie.cookies.refresh = Some(SecretString::from("not a token"));
        let refreshed = engine.refresh_from(&with_cookie, &refreshed.tokens.refresh_token).await.unwrap();
        assert_eq!(refreshed.outcome, Some(RefreshOutcome::Rotated));
    }

    async fn each_rotation_notes_where_it_came_from(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let mut elsewhere = request();
        elsewhere.ip = Some("::ffff:198.51.100.7".parse().unwrap());
        let refreshed = engine.refresh_from(&elsewhere, &login.tokens.refresh_token).await.unwrap();
        assert_eq!(refreshed.session.ip, "198.51.100.7");
        assert_eq!(engine.row(login.session.id).await.ip, "198.51.100.7");
    }

    async fn the_session_slides_up_to_its_absolute_end(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mut login = engine.sign_up("ada").await;
        let absolute_end = login.session.absolute_expires_at;
        for _ in 0..14 {
            engine.advance(6 * 24 * 60 * 60);
            login = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        }
        // 84 days are over: six are left, not seven.
        assert_eq!(login.session.expires_at, absolute_end);
        assert_eq!(login.tokens.refresh_token_expires_at, absolute_end);
        engine.advance(6 * 24 * 60 * 60 - 60);
        let last = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        // No access token outlives its session.
        assert!(last.tokens.access_token_expires_at <= absolute_end);
    }
}

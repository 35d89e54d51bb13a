//! A session stays with the user agent that opened it.

use sessiongraph::{
    clock::ManualClock,
    error::Action,
    session::{Policy, RefreshOutcome, UserAgentBinding},
};

use crate::support::{
    database::TestDatabase,
    engine::{Engine, FIREFOX, SAFARI, request_of, text, told},
    on_each_database,
};

const FIREFOX_LATER: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:151.0) Gecko/20100101 Firefox/151.0";
const FIREFOX_LINUX: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

async fn bound(database: &TestDatabase, binding: UserAgentBinding) -> Engine {
    let change = |policy: &mut Policy| policy.user_agent_binding = binding;
    Engine::with(database, ManualClock::default(), change).await
}

on_each_database! {
    async fn another_browser_or_system_is_refused_and_the_session_stays(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        for agent in [SAFARI, FIREFOX_LINUX, "something nobody knows"] {
            let error = engine.refresh_from(&request_of(agent), &login.tokens.refresh_token).await.unwrap_err();
            assert_eq!(told(&error), ("INVALID_SESSION", Some("AGENT_CHANGED"), Some(Action::SignIn)), "{agent}");
        }
        assert_eq!(engine.row(login.session.id).await, login.session);
        assert!(engine.refresh(&login.tokens.refresh_token).await.is_ok());
    }

    async fn an_update_of_the_browser_is_accepted_and_noted(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let updated = engine.refresh_from(&request_of(FIREFOX_LATER), &login.tokens.refresh_token).await.unwrap();
        assert_eq!(updated.outcome, Some(RefreshOutcome::Rotated));
        assert_eq!(engine.row(login.session.id).await.user_agent, FIREFOX_LATER);
        // A tab of before the update.
        let converged = engine.refresh_from(&request_of(FIREFOX), &login.tokens.refresh_token).await.unwrap();
        assert_eq!(converged.outcome, Some(RefreshOutcome::Converged));
        assert_eq!(text(&converged.tokens.refresh_token), text(&updated.tokens.refresh_token));
    }

    async fn converging_and_recovering_take_the_same_agent(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let row = engine.row(login.session.id).await;
        let stranger = request_of(SAFARI);
        let error = engine.refresh_from(&stranger, &login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.reason(), Some("AGENT_CHANGED"));
        engine.advance(36);
        let error = engine.refresh_from(&stranger, &login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.reason(), Some("AGENT_CHANGED"));
        assert_eq!(engine.row(login.session.id).await, row);
        let recovered = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(recovered.outcome, Some(RefreshOutcome::Recovered));
    }

    async fn a_token_one_generation_ahead_takes_the_same_agent(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let next = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        engine.sql("UPDATE sessions SET generation = 0, parent = NULL").await;
        let error = engine.refresh_from(&request_of(SAFARI), &next.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.reason(), Some("AGENT_CHANGED"));
        assert!(engine.refresh(&next.tokens.refresh_token).await.is_ok());
    }

    async fn a_successor_that_another_agent_presents_has_arrived(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let next = engine.refresh_and_advance(&login.tokens.refresh_token, 36).await;
        let error = engine.refresh_from(&request_of(SAFARI), &next.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.reason(), Some("AGENT_CHANGED"));
        let error = engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
    }

    async fn unknown_agents_match_when_they_are_the_same_text(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.sql("UPDATE sessions SET user_agent = 'my client 1', user_agent_family = NULL").await;
        let other = engine.refresh_from(&request_of("my client 2"), &login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(other.reason(), Some("AGENT_CHANGED"));
        let same = engine.refresh_from(&request_of("my client 1"), &login.tokens.refresh_token).await.unwrap();
        assert_eq!(same.outcome, Some(RefreshOutcome::Rotated));
    }

    async fn an_overlong_agent_is_cut_and_still_the_same(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let long = request_of(&format!("{FIREFOX} {}", "ä".repeat(2_000)));
        let first = engine.refresh_from(&long, &login.tokens.refresh_token).await.unwrap();
        assert!(engine.row(login.session.id).await.user_agent.len() <= 1_024);
        assert!(engine.refresh_from(&long, &first.tokens.refresh_token).await.is_ok());
    }

    async fn families_that_an_earlier_reader_wrote_sign_nobody_out(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.sql("UPDATE sessions SET user_agent_family = 'Firefox|Windows 10'").await;
        let updated = engine.refresh_from(&request_of(FIREFOX_LATER), &login.tokens.refresh_token).await.unwrap();
        assert_eq!(updated.outcome, Some(RefreshOutcome::Rotated));
        assert_eq!(engine.row(login.session.id).await.user_agent_family.as_deref(), Some("Firefox|Windows"));
    }

    async fn exact_binding_wants_the_same_text(database: TestDatabase) {
        let engine = bound(&database, UserAgentBinding::Exact).await;
        let login = engine.sign_up("ada").await;
        let error = engine.refresh_from(&request_of(FIREFOX_LATER), &login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&error), ("INVALID_SESSION", Some("AGENT_CHANGED"), Some(Action::SignIn)));
        assert!(engine.refresh(&login.tokens.refresh_token).await.is_ok());
    }

    async fn without_binding_any_agent_will_do(database: TestDatabase) {
        let engine = bound(&database, UserAgentBinding::Off).await;
        let login = engine.sign_up("ada").await;
        let rotated = engine.refresh_from(&request_of(SAFARI), &login.tokens.refresh_token).await.unwrap();
        assert_eq!(rotated.outcome, Some(RefreshOutcome::Rotated));
        assert_eq!(engine.row(login.session.id).await.user_agent, SAFARI);
        let converged = engine.refresh_from(&request_of("something nobody knows"), &login.tokens.refresh_token).await.unwrap();
        assert_eq!(converged.outcome, Some(RefreshOutcome::Converged));
        // Reuse is reuse.
        engine.refresh_from(&request_of(FIREFOX), &rotated.tokens.refresh_token).await.unwrap();
        let error = engine.refresh_from(&request_of(FIREFOX), &login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
    }
}

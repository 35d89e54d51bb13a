//! A client that does what `action` says comes to an end.

use serde_json::{Value, json};
use sessiongraph::scope::Scope;

use crate::support::{
    app::{TestApp, access_token, forged, refresh_token},
    on_each_database,
};

/// What such a client did: what it sent, and the code of what came back.
async fn follow(app: &TestApp, access: &str, refresh: &str) -> Vec<(&'static str, String)> {
    let (mut access, mut refresh) = (access.to_owned(), refresh.to_owned());
    let mut steps = Vec::new();
    let mut next = "query";
    // Twice as much as the longest way has.
    for _ in 0..8 {
        let answer = match next {
            "query" => app.bearer(&access).query("{ session { id } }").await,
            "refresh" => app.bearer(&access).refresh(&refresh).await,
            _ => app.bearer(&access).sign_in("ada").await,
        };
        let Some(error) = answer.errors().first() else {
            steps.push((next, "OK".to_owned()));
            if next == "query" {
                return steps;
            }
            let field = if next == "refresh" {
                "refreshTokens"
            } else {
                "signIn"
            };
            let login = answer.data(field);
            (access, refresh) = (
                access_token(login).to_owned(),
                refresh_token(login).to_owned(),
            );
            next = "query";
            continue;
        };
        let extensions = &error["extensions"];
        steps.push((next, extensions["code"].as_str().unwrap().to_owned()));
        next = match (next, extensions["action"].as_str()) {
            ("query", Some("REFRESH")) => "refresh",
            (_, Some("SIGN_IN")) => "sign in",
            (_, None) => return steps,
            (step, action) => panic!("{step}: {action:?}"),
        };
    }
    panic!("it goes round and round: {steps:?}");
}

fn steps(of: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    of.iter()
        .map(|(step, code)| (*step, (*code).to_owned()))
        .collect()
}

on_each_database! {
    async fn an_expired_token_is_refreshed_and_the_request_repeated(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        app.engine.advance(6 * 60);
        let taken = follow(&app, access_token(&login), refresh_token(&login)).await;
        assert_eq!(taken, steps(&[("query", "UNAUTHENTICATED"), ("refresh", "OK"), ("query", "OK")]));
    }

    async fn an_expired_token_of_an_ended_session_leads_to_signing_in(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        app.signed_in(&login).query("mutation { logout }").await.data("logout");
        app.engine.advance(6 * 60);
        let taken = follow(&app, access_token(&login), refresh_token(&login)).await;
        let expected = [("query", "UNAUTHENTICATED"), ("refresh", "INVALID_SESSION"), ("sign in", "OK"), ("query", "OK")];
        assert_eq!(taken, steps(&expected));
    }

    async fn whatever_the_tokens_are_it_ends(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let (access, refresh) = (access_token(&login), refresh_token(&login));
        let ended = app.anonymous().sign_in("ada").await;
        let ended = ended.data("signIn");
        app.signed_in(ended).query("mutation { logout }").await.data("logout");
        let (forged_access, forged_refresh) = (forged(access), forged(refresh));
        for access in [access, &forged_access, access_token(ended), refresh, "garbage"] {
            for refresh in [forged_refresh.as_str(), refresh_token(ended), access, "garbage", ""] {
                let taken = follow(&app, access, refresh).await;
                assert_eq!(taken.last(), Some(&("query", "OK".to_owned())), "{taken:?}");
            }
        }
        app.engine.advance(6 * 60);
        for refresh in [forged_refresh.as_str(), refresh_token(ended), access, "garbage", "", refresh] {
            let taken = follow(&app, access, refresh).await;
            assert_eq!(taken.last(), Some(&("query", "OK".to_owned())), "{taken:?}");
        }
        app.sql("DELETE FROM sessions").await;
        let taken = follow(&app, access, refresh).await;
        assert_eq!(taken.last(), Some(&("query", "OK".to_owned())), "{taken:?}");
    }

    async fn a_deactivated_account_has_nowhere_to_go(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let service = app.service(&[Scope::AccountsWrite]).await;
        let document = "mutation ($id: ID!) { updateAccount(input: { id: $id, deactivated: true }) { id } }";
        service.run(document, json!({ "id": login["account"]["id"] })).await.data("updateAccount");
        let taken = follow(&app, access_token(&login), refresh_token(&login)).await;
        assert_eq!(taken, steps(&[("query", "UNAUTHENTICATED"), ("sign in", "USER_DEACTIVATED")]));
        app.engine.advance(6 * 60);
        let taken = follow(&app, access_token(&login), refresh_token(&login)).await;
        let expected = [("query", "UNAUTHENTICATED"), ("refresh", "USER_DEACTIVATED"), ("sign in", "USER_DEACTIVATED")];
        assert_eq!(taken, steps(&expected));
    }

    async fn refreshing_never_asks_to_refresh_whatever_the_header_holds(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let other = app.sign_up("grace").await;
        let expired = access_token(&other).to_owned();
        app.engine.advance(6 * 60);
        let login = app.sign_up("ada").await;
        let ended = app.anonymous().sign_in("ada").await;
        let ended = ended.data("signIn").clone();
        app.signed_in(&ended).query("mutation { logout }").await.data("logout");
        let key = app.engine.sessions.create_service_key("backend", [Scope::SessionsRead]).await.unwrap();
        let key = secrecy::ExposeSecret::expose_secret(&key);
        let mut refresh = refresh_token(&login).to_owned();
        for header in ["garbage", expired.as_str(), access_token(&ended), refresh_token(&other), &forged(&expired), key] {
            let client = app.bearer(header);
            let answer = client.refresh(&refresh).await;
            let renewed = answer.data("refreshTokens");
            assert_eq!(renewed["refreshOutcome"], "ROTATED", "{header}");
            refresh = refresh_token(renewed).to_owned();
            for bad in ["garbage", "", expired.as_str(), refresh_token(&ended), &forged(&refresh), key] {
                let answer = client.refresh(bad).await;
                assert_ne!(answer.code(), "UNAUTHENTICATED", "{header} {bad}");
                assert_eq!(answer.error()["action"], Value::from("SIGN_IN"), "{header} {bad}: {:#}", answer.body);
            }
        }
    }
}

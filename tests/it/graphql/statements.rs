//! How many statements an answer costs.

use serde_json::json;
use sessiongraph::scope::Scope::{AccountsRead, AccountsWrite, SessionsRead};

use crate::support::{
    app::{Client, TestApp, access_token, forged, refresh_token},
    on_each_database,
};

/// How many statements a document costs that succeeds.
async fn cost(client: &Client, document: &str) -> usize {
    client.app.engine.statements.take();
    let answer = client.query(document).await;
    assert!(answer.errors().is_empty(), "{document}: {:#}", answer.body);
    client.app.engine.statements.take().len()
}

/// Accounts with two sessions each.
async fn fill(app: &TestApp, accounts: std::ops::Range<usize>) {
    for n in accounts {
        let name = format!("user_{n}");
        app.engine.sign_up(&name).await;
        app.engine.sign_in(&name).await;
    }
}

const SESSION: &str = "id status valid current connectionInfo { ip userAgent browser operatingSystem deviceKind } metadata \
    createdAt refreshedAt lastSeenAt expiresAt absoluteExpiresAt invalidatedAt invalidationReason";
const ACCOUNT: &str = "id username email emailVerified permissions deactivated createdAt updatedAt";

on_each_database! {
    async fn a_session_with_its_account_is_one(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.signed_in(&app.sign_up("ada").await);
        for document in [
            "{ session { id } }".to_owned(),
            format!("{{ session {{ {SESSION} account {{ {ACCOUNT} }} }} }}"),
            format!("{{ viewer {{ {ACCOUNT} }} }}"),
            format!("{{ a: session {{ {SESSION} }} b: session {{ account {{ {ACCOUNT} }} }} viewer {{ {ACCOUNT} }} }}"),
            r#"{ account(by: { username: "ada" }) { id } viewer { id } session { id } }"#.to_owned(),
        ] {
            assert_eq!(cost(&ada, &document).await, 1, "{document}");
        }
        assert_eq!(cost(&ada, "{ __typename }").await, 0);
    }

    async fn a_refresh_is_one(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let document = format!(
            "mutation {{ refreshTokens(input: {{ refreshToken: \"{}\" }}) {{ tokens {{ accessToken refreshToken }} account {{ {ACCOUNT} }} session {{ {SESSION} account {{ {ACCOUNT} }} }} }} }}",
            refresh_token(&login)
        );
        assert_eq!(cost(&app.anonymous(), &document).await, 1);
        // With a header that says nothing of use too.
        let renewed = app.anonymous().sign_in("ada").await.data("signIn").clone();
        let document = document.replace(refresh_token(&login), refresh_token(&renewed));
        assert_eq!(cost(&app.signed_in(&login), &document).await, 1);
    }

    async fn a_forged_token_costs_none(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let forged_refresh = forged(refresh_token(&login));
        let forged_key = format!("sgk_{}", "A".repeat(108));
        app.engine.statements.take();
        for token in ["garbage", &forged(access_token(&login)), &forged_refresh, &forged_key] {
            let client = app.bearer(token);
            for document in [
                "{ session { id } viewer { id } }",
                "mutation { logout }",
                "mutation { invalidateSessions(input: { mode: ALL }) }",
                "mutation { changePassword(input: { currentPassword: \"x\", newPassword: \"a new password\" }) { id } }",
                "{ accounts { totalCount nodes { id } } }",
            ] {
                assert!(!client.query(document).await.errors().is_empty());
            }
            assert_eq!(app.refresh(token).await.code(), "TOKEN_VERIFICATION_FAILED");
        }
        assert_eq!(app.refresh(access_token(&login)).await.code(), "INVALID_TOKEN");
        app.engine.advance(6 * 60);
        assert_eq!(app.signed_in(&login).query("{ session { id } }").await.error()["reason"], "TOKEN_EXPIRED");
        assert_eq!(app.engine.statements.take().len(), 0);
    }

    async fn a_list_costs_the_same_however_long_it_is(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let service = app.service(&[AccountsRead, SessionsRead]).await;
        let documents: Vec<_> = ["", "totalCount"].iter().flat_map(|total| [
            format!("{{ accounts(first: 50) {{ {total} nodes {{ {ACCOUNT} }} }} }}"),
            format!("{{ accounts(first: 50) {{ nodes {{ id sessions(first: 3) {{ {total} nodes {{ {SESSION} account {{ {ACCOUNT} }} }} pageInfo {{ hasNextPage }} }} }} }} }}"),
            format!("{{ accounts(first: 50) {{ nodes {{ sessions(first: 2) {{ nodes {{ id events(first: 3) {{ {total} nodes {{ kind at session {{ id }} connectionInfo {{ ip userAgent }} bySession byServiceKey }} }} }} }} }} }} }}"),
            format!("{{ accounts(last: 50) {{ {total} edges {{ cursor node {{ sessions(status: ACTIVE, last: 1) {{ {total} edges {{ cursor }} }} }} }} }} }}"),
        ]).collect();
        // The key itself is read at each request.
        let expected = [2, 3, 4, 3, 3, 4, 5, 5];
        fill(&app, 0..5).await;
        for (document, expected) in documents.iter().zip(expected) {
            assert_eq!(cost(&service, document).await, expected, "{document}");
        }
        fill(&app, 5..50).await;
        for (document, expected) in documents.iter().zip(expected) {
            assert_eq!(cost(&service, document).await, expected, "{document}");
        }
        let answer = service.query(&documents[1]).await;
        let nodes = answer.data("accounts")["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 50);
        assert!(nodes.iter().all(|node| node["sessions"]["nodes"].as_array().unwrap().len() == 2));
    }

    async fn entities_cost_the_same_however_many_there_are(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        fill(&app, 0..50).await;
        let service = app.service(&[AccountsRead, SessionsRead]).await;
        let list = "{ accounts(first: 50) { nodes { id sessions { nodes { id } } } } }";
        let answer = service.query(list).await;
        let nodes = answer.data("accounts")["nodes"].as_array().unwrap().clone();
        let document = format!("query ($all: [_Any!]!) {{ _entities(representations: $all) {{ ... on Account {{ {ACCOUNT} }} ... on Session {{ {SESSION} account {{ {ACCOUNT} }} }} }} }}");
        for count in [2, 50] {
            let accounts = nodes.iter().take(count).map(|node| json!({ "__typename": "Account", "id": node["id"] }));
            let sessions = nodes.iter().take(count).map(|node| json!({ "__typename": "Session", "id": node["sessions"]["nodes"][0]["id"] }));
            let all: Vec<_> = accounts.chain(sessions).collect();
            app.engine.statements.take();
            let answer = service.run(&document, json!({ "all": all })).await;
            let found = answer.data("_entities").as_array().unwrap();
            assert_eq!(found.len(), 2 * count);
            assert!(found.iter().all(|entity| entity["id"].is_string()), "{found:#?}");
            // The key, accounts, sessions, and the accounts of these, which may come in time for the first ones' statement.
            let statements = app.engine.statements.take().len();
            assert!((3..=4).contains(&statements), "{count}: {statements}");
        }
    }

    async fn what_a_mutation_writes_is_not_read_again_for_its_answer(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let service = app.service(&[AccountsRead, AccountsWrite]).await;
        let id = login["account"]["id"].as_str().unwrap();
        // The key, and the insertion.
        let create = format!("mutation {{ createAccount(input: {{ username: \"grace\" }}) {{ {ACCOUNT} }} }}");
        assert_eq!(cost(&service, &create).await, 2);
        // The key, the row under its lock, and the update.
        let update = format!("mutation {{ updateAccount(input: {{ id: \"{id}\", permissions: [\"a\"] }}) {{ {ACCOUNT} }} }}");
        assert_eq!(cost(&service, &update).await, 3);
        // Ending the session, and its record; nothing before them.
        let signed_in = app.signed_in(&login);
        assert_eq!(cost(&signed_in, "mutation { logout }").await, 2);
        // Where there is nothing to end, there is nothing to record.
        assert_eq!(cost(&signed_in, "mutation { logout }").await, 1);
    }
}

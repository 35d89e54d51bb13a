//! Who sees what.

use serde_json::{Value, json};
use sessiongraph::scope::Scope::{AccountsRead, AccountsWrite, SessionsRead, SessionsWrite};

use crate::support::{
    app::{TestApp, access_token},
    engine::PASSWORD,
    on_each_database,
};

const PRIVATE: &str = "id username email emailVerified permissions deactivated createdAt updatedAt sessions { totalCount }";

fn entity(kind: &str, id: &Value, fields: &str) -> String {
    format!(
        r#"{{ _entities(representations: [{{ __typename: "{kind}", id: {id} }}]) {{ ... on {kind} {{ {fields} }} }} }}"#
    )
}

fn hidden(id: &Value) -> Value {
    json!({ "id": id, "username": null, "email": null, "emailVerified": null, "permissions": null,
            "deactivated": null, "createdAt": null, "updatedAt": null, "sessions": null })
}

on_each_database! {
    async fn an_account_shows_its_private_fields_to_itself_and_to_readers_of_accounts(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, grace) = (app.sign_up("ada").await, app.sign_up("grace").await);
        let id = &ada["account"]["id"];
        let document = entity("Account", id, PRIVATE);
        for client in [app.signed_in(&ada), app.service(&[AccountsRead]).await] {
            let answer = client.query(&document).await;
            let account = &answer.data("_entities")[0];
            assert_eq!((&account["username"], &account["sessions"]), (&json!("ada"), &json!({ "totalCount": 1 })));
            assert!(account["createdAt"].is_string());
        }
        let ended = app.anonymous().sign_in("ada").await.data("signIn").clone();
        app.signed_in(&ended).query("mutation { logout }").await.data("logout");
        assert_eq!(app.signed_in(&ended).query(&document).await.data("_entities")[0], hidden(id));
        app.engine.advance(6 * 60);
        let fresh = app.anonymous().sign_in("grace").await.data("signIn").clone();
        for client in [
            app.anonymous(),
            app.bearer("garbage"),
            app.signed_in(&fresh),
            // Expired: nobody.
            app.signed_in(&ada),
            app.signed_in(&grace),
            app.service(&[AccountsWrite, SessionsRead, SessionsWrite]).await,
        ] {
            assert_eq!(client.query(&document).await.data("_entities")[0], hidden(id));
        }
    }

    async fn a_session_shows_itself_to_its_owner_and_to_readers_of_sessions(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, grace) = (app.sign_up("ada").await, app.sign_up("grace").await);
        let second = app.anonymous().sign_in("ada").await.data("signIn").clone();
        let id = &ada["session"]["id"];
        let document = entity("Session", id, "id current status account { id username }");
        for (client, current, username) in [
            (app.signed_in(&ada), true, json!("ada")),
            (app.signed_in(&second), false, json!("ada")),
            (app.service(&[SessionsRead]).await, false, json!(null)),
            (app.service(&[SessionsRead, AccountsRead]).await, false, json!("ada")),
        ] {
            let answer = client.query(&document).await;
            assert_eq!(answer.data("_entities")[0], json!({
                "id": id, "current": current, "status": "ACTIVE", "account": { "id": ada["account"]["id"], "username": username },
            }));
        }
        let ended = app.anonymous().sign_in("ada").await.data("signIn").clone();
        app.signed_in(&ended).query("mutation { logout }").await.data("logout");
        for client in [app.anonymous(), app.signed_in(&grace), app.signed_in(&ended), app.bearer("garbage"), app.service(&[AccountsRead, AccountsWrite, SessionsWrite]).await] {
            assert_eq!(client.query(&document).await.data("_entities")[0], json!(null));
        }
    }

    async fn a_user_finds_his_own_account_by_whatever_names_it(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let sign_up = "mutation ($input: SignUpInput!) { signUp(input: $input) { account { id } tokens { accessToken } } }";
        let input = json!({ "input": { "username": "ada", "email": "ada@example.org", "password": PASSWORD } });
        let login = app.anonymous().run(sign_up, input).await.data("signUp").clone();
        let grace = app.sign_up("grace").await;
        let ada = app.signed_in(&login);
        let document = "query ($by: AccountBy!) { account(by: $by) { username email } }";
        for by in [json!({ "id": login["account"]["id"] }), json!({ "username": "Ada" }), json!({ "email": "ADA@example.org" })] {
            let answer = ada.run(document, json!({ "by": by })).await;
            assert_eq!(answer.data("account"), &json!({ "username": "ada", "email": "ada@example.org" }));
        }
        for by in [
            json!({ "id": grace["account"]["id"] }), json!({ "id": "nonsense" }), json!({ "id": "00000000-0000-0000-0000-000000000000" }),
            json!({ "username": "grace" }), json!({ "username": "nobody" }), json!({ "username": "" }),
            json!({ "email": "grace@example.org" }), json!({ "email": "" }), json!({ "username": "ada@example.org" }),
        ] {
            let answer = ada.run(document, json!({ "by": by })).await;
            assert_eq!(answer.error(), &json!({ "code": "FORBIDDEN" }), "{by}");
            assert_eq!(answer.body["data"], json!({ "account": null }));
        }
    }

    async fn a_service_key_is_nobody_where_it_is_asked_who_is_there(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let all = app.service(&[AccountsRead, AccountsWrite, SessionsRead, SessionsWrite]).await;
        for client in [all, app.anonymous(), app.anonymous().with("authorization", "bearer "), app.anonymous().with("authorization", "")] {
            let answer = client.query("{ session { id } viewer { id } }").await;
            assert_eq!(answer.body, json!({ "data": { "session": null, "viewer": null } }));
        }
    }

    async fn a_login_result_shows_everything_to_whoever_receives_it(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        app.sign_up("ada").await;
        let document = format!(
            "mutation {{ signIn(input: {{ identifier: \"ada\", password: \"{PASSWORD}\" }}) {{ account {{ {PRIVATE} }} session {{ id metadata account {{ {PRIVATE} }} }} }} }}"
        );
        for client in [app.anonymous(), app.bearer("garbage"), app.signed_in(&app.sign_up("grace").await)] {
            let answer = client.query(&document).await;
            let login = answer.data("signIn");
            assert_eq!(login["account"]["username"], "ada");
            assert!(login["account"]["sessions"]["totalCount"].as_i64().unwrap() > 1);
            assert_eq!(login["account"], login["session"]["account"]);
        }
    }

    async fn a_session_is_as_the_database_has_it_the_moment_after_a_change(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let replica = TestApp::new(&database).await;
        let there = replica.bearer(access_token(&login));
        assert_eq!(there.query("{ session { valid } }").await.data("session")["valid"], true);
        app.signed_in(&login).query("mutation { logout }").await.data("logout");
        assert_eq!(there.query("{ session { id } }").await.error()["reason"], "INVALID_SESSION");
        assert_eq!(there.query("mutation { invalidateSessions(input: { mode: ALL }) }").await.error()["reason"], "INVALID_SESSION");
    }
}

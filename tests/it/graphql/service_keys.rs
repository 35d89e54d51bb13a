//! What service keys may do: `createSession`, `createAccount`, `updateAccount`, `account`, `accounts`.

use serde_json::{Value, json};
use sessiongraph::scope::Scope::{self, AccountsRead, AccountsWrite, SessionsRead, SessionsWrite};

use crate::support::{
    app::{Client, TestApp, refresh_token},
    engine::{FIREFOX, PASSWORD},
    on_each_database,
};

const ALL: [Scope; 4] = [AccountsRead, AccountsWrite, SessionsRead, SessionsWrite];
const UPDATE: &str = "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) \
    { id username email emailVerified permissions deactivated createdAt updatedAt } }";
const CREATE: &str = "mutation ($input: CreateAccountInput!) { createAccount(input: $input) \
    { id username email emailVerified permissions deactivated } }";

async fn update(client: &Client, input: Value) -> Value {
    client
        .run(UPDATE, json!({ "input": input }))
        .await
        .data("updateAccount")
        .clone()
}

async fn is_valid(app: &TestApp, login: &Value) -> bool {
    let answer = app.signed_in(login).query("{ session { valid } }").await;
    answer.body["data"]["session"]["valid"] == true
}

on_each_database! {
    async fn each_field_wants_its_own_scope_and_no_scope_includes_another(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let id = app.sign_up("ada").await["account"]["id"].as_str().unwrap().to_owned();
        let fields = [
            (AccountsRead, "{ accounts { totalCount } }".to_owned()),
            (AccountsRead, format!(r#"{{ account(by: {{ id: "{id}" }}) {{ id }} }}"#)),
            (AccountsWrite, r"mutation { createAccount(input: {}) { id } }".to_owned()),
            (AccountsWrite, format!(r#"mutation {{ updateAccount(input: {{ id: "{id}" }}) {{ id }} }}"#)),
            (SessionsWrite, format!(r#"mutation {{ createSession(input: {{ accountId: "{id}", connectionInfo: {{ ip: "::1", userAgent: "x" }} }}) {{ session {{ id }} }} }}"#)),
        ];
        for (wanted, document) in fields {
            let with = app.service(&[wanted]).await.query(&document).await;
            assert!(with.errors().is_empty(), "{document}: {:#}", with.body);
            let rest: Vec<_> = ALL.into_iter().filter(|scope| *scope != wanted).collect();
            assert_eq!(app.service(&rest).await.query(&document).await.error(), &json!({ "code": "FORBIDDEN" }), "{document}");
        }
    }

    async fn a_revoked_key_is_refused_at_once(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let key = app.engine.sessions.create_service_key("backend", [AccountsRead]).await.unwrap();
        let service = app.bearer(secrecy::ExposeSecret::expose_secret(&key));
        service.query("{ accounts { totalCount } }").await.data("accounts");
        app.engine.sessions.revoke_service_key("backend").await.unwrap();
        let refused = json!({ "code": "UNAUTHENTICATED", "reason": "TOKEN_VERIFICATION_FAILED", "action": "SIGN_IN" });
        assert_eq!(service.query("{ accounts { totalCount } }").await.error(), &refused);
        assert_eq!(service.query("{ session { id } }").await.error(), &refused);
    }

    async fn a_session_is_opened_for_an_end_user(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.sign_up("ada").await;
        let service = app.service(&[SessionsWrite]).await;
        let document = "mutation ($input: CreateSessionInput!) { createSession(input: $input) { refreshOutcome \
            account { id username email permissions } \
            session { id current metadata connectionInfo { ip userAgent browser } account { username } } tokens { accessToken refreshToken } } }";
        let metadata = json!({ "device": "kiosk", "n": [1, null, "ü"] });
        let input = json!({ "accountId": ada["account"]["id"], "metadata": metadata, "connectionInfo": { "ip": "::ffff:203.0.113.9", "userAgent": FIREFOX } });
        let answer = service.run(document, json!({ "input": input })).await;
        let login = answer.data("createSession");
        // Whoever receives it sees every field of it, even without accounts:read.
        assert_eq!(login["account"], json!({ "id": ada["account"]["id"], "username": "ada", "email": null, "permissions": [] }));
        assert_eq!(login["session"]["account"]["username"], "ada");
        assert_eq!(login["session"]["connectionInfo"], json!({ "ip": "203.0.113.9", "userAgent": FIREFOX, "browser": "Firefox" }));
        assert_eq!((&login["session"]["metadata"], &login["session"]["current"]), (&metadata, &json!(false)));
        let own = app.signed_in(login).query("{ session { id metadata current } }").await;
        assert_eq!(own.data("session"), &json!({ "id": login["session"]["id"], "metadata": metadata, "current": true }));
        app.refresh(refresh_token(login)).await.data("refreshTokens");
        assert!(is_valid(&app, &ada).await);
    }

    async fn the_end_users_agent_may_be_of_any_length(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let id = app.sign_up("ada").await["account"]["id"].clone();
        let service = app.service(&[SessionsWrite]).await;
        let document = "mutation ($input: CreateSessionInput!) { createSession(input: $input) { session { connectionInfo { userAgent } } tokens { refreshToken } } }";
        for letter in ["a", "ä"] {
            let agent = letter.repeat(5_000);
            let input = json!({ "accountId": id, "connectionInfo": { "ip": "::1", "userAgent": agent } });
            let answer = service.run(document, json!({ "input": input })).await;
            let login = answer.data("createSession");
            let stored = login["session"]["connectionInfo"]["userAgent"].as_str().unwrap();
            assert!(agent.starts_with(stored) && stored.len() > 500, "{stored}");
        }
    }

    async fn an_account_is_created_with_all_that_it_has(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let service = app.service(&[AccountsRead, AccountsWrite]).await;
        let input = json!({ "username": "Ada", "email": "Ada@Example.org", "emailVerified": true, "password": PASSWORD, "permissions": ["b", "a", "b"] });
        let answer = service.run(CREATE, json!({ "input": input })).await;
        let account = answer.data("createAccount");
        let expected = json!({ "id": account["id"], "username": "ada", "email": "ada@example.org", "emailVerified": true, "permissions": ["b", "a"], "deactivated": false });
        assert_eq!(account, &expected);
        assert_eq!(app.count("sessions").await, 0);
        app.anonymous().sign_in("ada@example.org").await.data("signIn");
        // Without accounts:read its creator sees no more than the id.
        let blind = app.service(&[AccountsWrite]).await;
        let answer = blind.run(CREATE, json!({ "input": { "username": "grace", "emailVerified": true } })).await;
        let account = answer.data("createAccount");
        assert_eq!(account, &json!({ "id": account["id"], "username": null, "email": null, "emailVerified": null, "permissions": null, "deactivated": null }));
        let found = service.run("query ($id: ID!) { account(by: { id: $id }) { emailVerified } }", json!({ "id": account["id"] })).await;
        // There is no address that could have been verified.
        assert_eq!(found.data("account")["emailVerified"], false);
    }

    async fn an_update_changes_what_it_names(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let id = &login["account"]["id"];
        let service = app.service(&[AccountsRead, AccountsWrite]).await;
        app.engine.advance(60);
        let account = update(&service, json!({ "id": id, "email": "Ada@example.org", "emailVerified": true, "permissions": ["x"] })).await;
        assert_eq!((&account["email"], &account["emailVerified"], &account["permissions"]), (&json!("ada@example.org"), &json!(true), &json!(["x"])));
        assert_eq!(account["username"], "ada");
        assert_ne!(account["createdAt"], account["updatedAt"]);
        // The same address stays verified, a new one is not.
        let account = update(&service, json!({ "id": id, "email": "ADA@example.org" })).await;
        assert_eq!(account["emailVerified"], true);
        let account = update(&service, json!({ "id": id, "email": "countess@example.org", "username": "Countess" })).await;
        assert_eq!((&account["emailVerified"], &account["username"]), (&json!(false), &json!("countess")));
        assert_eq!(update(&service, json!({ "id": id, "permissions": [] })).await["permissions"], json!([]));
        assert!(is_valid(&app, &login).await);
        app.anonymous().sign_in("countess").await.data("signIn");
        let before = update(&service, json!({ "id": id })).await;
        app.engine.advance(60);
        assert_eq!(update(&service, json!({ "id": id, "username": "countess" })).await, before);
    }

    async fn deactivating_ends_all_sessions_and_reactivating_brings_none_back(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (first, second) = (app.sign_up("ada").await, app.anonymous().sign_in("ada").await.data("signIn").clone());
        let id = &first["account"]["id"];
        let service = app.service(&ALL).await;
        assert_eq!(update(&service, json!({ "id": id, "deactivated": true })).await["deactivated"], true);
        assert!(!is_valid(&app, &first).await && !is_valid(&app, &second).await);
        assert_eq!(app.anonymous().sign_in("ada").await.code(), "USER_DEACTIVATED");
        assert_eq!(update(&service, json!({ "id": id, "deactivated": false })).await["deactivated"], false);
        assert!(!is_valid(&app, &first).await && !is_valid(&app, &second).await);
        assert_eq!(app.refresh(refresh_token(&first)).await.error()["reason"], "INVALIDATED");
        app.anonymous().sign_in("ada").await.data("signIn");
        let list = "query ($id: ID!) { account(by: { id: $id }) { sessions(status: INVALIDATED) { nodes { invalidationReason } } } }";
        let answer = service.run(list, json!({ "id": id })).await;
        let reason = json!({ "invalidationReason": "ACCOUNT_DEACTIVATED" });
        assert_eq!(answer.data("account")["sessions"]["nodes"], json!([reason, reason]));
    }

    async fn a_new_password_ends_all_sessions(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let service = app.service(&[AccountsWrite]).await;
        update(&service, json!({ "id": login["account"]["id"], "password": "another password" })).await;
        assert!(!is_valid(&app, &login).await);
        assert_eq!(app.anonymous().sign_in("ada").await.code(), "AUTHENTICATION_FAILED");
        let reason = app.engine.ended_with(login["session"]["id"].as_str().unwrap().parse().unwrap()).await;
        assert_eq!(format!("{reason:?}"), "Some(PasswordChanged)");
    }

    async fn accounts_are_found_by_id_name_and_address(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let service = app.service(&[AccountsRead, AccountsWrite]).await;
        let created = service.run(CREATE, json!({ "input": { "username": "ada", "email": "ada@example.org" } })).await;
        let id = created.data("createAccount")["id"].clone();
        let document = "query ($by: AccountBy!) { account(by: $by) { id username sessions { totalCount } } }";
        for by in [json!({ "id": id }), json!({ "username": "ADA" }), json!({ "email": "Ada@Example.Org" })] {
            let answer = service.run(document, json!({ "by": by })).await;
            assert_eq!(answer.data("account"), &json!({ "id": id, "username": "ada", "sessions": { "totalCount": 0 } }));
        }
        for by in [
            json!({ "id": "nonsense" }), json!({ "id": "00000000-0000-7000-8000-000000000000" }), json!({ "id": "" }),
            json!({ "username": "grace" }), json!({ "username": "" }), json!({ "username": "ada@example.org" }), json!({ "email": "ada" }),
        ] {
            let answer = service.run(document, json!({ "by": by })).await;
            assert_eq!(answer.body, json!({ "data": { "account": null } }), "{by}");
        }
    }
}

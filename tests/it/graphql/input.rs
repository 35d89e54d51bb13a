//! Bad input: the field that is at fault is named, and nothing is half written.

use serde_json::{Value, json};
use sessiongraph::scope::Scope;

use crate::support::{
    app::{Client, TestApp, refresh_token},
    engine::PASSWORD,
    on_each_database,
};

const SIGN_UP: &str = "mutation ($input: SignUpInput!) { signUp(input: $input) { account { id username email } tokens { tokenType } } }";
const CREATE_ACCOUNT: &str = "mutation ($input: CreateAccountInput!) { createAccount(input: $input) { id username email emailVerified permissions } }";
const UPDATE_ACCOUNT: &str = "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { id username email emailVerified permissions deactivated } }";
const CREATE_SESSION: &str = "mutation ($input: CreateSessionInput!) { createSession(input: $input) { session { id metadata } tokens { tokenType } } }";
const CHANGE_PASSWORD: &str =
    "mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { id } }";
const INVALIDATE: &str =
    "mutation ($input: InvalidateSessionsInput!) { invalidateSessions(input: $input) }";

/// Everything that a refused input must not have changed.
async fn everything(app: &TestApp) -> Vec<String> {
    let mut rows = Vec::new();
    for sql in [
        "SELECT CAST(COUNT(*) AS BIGINT) FROM accounts",
        "SELECT CAST(COUNT(*) AS BIGINT) FROM sessions",
        "SELECT CAST(COUNT(*) AS BIGINT) FROM sessions WHERE invalidated_at IS NULL",
        "SELECT CAST(COALESCE(SUM(generation), 0) AS BIGINT) FROM sessions",
        "SELECT CAST(COALESCE(SUM(credentials_version), 0) AS BIGINT) FROM accounts",
        "SELECT CAST(COUNT(DISTINCT updated_at) AS BIGINT) FROM accounts",
    ] {
        rows.push(
            crate::support::database::scalar(&app.engine.db, sql)
                .await
                .to_string(),
        );
    }
    rows
}

/// Each input is refused as `BAD_USER_INPUT` of its field.
async fn assert_refused(client: &Client, document: &str, inputs: &[(&str, Value)]) {
    let before = everything(&client.app).await;
    for (field, input) in inputs {
        let answer = client.run(document, json!({ "input": input })).await;
        assert_eq!(
            answer.code(),
            "BAD_USER_INPUT",
            "{input}: {:#}",
            answer.body
        );
        assert_eq!(
            answer.error(),
            &json!({ "code": "BAD_USER_INPUT", "field": field }),
            "{input}"
        );
        let message = answer.errors()[0]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{field}: ")), "{message}");
        assert!(answer.set_cookies().is_empty());
    }
    assert_eq!(everything(&client.app).await, before);
}

fn bad_names() -> Vec<(&'static str, Value)> {
    let mut bad = vec![
        ("email", json!("")),
        ("email", json!("ada")),
        ("email", json!("ada@")),
        ("email", json!("a b@example.org")),
        ("email", json!("ada@example..org")),
        ("email", json!("ada@example.org\n")),
        ("email", json!("ada\u{0}@example.org")),
        ("email", json!(format!("{}@example.org", "a".repeat(243)))),
    ];
    let reserved = [
        "admin",
        "administrator",
        "anonymous",
        "me",
        "null",
        "root",
        "security",
        "support",
        "system",
        "undefined",
        "viewer",
        "Admin",
        "VIEWER",
    ];
    let malformed = [
        "",
        "ab",
        " ada",
        "ada ",
        "ada-l",
        "a.b",
        "ädä",
        "ada\u{0}",
        "ada@example.org",
        "\u{212a}elvin",
    ];
    bad.extend(
        reserved
            .iter()
            .chain(&malformed)
            .map(|name| ("username", json!(name))),
    );
    bad.push(("username", json!("a".repeat(33))));
    bad
}

fn bad_passwords() -> Vec<Value> {
    vec![
        json!(""),
        json!("seven77"),
        json!("a".repeat(257)),
        json!("e\u{301}".repeat(7)),
    ]
}

fn bad_permissions() -> Vec<Value> {
    let many: Vec<_> = (0..21).map(|n| format!("{n:0>100}")).collect();
    vec![
        json!([""]),
        json!(["a b"]),
        json!(["a\"b"]),
        json!(["a\\b"]),
        json!(["ä"]),
        json!(["a\nb"]),
        json!(["ok", "x".repeat(101)]),
        json!(many),
    ]
}

on_each_database! {
    async fn sign_up_names_the_field_at_fault(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        app.sign_up("ada").await;
        let mut inputs: Vec<_> = bad_names().into_iter()
            .map(|(field, value)| (field, json!({ field: value, "password": PASSWORD }))).collect();
        inputs.extend(bad_passwords().into_iter().map(|password| ("password", json!({ "username": "grace", "password": password }))));
        inputs.push(("username", json!({ "password": PASSWORD })));
        inputs.push(("username", json!({ "username": null, "email": null, "password": PASSWORD })));
        inputs.push(("transport", json!({ "username": "grace", "password": PASSWORD, "transport": "COOKIE" })));
        // A good user name makes up for no bad address.
        inputs.push(("email", json!({ "username": "grace", "email": "nonsense", "password": PASSWORD })));
        assert_refused(&app.anonymous(), SIGN_UP, &inputs).await;
    }

    async fn the_longest_and_the_shortest_are_taken(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let address = format!("{}@example.org", "a".repeat(242));
        assert_eq!(address.len(), 254);
        for input in [
            json!({ "username": "abc", "password": "eightttt" }),
            json!({ "username": "a".repeat(32), "password": "a".repeat(256) }),
            json!({ "username": "_0_", "password": "é".repeat(256) }),
            json!({ "email": address, "username": null, "password": "e\u{301}".repeat(8) }),
            json!({ "email": "A@b", "password": PASSWORD, "transport": "BODY" }),
        ] {
            let answer = app.anonymous().run(SIGN_UP, json!({ "input": input })).await;
            assert_eq!(answer.data("signUp")["tokens"]["tokenType"], "Bearer", "{input}");
        }
        // Composed and decomposed are one password.
        let sign_in = "mutation ($input: SignInInput!) { signIn(input: $input) { session { id } } }";
        let input = json!({ "input": { "identifier": address.to_uppercase(), "password": "é".repeat(8) } });
        app.anonymous().run(sign_in, input).await.data("signIn");
    }

    async fn sign_in_names_the_field_at_fault(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        app.sign_up("ada").await;
        let document = "mutation ($input: SignInInput!) { signIn(input: $input) { session { id } } }";
        let cookie = json!({ "identifier": "ada", "password": PASSWORD, "transport": "COOKIE" });
        assert_refused(&app.anonymous(), document, &[("transport", cookie)]).await;
    }

    async fn refresh_names_the_field_at_fault(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let document = "mutation ($input: RefreshTokensInput) { refreshTokens(input: $input) { refreshOutcome } }";
        let cookie = json!({ "refreshToken": refresh_token(&login), "transport": "COOKIE" });
        assert_refused(&app.anonymous(), document, &[("transport", cookie)]).await;
    }

    async fn invalidating_names_the_field_at_fault(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let (session, token, account) = (&login["session"]["id"], refresh_token(&login), &login["account"]["id"]);
        assert_refused(&app.signed_in(&login), INVALIDATE, &[
            ("sessionId", json!({ "mode": "ONE" })),
            ("sessionId", json!({ "mode": "ONE", "sessionId": null, "token": null })),
            ("token", json!({ "mode": "ONE", "sessionId": session, "token": token })),
            ("sessionId", json!({ "mode": "ALL", "sessionId": session })),
            ("token", json!({ "mode": "ALL", "token": token })),
            ("sessionId", json!({ "mode": "OTHERS", "sessionId": session })),
            ("token", json!({ "mode": "OTHERS", "token": token })),
        ]).await;
        let service = app.service(&[Scope::SessionsWrite]).await;
        assert_refused(&service, INVALIDATE, &[
            ("accountId", json!({ "mode": "ALL" })),
            ("accountId", json!({ "mode": "ALL", "accountId": null })),
            ("mode", json!({ "mode": "OTHERS" })),
            ("mode", json!({ "mode": "OTHERS", "accountId": account })),
            ("sessionId", json!({ "mode": "ONE" })),
            ("token", json!({ "mode": "ONE", "sessionId": session, "token": token, "accountId": account })),
            ("sessionId", json!({ "mode": "ALL", "sessionId": session, "accountId": account })),
            ("token", json!({ "mode": "ALL", "token": token, "accountId": account })),
        ]).await;
    }

    async fn changing_a_password_names_the_field_at_fault(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.signed_in(&app.sign_up("ada").await);
        let inputs: Vec<_> = bad_passwords().into_iter()
            .map(|new| ("newPassword", json!({ "currentPassword": PASSWORD, "newPassword": new }))).collect();
        assert_refused(&ada, CHANGE_PASSWORD, &inputs).await;
        app.anonymous().sign_in("ada").await.data("signIn");
    }

    async fn creating_an_account_names_the_field_at_fault(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let service = app.service(&[Scope::AccountsWrite]).await;
        let mut inputs: Vec<_> = bad_names().into_iter().map(|(field, value)| (field, json!({ field: value }))).collect();
        inputs.extend(bad_passwords().into_iter().map(|password| ("password", json!({ "username": "ada", "password": password }))));
        inputs.extend(bad_permissions().into_iter().map(|all| ("permissions", json!({ "username": "ada", "permissions": all }))));
        assert_refused(&service, CREATE_ACCOUNT, &inputs).await;
    }

    async fn updating_an_account_names_the_field_at_fault(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let id = app.sign_up("ada").await["account"]["id"].clone();
        let service = app.service(&[Scope::AccountsWrite]).await;
        let mut inputs: Vec<_> = bad_names().into_iter()
            .map(|(field, value)| (field, json!({ "id": id, field: value, "deactivated": true }))).collect();
        inputs.extend(bad_passwords().into_iter().map(|password| ("password", json!({ "id": id, "username": "grace", "password": password }))));
        inputs.extend(bad_permissions().into_iter().map(|all| ("permissions", json!({ "id": id, "email": "a@b", "permissions": all }))));
        assert_refused(&service, UPDATE_ACCOUNT, &inputs).await;
    }

    async fn creating_a_session_names_the_field_at_fault(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let id = app.sign_up("ada").await["account"]["id"].clone();
        let service = app.service(&[Scope::SessionsWrite]).await;
        let from = json!({ "ip": "2001:db8::1", "userAgent": "x" });
        assert_refused(&service, CREATE_SESSION, &[
            ("metadata", json!({ "accountId": id, "connectionInfo": from, "metadata": "x".repeat(4095) })),
            ("metadata", json!({ "accountId": id, "connectionInfo": from, "metadata": { "a": ["b\u{0}"] } })),
            ("metadata", json!({ "accountId": id, "connectionInfo": from, "metadata": { "a\u{0}": 1 } })),
            ("ip", json!({ "accountId": id, "connectionInfo": { "ip": "localhost", "userAgent": "x" } })),
            ("ip", json!({ "accountId": id, "connectionInfo": { "ip": "192.0.2.1:80", "userAgent": "x" } })),
            ("ip", json!({ "accountId": id, "connectionInfo": { "ip": "192.0.2.0/24", "userAgent": "x" } })),
            ("userAgent", json!({ "accountId": id, "connectionInfo": { "ip": "192.0.2.1", "userAgent": "a\u{0}b" } })),
            ("userAgent", json!({ "accountId": id, "connectionInfo": { "ip": "192.0.2.1", "userAgent": "a\nb" } })),
        ]).await;
        let before = everything(&app).await;
        for (ip, agent, code) in [
            ("", "x", "INVALID_LOCATION_INFO_IP"),
            (" ", "x", "INVALID_LOCATION_INFO_IP"),
            ("192.0.2.1", "", "INVALID_LOCATION_INFO_USER_AGENT"),
            ("192.0.2.1", " ", "INVALID_LOCATION_INFO_USER_AGENT"),
        ] {
            let input = json!({ "input": { "accountId": id, "connectionInfo": { "ip": ip, "userAgent": agent } } });
            let answer = service.run(CREATE_SESSION, input).await;
            assert_eq!(answer.error(), &json!({ "code": code }), "{ip} {agent}");
        }
        assert_eq!(everything(&app).await, before);
    }

    async fn metadata_of_just_four_kib_is_kept(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let id = app.sign_up("ada").await["account"]["id"].clone();
        let service = app.service(&[Scope::SessionsWrite]).await;
        for metadata in [json!("x".repeat(4094)), json!({ "a": [1, 2.5, null, "\\u0000", { "b": true }] }), json!(0), json!(null), json!([])] {
            let input = json!({ "accountId": id, "connectionInfo": { "ip": "::1", "userAgent": "x" }, "metadata": metadata });
            let answer = service.run(CREATE_SESSION, json!({ "input": input })).await;
            assert_eq!(answer.data("createSession")["session"]["metadata"], metadata);
        }
    }

    async fn pages_name_the_argument_at_fault(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.signed_in(&app.sign_up("ada").await);
        let service = app.service(&[Scope::AccountsRead]).await;
        for (field, arguments) in [
            ("first", "first: 101"),
            ("first", "first: -1"),
            ("first", "first: 2147483647"),
            ("last", "last: 101"),
            ("last", "last: -1"),
            ("last", "first: 1, last: 1"),
            ("after", r#"after: """#),
            ("after", r#"after: "nonsense!""#),
            ("before", r#"before: "AAAA""#),
        ] {
            let expected = json!({ "code": "BAD_USER_INPUT", "field": field });
            let answer = ada.query(&format!("{{ viewer {{ id sessions({arguments}) {{ totalCount }} }} }}")).await;
            assert_eq!(answer.error(), &expected, "{arguments}");
            assert_eq!(answer.errors()[0]["path"], json!(["viewer", "sessions"]));
            assert_eq!(answer.body["data"]["viewer"]["sessions"], Value::Null);
            assert!(answer.body["data"]["viewer"]["id"].is_string());
            let answer = service.query(&format!("{{ accounts({arguments}) {{ totalCount }} }}")).await;
            assert_eq!(answer.error(), &expected, "{arguments}");
        }
    }

    async fn an_omitted_variable_leaves_the_default(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let document = "mutation ($t: TokenTransport) { signUp(input: { username: \"ada\", password: \"correct horse battery staple\", transport: $t }) { account { id } tokens { accessToken refreshToken } } }";
        let answer = app.anonymous().query(document).await;
        let login = answer.data("signUp");
        assert!(login["tokens"]["accessToken"].is_string());
        let document = "mutation ($t: TokenTransport) { signIn(input: { identifier: \"ada\", password: \"correct horse battery staple\", transport: $t }) { tokens { accessToken } } }";
        assert!(app.anonymous().query(document).await.data("signIn")["tokens"]["accessToken"].is_string());

        let service = app.service(&[Scope::AccountsRead, Scope::AccountsWrite, Scope::SessionsWrite]).await;
        let document = "mutation ($p: [String!], $v: Boolean, $u: String, $e: String, $w: String) { createAccount(input: { permissions: $p, emailVerified: $v, username: $u, email: $e, password: $w }) { permissions emailVerified username email } }";
        let answer = service.query(document).await;
        assert_eq!(answer.data("createAccount"), &json!({ "permissions": [], "emailVerified": false, "username": null, "email": null }));
        let document = "mutation ($id: ID!, $t: TokenTransport, $m: JSON) { createSession(input: { accountId: $id, connectionInfo: { ip: \"::1\", userAgent: \"x\" }, transport: $t, metadata: $m }) { session { metadata } tokens { tokenType } } }";
        let answer = service.run(document, json!({ "id": login["account"]["id"] })).await;
        assert_eq!(answer.data("createSession"), &json!({ "session": { "metadata": null }, "tokens": { "tokenType": "Bearer" } }));

        let document = "mutation ($c: Boolean) { changePassword(input: { currentPassword: \"correct horse battery staple\", newPassword: \"another password\", invalidateOtherSessions: $c }) { id } }";
        app.signed_in(login).query(document).await.data("changePassword");
        assert_eq!(app.signed_in(login).query("{ viewer { sessions(status: ACTIVE) { totalCount } } }").await.data("viewer")["sessions"]["totalCount"], 1);
    }

    async fn null_is_taken_where_a_field_is_optional(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let input = json!({ "input": { "username": "ada", "email": null, "password": PASSWORD } });
        let answer = app.anonymous().run(SIGN_UP, input).await;
        let id = answer.data("signUp")["account"]["id"].clone();
        let service = app.service(&[Scope::AccountsRead, Scope::AccountsWrite]).await;
        let input = json!({ "id": id, "username": null, "email": null, "password": null, "permissions": null, "emailVerified": null, "deactivated": null });
        let answer = service.run(UPDATE_ACCOUNT, json!({ "input": input })).await;
        assert_eq!(answer.data("updateAccount"), &json!({
            "id": id, "username": "ada", "email": null, "emailVerified": false, "permissions": [], "deactivated": false,
        }));
        app.anonymous().sign_in("ada").await.data("signIn");
        for document in ["mutation { logout(input: null) }", "mutation { logout(input: { token: null }) }", "mutation { logout(input: {}) }"] {
            assert_eq!(app.anonymous().query(document).await.data("logout"), false);
        }
        let document = "{ accounts(first: null, after: null, last: null, before: null) { totalCount } }";
        assert_eq!(service.query(document).await.data("accounts")["totalCount"], 1);
    }

    async fn a_variable_that_does_not_fit_stops_the_operation_before_its_first_field(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let sign_up = "a: signUp(input: { username: \"ada\", password: \"correct horse battery staple\" }) { account { id } }";
        for (definition, field, variables) in [
            ("$t: String!", "logout(input: { token: $t })", json!({})),
            ("$t: String!", "logout(input: { token: $t })", json!({ "t": null })),
            ("$t: String", "logout(input: { token: $t })", json!({ "t": 7 })),
            ("$i: LogoutInput", "logout(input: $i)", json!({ "i": "text" })),
            ("$i: LogoutInput", "logout(input: $i)", json!({ "i": { "tokens": "x" } })),
            ("$m: InvalidateSessionsMode!, $t: String", "invalidateSessions(input: { mode: $m, token: $t })", json!({ "m": "NONE" })),
            ("$m: InvalidateSessionsMode!, $t: String", "invalidateSessions(input: { mode: $m, token: $t })", json!({ "m": 1 })),
            ("$p: [String!]!, $u: String", "createAccount(input: { permissions: $p, username: $u }) { id }", json!({ "p": ["a", null] })),
        ] {
            let answer = app.anonymous().run(&format!("mutation ({definition}) {{ {sign_up} {field} }}"), variables.clone()).await;
            assert_eq!(answer.error(), &json!({ "code": "GRAPHQL_VALIDATION_FAILED" }), "{definition} {variables}");
            assert_eq!(answer.body.get("data"), None, "{definition} {variables}");
        }
        assert_eq!(app.count("accounts").await, 0);
    }
}

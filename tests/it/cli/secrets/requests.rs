//! What is sent: every operation there is, in each place where a secret may stand, well and badly formed.

use std::process::Command;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{ORIGIN, PASSWORD, Snoop};
use crate::{live::socket::Socket, support::engine::FIREFOX};

const TOKENS: &str = "{ account { id } session { id } tokens { accessToken refreshToken } }";

fn sign_in(transport: &str) -> String {
    format!(
        "mutation ($i: String!, $p: String!) {{ signIn(input: {{ identifier: $i, password: $p, transport: {transport} }}) {TOKENS} }}"
    )
}

/// All of it.
pub(super) async fn send_all(snoop: &mut Snoop<'_>, key: &str) {
    let login = sign_up(snoop).await;
    sign_ins(snoop, &login).await;
    documents(snoop, &login, key).await;
    backend(snoop, &login, key).await;
    query_strings(snoop, &login).await;
    bodies(snoop).await;
    http2(snoop, &login);
    sockets(snoop, &login).await;
    streams(snoop, &login).await;
    ends(snoop, &login, key).await;
}

/// The first session.
struct Login {
    access: String,
    refresh: String,
    account: String,
    session: String,
    cookies: String,
}

#[track_caller]
fn text_of(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn sign_up(snoop: &mut Snoop<'_>) -> Login {
    let document = format!(
        "mutation ($p: String!) {{ signUp(input: {{ username: \"ada\", email: \"ada@example.org\", password: $p }}) {TOKENS} }}"
    );
    let answer = snoop.run(&document, json!({ "p": PASSWORD }), &[]).await;
    let login = &answer["data"]["signUp"];
    let access = text_of(&login["tokens"]["accessToken"]);
    let refresh = text_of(&login["tokens"]["refreshToken"]);
    Login {
        cookies: format!(
            "__Host-sessiongraph_access={access}; __Host-sessiongraph_refresh={refresh}"
        ),
        access,
        refresh,
        account: text_of(&login["account"]["id"]),
        session: text_of(&login["session"]["id"]),
    }
}

/// Passwords, also where they do not belong, and cookies.
async fn sign_ins(snoop: &mut Snoop<'_>, login: &Login) {
    for (identifier, password) in [
        ("ada", "TELLTALE, but wrong"),
        (PASSWORD, "TELLTALE"),
        ("ada", PASSWORD),
    ] {
        snoop
            .run(
                &sign_in("BODY"),
                json!({ "i": identifier, "p": password }),
                &[],
            )
            .await;
    }
    snoop
        .run(
            &sign_in("COOKIE"),
            json!({ "i": "ada", "p": PASSWORD }),
            &[("origin", ORIGIN)],
        )
        .await;
    let with_cookies = [("origin", ORIGIN), ("cookie", login.cookies.as_str())];
    snoop
        .run(
            "{ session { id } viewer { username } }",
            json!({}),
            &with_cookies,
        )
        .await;
    let stale = "__Host-sessiongraph_access=TELLTALE; __Host-sessiongraph_refresh=sgr_TELLTALE";
    snoop
        .run(
            "{ session { id } }",
            json!({}),
            &[("origin", ORIGIN), ("cookie", stale)],
        )
        .await;
}

/// Operations of every kind, and what is no document, or none of this schema.
const DOCUMENTS: [&str; 16] = [
    "{ session { id account { id } } viewer { id sessions { nodes { id } } } _service { sdl } }",
    "{ accounts { nodes { id } } }",
    "mutation { changePassword(input: { currentPassword: \"TELLTALE, but wrong\", newPassword: \"TELLTALE of a new password\" }) { id } }",
    "mutation { createAccount(input: { username: \"grace\", password: \"TELLTALE of grace\" }) { id } }",
    "mutation { createAccount(input: { username: \"g!\", password: \"TELLTALE\" }) { id } }",
    "mutation { refreshTokens(input: { refreshToken: \"sgr_TELLTALE\" }) { refreshOutcome } }",
    "mutation { invalidateSessions(input: { mode: ONE, token: \"TELLTALE.TELLTALE.TELLTALE\" }) }",
    "mutation { logout(input: { token: \"sgk_TELLTALE\" }) }",
    // What is no document, and what is none of this schema.
    "mutation { signIn(input: { identifier: \"ada\", password: \"TELLTALE }) { session { id } } }",
    "mutation { signIn(input: { identifier: \"ada\", password: [\"TELLTALE\"] }) { session { id } } }",
    "mutation { signIn(input: { identifier: \"ada\", pass: \"TELLTALE\" }) { session { id } } }",
    "mutation { signIn(input: { identifier: \"ada\", password: \"x\", transport: \"TELLTALE\" }) { session { id } } }",
    "{ session(token: \"TELLTALE\") { id } }",
    "{ account(by: { id: \"TELLTALE\" }) { id } }",
    "query ($p: Int = \"TELLTALE\") { accounts(first: $p) { totalCount } }",
    "TELLTALE",
];

/// All of them as everybody who may ask, and as some who may not.
async fn documents(snoop: &mut Snoop<'_>, login: &Login, key: &str) {
    for token in [
        login.access.as_str(),
        key,
        "TELLTALE",
        "sgr_TELLTALE",
        "sgk_TELLTALE",
        "e30.e30.TELLTALE",
    ] {
        let authorization = bearer(token);
        for document in DOCUMENTS {
            snoop
                .run(document, json!({}), &[("authorization", &authorization)])
                .await;
        }
    }

    let variables = [
        json!({ "input": { "identifier": "ada", "password": { "nothing": "TELLTALE" } } }),
        json!({ "input": { "identifier": "ada", "password": "TELLTALE", "nothing": "TELLTALE" } }),
        json!({ "input": ["TELLTALE"] }),
        json!({ "input": "TELLTALE" }),
    ];
    // What cannot be read beside a variable that is not given.
    for document in [
        r#"mutation ($p: String, $x: String) { signIn(input: { identifier: "ada", password: [$p, $x] }) { session { id } } }"#,
        r#"mutation ($x: String) { logout(input: { token: ["TELLTALE", $x] }) }"#,
        r#"mutation ($x: Int) { signUp(input: [{ username: "ada", password: "TELLTALE" }, $x]) { session { id } } }"#,
    ] {
        snoop.run(document, json!({ "p": "TELLTALE" }), &[]).await;
    }
    for variables in variables {
        snoop
            .run(
                "mutation ($input: SignInInput!) { signIn(input: $input) { session { id } } }",
                variables,
                &[],
            )
            .await;
    }
}

/// What a backend does.
async fn backend(snoop: &mut Snoop<'_>, login: &Login, key: &str) {
    let service = bearer(key);
    let create = format!(
        "mutation ($input: CreateSessionInput!) {{ createSession(input: $input) {TOKENS} }}"
    );
    let input = json!({ "input": { "accountId": login.account, "connectionInfo": { "ip": "192.0.2.9", "userAgent": FIREFOX } } });
    snoop
        .run(&create, input, &[("authorization", &service)])
        .await;
    let entities = "query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }";
    let representations = json!({ "r": [{ "__typename": "Session", "id": login.session }, { "__typename": "Session", "id": login.access }, { "__typename": login.refresh }] });
    snoop
        .run(entities, representations, &[("authorization", &service)])
        .await;
}

/// Tokens in query strings and paths, where they should never be, of pages too.
async fn query_strings(snoop: &mut Snoop<'_>, login: &Login) {
    let in_path = format!("/graphql/{}", login.refresh);
    for path in [
        "/graphql",
        "/playground",
        "/nothing",
        "/TELLTALE",
        &in_path,
        "/health/ready",
        "/.well-known/jwks.json",
    ] {
        let query = format!(
            "query={{viewer{{id}}}}&variables={{\"p\":\"TELLTALE\"}}&access_token={}&password=TELLTALE",
            login.access
        );
        let url = reqwest::Url::parse(&format!("{}{path}?{query}", snoop.server.url)).unwrap();
        let request = snoop
            .client
            .get(url)
            .header("authorization", bearer(&login.access));
        snoop.send(request).await;
    }
}

/// What is hardly a request.
async fn bodies(snoop: &mut Snoop<'_>) {
    let basic = format!("Basic {}", BASE64_STANDARD.encode("ada:TELLTALE"));
    let bodies = [
        ("application/json", "{\"query\": \"TELLTALE"),
        (
            "application/json",
            "{\"query\": \"{ session { id } }\", \"variables\": \"TELLTALE\"}",
        ),
        ("application/json", "[\"TELLTALE\"]"),
        ("text/plain", "TELLTALE"),
        ("application/x-www-form-urlencoded", "password=TELLTALE"),
        ("application/json; charset=TELLTALE", "{}"),
    ];
    for (media_type, body) in bodies {
        let request = snoop
            .post()
            .header("content-type", media_type)
            .header("authorization", &basic)
            .body(body);
        snoop.send(request).await;
    }
}

/// HTTP/2, whose library logs frames.
fn http2(snoop: &mut Snoop<'_>, login: &Login) {
    let sent = Command::new("curl")
        .args([
            "--silent",
            "--http2-prior-knowledge",
            "--cookie",
            &login.cookies,
            "--header",
        ])
        .args([
            &format!("authorization: Bearer {}", login.access),
            "--header",
            "origin: http://localhost:4000",
        ])
        .args(["--header", "content-type: application/json", "--data"])
        .arg(
            json!({ "query": sign_in("BODY"), "variables": { "i": "ada", "p": PASSWORD } })
                .to_string(),
        )
        .arg(format!("{}/graphql", snoop.server.url))
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&sent.stdout).unwrap();
    for token in ["accessToken", "refreshToken"] {
        let token = answer["data"]["signIn"]["tokens"][token].as_str();
        snoop.keep(token.unwrap_or_else(|| panic!("{answer:#}")));
    }
}

async fn streams(snoop: &Snoop<'_>, login: &Login) {
    let events = format!("{}/graphql", snoop.server.url);
    for accept in [
        "text/event-stream",
        "multipart/mixed;subscriptionSpec=\"1.0\"",
    ] {
        let subscription = json!({ "query": "subscription { sessionEvents { kind } }" });
        let stream = snoop
            .client
            .post(&events)
            .header("accept", accept)
            .bearer_auth(&login.access)
            .json(&subscription);
        drop(stream.send().await.unwrap());
    }
}

/// Refreshes, a theft that is noticed, and ends of other kinds.
async fn ends(snoop: &mut Snoop<'_>, login: &Login, key: &str) {
    let exchange = format!(
        "mutation ($t: String) {{ refreshTokens(input: {{ refreshToken: $t }}) {TOKENS} }}"
    );
    let first = snoop
        .run(&exchange, json!({ "t": login.refresh }), &[])
        .await;
    let second = text_of(&first["data"]["refreshTokens"]["tokens"]["refreshToken"]);
    snoop
        .run(
            &exchange,
            json!({ "t": second }),
            &[("user-agent", "curl/8")],
        )
        .await;
    snoop.run(&exchange, json!({ "t": second }), &[]).await;
    let stolen = snoop
        .run(&exchange, json!({ "t": login.refresh }), &[])
        .await;
    assert_eq!(
        stolen["errors"][0]["extensions"]["code"], "REFRESH_TOKEN_REUSED",
        "{stolen:#}"
    );
    snoop
        .run(
            "mutation ($t: String) { logout(input: { token: $t }) }",
            json!({ "t": second }),
            &[],
        )
        .await;
    let service = bearer(key);
    let update = "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { id } }";
    let input = json!({ "input": { "id": login.account, "password": "TELLTALE, set by a backend", "username": "ada" } });
    snoop
        .run(update, input, &[("authorization", &service)])
        .await;
}

async fn sockets(snoop: &mut Snoop<'_>, login: &Login) {
    let (access, refresh, cookies) = (&login.access, &login.refresh, login.cookies.as_str());
    let connect = async |headers: &[(&'static str, &str)]| {
        Socket::connect_to(&snoop.server.url, headers).await
    };
    let mut socket = connect(&[]).await.initialised(access).await;
    let payload = json!({ "query": "mutation ($t: String) { logout(input: { token: $t }) }", "variables": { "t": "sgr_TELLTALE" } });
    socket
        .send(&json!({ "type": "subscribe", "id": "1", "payload": payload }))
        .await;
    let refused = socket.next().await.to_string();
    socket
        .send(
            &json!({ "type": "ping", "payload": { "Authorization": format!("Bearer {access}") } }),
        )
        .await;
    let mut told = vec![refused];
    for message in [
        json!({ "type": "ping", "payload": { "Authorization": "TELLTALE" } }),
        json!({ "type": "ping", "payload": { "Authorization": refresh } }),
        json!({ "type": "TELLTALE", "payload": refresh }),
        json!({ "type": "subscribe", "id": 1, "payload": { "query": "TELLTALE" } }),
    ] {
        let mut socket = connect(&[("origin", ORIGIN), ("cookie", cookies)]).await;
        socket.send(&json!({ "type": "connection_init" })).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket.send(&message).await;
        told.push(format!("{:?}", socket.closed().await));
    }
    snoop.told.extend(told);
}

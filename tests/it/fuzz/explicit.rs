//! Bodies, headers and documents that are known to break servers, each with the answer that it has to get.

use axum::{
    body::Body,
    http::{HeaderValue, Request, StatusCode, header},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    app::{Answer, TestApp},
    on_each_database,
};

async fn post(app: &TestApp, body: impl Into<Vec<u8>>) -> Answer {
    let request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/graphql-response+json")
        .header(header::USER_AGENT, "test/1")
        .body(Body::from(body.into()));
    app.send(request.unwrap()).await
}

fn nested(open: &str, inner: &str, close: &str, times: usize) -> String {
    open.repeat(times) + inner + &close.repeat(times)
}

/// What a server says whose client sends these bytes, on a connection of its own, till the server closes it.
async fn raw(app: &TestApp, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(app.listen().await).await.unwrap();
    // It may have heard enough before it has read all.
    let _ = socket.write_all(bytes).await;
    let mut said = Vec::new();
    let _ = socket.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

on_each_database! {
    async fn a_body_that_is_no_json_of_a_request_is_refused(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let deep = nested("[", "", "]", 10_000);
        let deep_objects = nested(r#"{"a":"#, "1", "}", 10_000);
        let bodies: Vec<(&str, Vec<u8>)> = vec![
            ("nothing", vec![]),
            ("white space", b" \r\n\t".to_vec()),
            ("half an object", br#"{"query": "{ __typename }""#.to_vec()),
            ("more than one object", br#"{"query":"{ __typename }"}{"query":"{ __typename }"}"#.to_vec()),
            ("a comma too many", br#"{"query":"{ __typename }",}"#.to_vec()),
            ("single quotes", b"{'query':'{ __typename }'}".to_vec()),
            ("a comment", br#"{"query":"{ __typename }"} // x"#.to_vec()),
            ("a byte order mark", b"\xef\xbb\xbf{\"query\":\"{ __typename }\"}".to_vec()),
            ("UTF-16", b"\xff\xfe{\0}\0".to_vec()),
            ("a byte of no UTF-8", b"{\"query\":\"{ __typename \xff}\"}".to_vec()),
            ("an overlong zero", b"{\"query\":\"{ __typename \xc0\x80}\"}".to_vec()),
            ("a surrogate in UTF-8", b"{\"query\":\"{ __typename \xed\xa0\x80}\"}".to_vec()),
            ("a lone surrogate", br#"{"query":"{ __typename }","variables":{"a":"\ud800"}}"#.to_vec()),
            ("a surrogate the wrong way round", br#"{"query":"{ __typename }","variables":{"a":"\udc00\ud800"}}"#.to_vec()),
            ("a raw NUL", b"{\"query\":\"{ __typename }\0\"}".to_vec()),
            ("a raw NUL outside", b"\0{\"query\":\"{ __typename }\"}".to_vec()),
            ("NaN", br#"{"query":"{ __typename }","variables":{"a":NaN}}"#.to_vec()),
            ("a number over every range", br#"{"query":"{ __typename }","variables":{"a":1e999}}"#.to_vec()),
            ("10,000 arrays", deep.clone().into_bytes()),
            ("10,000 open brackets", "[".repeat(10_000).into_bytes()),
            ("10,000 objects", deep_objects.clone().into_bytes()),
            ("10,000 arrays in variables", format!(r#"{{"query":"{{ __typename }}","variables":{{"a":{deep}}}}}"#).into_bytes()),
            ("10,000 objects in extensions", format!(r#"{{"query":"{{ __typename }}","extensions":{deep_objects}}}"#).into_bytes()),
            ("null", b"null".to_vec()),
            ("a number", b"1".to_vec()),
            ("a text", br#""{ __typename }""#.to_vec()),
            ("a batch of nothing", b"[]".to_vec()),
            ("a batch in a batch", br#"[[{"query":"{ __typename }"}]]"#.to_vec()),
            ("no document", b"{}".to_vec()),
            ("a document of another type", br#"{"query":["{ __typename }"]}"#.to_vec()),
            ("variables of another type", br#"{"query":"{ __typename }","variables":"{}"}"#.to_vec()),
            ("a name of another type", br#"{"query":"{ __typename }","operationName":1}"#.to_vec()),
            ("extensions of another type", br#"{"query":"{ __typename }","extensions":[]}"#.to_vec()),
        ];
        for (what, body) in bodies {
            let answer = post(&app, body).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{what}: {:#}", answer.body);
            assert_eq!(answer.code(), "BAD_REQUEST", "{what}");
            assert_eq!(answer.headers[header::CONTENT_TYPE], "application/graphql-response+json; charset=utf-8", "{what}");
            assert_eq!(answer.body.get("data"), None, "{what}");
        }
        // The last of two members of one name counts, as everywhere in JSON's world.
        let twice = br#"{"query":"{ nothing }","query":"{ __typename }","variables":1,"variables":null}"#;
        assert_eq!(*post(&app, twice.to_vec()).await.data("__typename"), "Query");
    }

    async fn a_document_that_is_out_of_measure_is_refused(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let documents = [
            ("nothing", String::new()),
            ("a comment", "# nothing".to_owned()),
            ("a NUL", "{ __typename \0 }".to_owned()),
            ("10,000 open braces", "{".repeat(10_000)),
            ("10,000 selections", nested("{a", "", "}", 10_000)),
            ("10,000 lists", format!("{{ account(by: {}) {{ id }} }}", nested("[", "", "]", 10_000))),
            ("10,000 open lists", format!("{{ account(by: {}", "[".repeat(10_000))),
            ("10,000 input objects", format!("{{ account(by: {}) {{ id }} }}", nested("{a:", "1", "}", 10_000))),
            ("10,000 list types", format!("query($a: {}) {{ __typename }}", nested("[", "Int", "]", 10_000))),
            ("10,000 inline fragments", format!("{{ {} }}", nested("...{", "__typename", "}", 10_000))),
            ("10,000 variables", format!("query({}) {{ __typename }}", "$a: Int ".repeat(10_000))),
            ("10,000 directives", format!("{{ __typename {} }}", "@a ".repeat(10_000))),
            ("10,000 fields", format!("{{ {} }}", "nothing ".repeat(10_000))),
            ("10,000 arguments", format!("{{ account({}) {{ id }} }}", "a: 1 ".repeat(10_000))),
            ("a number without end", format!("{{ accounts(first: {}) {{ totalCount }} }}", "9".repeat(10_000))),
            ("a fraction without end", format!("{{ accounts(first: 1.{}) {{ totalCount }} }}", "9".repeat(10_000))),
            ("a name without end", format!("{{ {} }}", "a".repeat(100_000))),
            ("a text without end", format!("{{ account(by: {{ id: \"{} }}) {{ id }} }}", "a".repeat(100_000))),
            ("an escape of nothing", r#"{ account(by: { id: "\ud800" }) { id } }"#.to_owned()),
            ("an escape out of range", r#"{ account(by: { id: "\u{110000}" }) { id } }"#.to_owned()),
        ];
        for (what, document) in documents {
            let answer = post(&app, json!({ "query": document }).to_string()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{what}: {:#}", answer.body);
            for error in answer.errors() {
                let code = error["extensions"]["code"].as_str().unwrap();
                let known = ["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "QUERY_TOO_COMPLEX"];
                assert!(known.contains(&code), "{what}: {code}");
            }
            assert!(!answer.errors().is_empty(), "{what}");
        }
    }

    async fn a_nul_in_a_value_is_no_fault_of_the_database(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let service = app.service(&sessiongraph::scope::Scope::ALL).await;
        let ada = app.sign_up("ada").await;
        let id = &ada["account"]["id"];
        let nul = "a\0b";
        let asked = [
            ("query ($v: String!) { account(by: { username: $v }) { id } }", json!(nul)),
            ("query ($v: String!) { account(by: { email: $v }) { id } }", json!("a\0b@example.org")),
            ("query ($v: ID!) { account(by: { id: $v }) { id } }", json!(nul)),
            ("query ($v: String) { accounts(first: 1, after: $v) { totalCount } }", json!(nul)),
            ("mutation ($v: String!) { signIn(input: { identifier: $v, password: \"x\" }) { session { id } } }", json!(nul)),
            ("mutation ($v: String!) { signIn(input: { identifier: \"ada\", password: $v }) { session { id } } }", json!(nul)),
            ("mutation ($v: String!) { signUp(input: { username: $v, password: \"correct horse\" }) { session { id } } }", json!(nul)),
            ("mutation ($v: String!) { signUp(input: { email: $v, password: \"correct horse\" }) { session { id } } }", json!("a\0b@example.org")),
            ("mutation ($v: String!) { refreshTokens(input: { refreshToken: $v }) { refreshOutcome } }", json!(nul)),
            ("mutation ($v: String!) { logout(input: { token: $v }) }", json!(nul)),
            ("mutation ($v: ID!) { invalidateSessions(input: { mode: ONE, sessionId: $v }) }", json!(nul)),
            ("mutation ($v: ID!) { invalidateSessions(input: { mode: ALL, accountId: $v }) }", json!(nul)),
            ("mutation ($v: CreateSessionInput!) { createSession(input: $v) { session { id } } }", json!({ "accountId": id, "connectionInfo": { "ip": "::1", "userAgent": nul } })),
            ("mutation ($v: CreateSessionInput!) { createSession(input: $v) { session { id } } }", json!({ "accountId": id, "connectionInfo": { "ip": "::1", "userAgent": "x" }, "metadata": { "\0": 1 } })),
            ("mutation ($v: CreateAccountInput!) { createAccount(input: $v) { id } }", json!({ "username": "eve", "permissions": [nul] })),
            ("mutation ($v: UpdateAccountInput!) { updateAccount(input: $v) { id } }", json!({ "id": id, "email": "a\0b@example.org" })),
            ("query ($v: [_Any!]!) { _entities(representations: $v) { __typename } }", json!([{ "__typename": "Account", "id": nul }, { "__typename": nul }])),
        ];
        for (document, value) in asked {
            let answer = service.run(document, json!({ "v": value })).await;
            assert_eq!(answer.status, StatusCode::OK, "{document}");
            for error in answer.errors() {
                let code = error["extensions"]["code"].as_str().unwrap_or_default();
                assert!(!["", "INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"].contains(&code), "{document}: {error}");
                assert!(!error["message"].as_str().unwrap().contains('\0'), "{document}: {error}");
            }
        }
    }

    async fn headers_of_any_bytes_are_read_or_passed_over(database: TestDatabase) {
        let app = TestApp::with(&database, &[("trusted_proxies", "192.0.2.0/24")], |_| {}).await;
        let names = ["authorization", "cookie", "origin", "accept", "x-forwarded-for", "forwarded", "x-request-id", "user-agent", "sec-fetch-site"];
        let long = "a".repeat(60_000);
        let values: [&[u8]; 9] = [b"", b"\xff\xfe", b"\xed\xa0\x80", b"\"", b"\\", b";;;,,,===", b"\t", b"Bearer \xe9", long.as_bytes()];
        for name in names {
            for value in values {
                let request = Request::post("/graphql")
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(name, HeaderValue::from_bytes(value).unwrap())
                    .header(name, HeaderValue::from_bytes(value).unwrap())
                    .body(Body::from(r#"{"query":"{ session { id } }"}"#));
                let answer = app.send(request.unwrap()).await;
                let shown = value.escape_ascii().to_string();
                let shown = &shown[..shown.len().min(20)];
                assert!([200, 406].contains(&answer.status.as_u16()), "{name}: {shown}: {} {:#}", answer.status, answer.body);
                for error in answer.errors() {
                    let code = error["extensions"]["code"].as_str().unwrap_or_default();
                    assert!(["UNAUTHENTICATED", "BAD_REQUEST"].contains(&code), "{name}: {shown}: {error}");
                }
            }
        }
    }

    async fn what_is_hardly_http_ends_with_a_status_or_the_connection(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let line = "x-a: b\r\n";
        let head = "POST /graphql HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n";
        let said: Vec<(&str, Vec<u8>, &[&str])> = vec![
            ("5,000 headers", format!("{head}{}\r\n", line.repeat(5_000)).into(), &["431"]),
            ("a header of a megabyte", format!("{head}x-a: {}\r\n\r\n", "b".repeat(1 << 20)).into(), &["431"]),
            ("a target of 100,000 bytes", format!("GET /graphql?query={} HTTP/1.1\r\n\r\n", "a".repeat(100_000)).into(), &["414"]),
            ("two lengths", format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\n{{}}").into(), &["400"]),
            ("a length below nothing", format!("{head}content-length: -1\r\n\r\n").into(), &["400"]),
            ("a length and chunks", format!("{head}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n").into(), &["400"]),
            ("a chunk of no length", format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n").into(), &["400"]),
            ("a chunk of every length", format!("{head}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n").into(), &["400"]),
            ("a length of everything", format!("{head}content-length: 9999999999\r\n\r\n{{}}").into(), &["413"]),
            ("a NUL in a header", format!("{head}x-a: \0\r\n\r\n").into(), &["400"]),
            ("a NUL in the target", b"GET /\0 HTTP/1.1\r\n\r\n".to_vec(), &["400"]),
            ("an unknown version", b"GET / HTTP/9.9\r\n\r\n".to_vec(), &["400", ""]),
            ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), &["400", ""]),
        ];
        for (what, bytes, statuses) in said {
            let mut answer = tokio::time::timeout(std::time::Duration::from_secs(20), raw(&app, &bytes)).await.expect(what);
            answer.truncate(200);
            let status = answer.split(' ').nth(1).unwrap_or_default();
            assert!(statuses.contains(&status), "{what}: {answer:?}");
        }
        assert_eq!(*post(&app, r#"{"query":"{ __typename }"}"#).await.data("__typename"), "Query");
    }
}

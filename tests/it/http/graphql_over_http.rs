//! GraphQL over HTTP: media types, status codes, methods, bodies, batches.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use serde_json::{Value, json};

use crate::support::{
    app::{Answer, TestApp},
    engine::{FIREFOX, PASSWORD},
    on_each_database,
};

const NEW: &str = "application/graphql-response+json";
const OLD: &str = "application/json";

/// A POST with this body and these headers and no others.
async fn post(app: &TestApp, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::post("/graphql").header(header::USER_AGENT, FIREFOX);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(body.into()).unwrap()).await
}

async fn get(app: &TestApp, query: &str, accept: Option<&str>) -> Answer {
    let mut request = Request::get(format!("/graphql{query}"));
    if let Some(accept) = accept {
        request = request.header(header::ACCEPT, accept);
    }
    app.send(request.body(Body::empty()).unwrap()).await
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{:#}", answer.body);
    assert_eq!(answer.error(), &json!({ "code": "BAD_REQUEST" }));
    assert_eq!(answer.body.get("data"), None);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert!(
        answer.headers[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .contains("json")
    );
}

fn content_type(answer: &Answer) -> &str {
    answer.headers[header::CONTENT_TYPE].to_str().unwrap()
}

on_each_database! {
    async fn the_format_is_negotiated(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let body = json!({ "query": "{ __typename }" }).to_string();
        for (accept, format) in [
            (None, OLD), (Some("*/*"), OLD), (Some("application/*"), OLD), (Some(OLD), OLD), (Some(NEW), NEW),
            (Some("application/graphql-response+json, application/json"), NEW),
            (Some("application/json, application/graphql-response+json;q=0.5"), OLD),
        ] {
            let mut headers = vec![("content-type", OLD)];
            headers.extend(accept.map(|accept| ("accept", accept)));
            for answer in [post(&app, &headers, body.clone()).await, get(&app, "?query=%7B__typename%7D", accept).await] {
                assert_eq!(content_type(&answer), format!("{format}; charset=utf-8"), "{accept:?}");
                assert_eq!(answer.body, json!({ "data": { "__typename": "Query" } }));
                assert_eq!(answer.status, 200);
                assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
            }
        }
        // Only a subscription comes in parts; a stream of events may be of anything, but not over GET.
        for accept in ["text/html", "multipart/mixed;subscriptionSpec=\"1.0\"", "image/*"] {
            assert_refused(&post(&app, &[("content-type", OLD), ("accept", accept)], body.clone()).await, 406);
        }
        for accept in ["text/html", "text/event-stream", "image/*"] {
            assert_refused(&get(&app, "?query=%7B__typename%7D", Some(accept)).await, 406);
        }
    }

    async fn only_json_is_read(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let body = json!({ "query": "{ __typename }" }).to_string();
        for headers in [
            &[][..], &[("content-type", "text/plain")], &[("content-type", "application/x-www-form-urlencoded")],
            &[("content-type", "multipart/form-data; boundary=x")], &[("content-type", "application/json; charset=utf-16")],
            &[("content-type", "application/graphql")], &[("content-type", OLD), ("content-type", "text/plain")],
        ] {
            assert_refused(&post(&app, headers, body.clone()).await, 415);
        }
        for fine in ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"] {
            post(&app, &[("content-type", fine)], body.clone()).await.data("__typename");
        }
    }

    async fn a_request_that_is_never_executed_has_no_data_and_a_status_by_its_format(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for (document, variables) in [
            ("{", json!({})), ("{ nothing }", json!({})), ("query A { session { id } } query B { session { id } }", json!({})),
            ("query ($n: Int!) { accounts(first: $n) { totalCount } }", json!({})),
            ("query ($n: Int) { accounts(first: $n) { totalCount } }", json!({ "n": "x" })),
        ] {
            let body = json!({ "query": document, "variables": variables }).to_string();
            for (format, status) in [(NEW, 400), (OLD, 200)] {
                let answer = post(&app, &[("content-type", OLD), ("accept", format)], body.clone()).await;
                assert_eq!(answer.status.as_u16(), status, "{document} {format}: {:#}", answer.body);
                assert_eq!(answer.body.get("data"), None, "{document}");
                assert!(answer.code().starts_with("GRAPHQL_"), "{:#}", answer.body);
            }
        }
        // What was executed is 200 in both, whatever its fields say.
        let body = json!({ "query": "mutation { refreshTokens { refreshOutcome } }" }).to_string();
        for format in [NEW, OLD] {
            let answer = post(&app, &[("content-type", OLD), ("accept", format)], body.clone()).await;
            assert_eq!((answer.status, &answer.body["data"]), (StatusCode::OK, &json!(null)));
        }
    }

    async fn a_body_that_is_no_request_is_refused(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for body in [
            "", "{", "null", "7", "\"text\"", "{}", r#"{"query": null}"#, r#"{"query": 7}"#, r#"{"query": ["{ __typename }"]}"#,
            r#"{"query": "{ __typename }", "variables": "x"}"#, r#"{"query": "{ __typename }", "variables": [1]}"#,
            r#"{"query": "{ __typename }", "operationName": 1}"#, r#"{"query": "{ __typename }", "extensions": "x"}"#,
            "[]", "[7]", r#"[{"query": "{ __typename }"}, {}]"#, "\u{0}",
        ] {
            for format in [NEW, OLD] {
                assert_refused(&post(&app, &[("content-type", OLD), ("accept", format)], body).await, 400);
            }
        }
        assert_refused(&post(&app, &[("content-type", OLD)], vec![0xff, 0xfe]).await, 400);
        for fine in [
            r#"{"query": "{ __typename }", "variables": null, "operationName": null, "extensions": null}"#,
            r#"{"query": "query A { __typename } query B { session { id } }", "operationName": "A", "extensions": {"x": 1}, "more": 2}"#,
        ] {
            assert_eq!(post(&app, &[("content-type", OLD)], fine).await.data("__typename"), "Query");
        }
    }

    async fn a_long_body_is_refused(database: TestDatabase) {
        let app = TestApp::with(&database, &[("body_limit", "1KiB")], |_| {}).await;
        let body = |length: usize| {
            let body = json!({ "query": "{ __typename }", "variables": {}, "x": "" }).to_string();
            body.replace("\"x\":\"\"", &format!("\"x\":\"{}\"", "x".repeat(length - body.len())))
        };
        post(&app, &[("content-type", OLD)], body(1024)).await.data("__typename");
        assert_refused(&post(&app, &[("content-type", OLD)], body(1025)).await, 413);
        // The batch around it does not help, nor does a length that is not told before.
        assert_refused(&post(&app, &[("content-type", OLD)], format!("[{}]", body(1023))).await, 413);
        let chunks = futures_util::stream::iter(std::iter::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(512))).take(4));
        assert_refused(&post(&app, &[("content-type", OLD)], Body::from_stream(chunks)).await, 413);
    }

    async fn queries_may_be_asked_with_get(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let query = "?query=query%20A%20%7Bviewer%7Busername%7D%7D%20query%20B(%24i:ID!)%7Baccount(by:%7Bid:%24i%7D)%7Busername%7D%7D";
        let token = login["tokens"]["accessToken"].as_str().unwrap();
        let ask = async |rest: String| {
            let request = Request::get(format!("/graphql{query}{rest}")).header(header::AUTHORIZATION, format!("Bearer {token}"));
            app.send(request.body(Body::empty()).unwrap()).await
        };
        assert_eq!(ask("&operationName=A".into()).await.data("viewer")["username"], "ada");
        let id = login["account"]["id"].as_str().unwrap();
        let answer = ask(format!("&operationName=B&variables=%7B%22i%22:%22{id}%22%7D")).await;
        assert_eq!(answer.data("account")["username"], "ada");
        for bad in ["", "?", "?query", "?variables=%7B%7D", "?query=%7B__typename%7D&variables=x", "?query=%7B__typename%7D&variables=%5B%5D"] {
            let answer = get(&app, bad, Some(NEW)).await;
            assert_eq!(answer.status, 400, "{bad}: {:#}", answer.body);
            assert_eq!(answer.body.get("data"), None);
        }
        let answer = get(&app, "?query=%7B__typename%7D&extensions=%7B%7D&operationName=", None).await;
        assert_eq!(answer.status, 200);
    }

    async fn nothing_is_changed_with_get(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let sign_up = format!("mutation%20%7BsignUp(input:%7Busername:%22ada%22,password:%22{}%22%7D)%7Baccount%7Bid%7D%7D%7D", PASSWORD.replace(' ', "%20"));
        for query in [format!("?query={sign_up}"), format!("?query=query%20A%7B__typename%7D%20{}&operationName=M", sign_up.replacen("mutation", "mutation%20M", 1))] {
            let answer = get(&app, &query, Some(NEW)).await;
            assert_refused(&answer, 405);
            assert_eq!(answer.headers[header::ALLOW], "POST");
        }
        assert_eq!(app.count("accounts").await, 0);
        // A cookie comes with any page's GET.
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::get("/graphql?query=%7Bsession%7Bid%7D%7D").header("cookie", cookies.join("; ")).header("origin", crate::support::app::ORIGIN);
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.data("session"), &json!(null));
    }

    async fn other_methods_are_told_which_are_allowed(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD, Method::OPTIONS] {
            let request = Request::builder().method(method.clone()).uri("/graphql").header("content-type", OLD);
            let answer = app.send(request.body(Body::from(r#"{"query":"{ __typename }"}"#)).unwrap()).await;
            assert_eq!(answer.status, 405, "{method}");
            assert_eq!(answer.headers[header::ALLOW], "GET, POST", "{method}");
        }
    }

    async fn a_batch_is_answered_by_a_list_in_its_order(database: TestDatabase) {
        let app = TestApp::with(&database, &[("max_batch", "3")], |_| {}).await;
        let sign_up = json!({ "query": format!("mutation {{ signUp(input: {{ username: \"ada\", password: \"{PASSWORD}\" }}) {{ account {{ username }} }} }}") });
        let sign_in = json!({ "query": format!("mutation {{ signIn(input: {{ identifier: \"ada\", password: \"{PASSWORD}\" }}) {{ account {{ username }} }} }}") });
        let answer = app.anonymous().post(&json!([sign_up, { "query": "{" }, sign_in])).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body[0], json!({ "data": { "signUp": { "account": { "username": "ada" } } } }));
        assert_eq!(answer.body[1]["errors"][0]["extensions"]["code"], "GRAPHQL_PARSE_FAILED");
        assert_eq!(answer.body[1].get("data"), None);
        // What one writes, the next one reads.
        assert_eq!(answer.body[2], json!({ "data": { "signIn": { "account": { "username": "ada" } } } }));
        let one = json!({ "query": "query ($t: Boolean!) { session @include(if: $t) { id } __typename }", "variables": { "t": true } });
        let answer = app.anonymous().post(&json!([one])).await;
        assert_eq!(answer.body, json!([{ "data": { "session": null, "__typename": "Query" } }]));
        assert_refused(&app.anonymous().post(&json!([one, one, one, one])).await, 400);
    }

    async fn ten_operations_are_a_batch_by_default(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let one = json!({ "query": "{ __typename }" });
        let batch = |count: usize| Value::from(vec![one.clone(); count]);
        assert_eq!(app.anonymous().post(&batch(10)).await.body.as_array().unwrap().len(), 10);
        assert_refused(&app.anonymous().post(&batch(11)).await, 400);
    }
}

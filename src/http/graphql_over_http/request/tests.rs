use async_graphql::value;
use axum::http::{HeaderValue, StatusCode, header};

use super::*;

const PERSISTED: &str = r#"{"persistedQuery":{"version":1,"sha256Hash":"ab"}}"#;

fn post(body: &[u8]) -> Result<Operations, BadRequest> {
    let json = HeaderValue::from_static("application/json");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, json)]);
    read_post(&headers, body, 3)
}

fn single(body: &str) -> Request {
    match post(body.as_bytes()).unwrap() {
        Operations::Single(request) => *request,
        Operations::Batch(_) => panic!("{body} is a batch"),
    }
}

/// The message of a 400.
fn refused<T: std::fmt::Debug>(result: Result<T, BadRequest>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.status, StatusCode::BAD_REQUEST);
    assert_eq!(error.allow, None);
    error.message.into_owned()
}

#[test]
fn all_parameters_of_a_body_are_read() {
    let request = single(
        r#"{"query":"query A($a: Int) { a }","operationName":"A","variables":{"a":1,"b":{"z":null,"a":[true]}},
            "extensions":{"trace":"on"},"unknown":1}"#,
    );
    assert_eq!(request.query, "query A($a: Int) { a }");
    assert_eq!(request.operation_name.as_deref(), Some("A"));
    let variables = value!({"a": 1, "b": {"z": null, "a": [true]}});
    assert_eq!(request.variables.into_value(), variables);
    assert_eq!(request.extensions.get("trace"), Some(&value!("on")));
}

#[test]
fn optional_parameters_may_be_absent_or_null() {
    for body in [
        r#"{"query":"{ a }"}"#,
        r#"{"query":"{ a }","operationName":null,"variables":null,"extensions":null}"#,
    ] {
        let request = single(body);
        assert_eq!(request.operation_name, None);
        assert!(request.variables.is_empty() && request.extensions.is_empty());
    }
}

#[test]
fn a_body_of_another_type_is_415() {
    let no_type = read_post(&HeaderMap::new(), br#"{"query":"{ a }"}"#, 3);
    assert_eq!(
        no_type.unwrap_err().status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
}

#[test]
fn a_body_that_is_not_json_is_malformed() {
    let deep = format!("{{\"variables\":{}", "[".repeat(100_000));
    for body in [
        &b""[..],
        b"{",
        b"hunter2",
        b"{\"query\":\"hunter2\"",
        b"{\"query\":\"{ a }\"} x",
        b"{\"query\":\"\xff\"}",
        b"{\"query\":\"a\0\"}",
        b"\0",
        b"\xef\xbb\xbf{\"query\":\"{ a }\"}",
        b"{\"query\":\"{ a }\",\"variables\":{\"n\":1e400}}",
        b"{\"query\":\"{ a }\",\"variables\":{\"n\":NaN}}",
        b"{\"query\":\"\\ud800\"}",
        deep.as_bytes(),
    ] {
        let message = refused(post(body));
        assert_eq!(message, "The body is not JSON, or nested too deeply.");
    }
}

#[test]
fn a_request_has_to_be_an_object() {
    for body in [
        "null",
        "1",
        "\"{ a }\"",
        "[1]",
        "[[]]",
        "[{\"query\":\"{ a }\"}, null]",
    ] {
        let message = refused(post(body.as_bytes()));
        assert_eq!(message, "A request has to be a JSON object.", "{body}");
    }
}

#[test]
fn a_query_has_to_be_there() {
    for body in ["{}", r#"{"query":null}"#, r#"{"Query":"{ a }"}"#, "[{}]"] {
        assert_eq!(
            refused(post(body.as_bytes())),
            "`query` is missing.",
            "{body}"
        );
    }
    for extensions in [
        r#"{"persistedQuery":true}"#,
        r#"{"persistedQuery":null}"#,
        "{}",
    ] {
        let body = format!("{{\"extensions\":{extensions}}}");
        assert_eq!(
            refused(post(body.as_bytes())),
            "`query` is missing.",
            "{body}"
        );
    }
}

#[test]
fn a_persisted_query_may_be_absent() {
    for query in ["", r#""query":null,"#] {
        let request = single(&format!("{{{query}\"extensions\":{PERSISTED}}}"));
        assert_eq!(request.query, "");
        assert!(request.extensions.contains_key("persistedQuery"));
    }
}

#[test]
fn parameters_of_the_wrong_type_are_named_and_not_repeated() {
    for (name, values, expected) in [
        (
            "query",
            &["1", "true", "{}", "[\"hunter2\"]"][..],
            "a string",
        ),
        (
            "operationName",
            &["1", "false", "{}", "[\"hunter2\"]"],
            "a string or null",
        ),
        (
            "variables",
            &["1", "\"hunter2\"", "[]", "true"],
            "an object or null",
        ),
        (
            "extensions",
            &["1", "\"hunter2\"", "[]", "true"],
            "an object or null",
        ),
    ] {
        for value in values {
            let query = if name == "query" {
                ""
            } else {
                r#""query":"{ a }","#
            };
            let body = format!("{{{query}\"{name}\":{value}}}");
            let message = refused(post(body.as_bytes()));
            assert_eq!(message, format!("`{name}` has to be {expected}."), "{body}");
        }
    }
}

#[test]
fn numbers_keep_their_value_or_become_floats() {
    let body = r#"{"query":"{ a }","variables":{"a":9007199254740993,"b":-9223372036854775808,
        "c":18446744073709551615,"d":18446744073709551616}}"#;
    let variables = single(body).variables.into_value();
    let Value::Object(numbers) = &variables else {
        panic!("{variables} is no object")
    };
    let number = |name: &str| match &numbers[name] {
        Value::Number(number) => number.clone(),
        other => panic!("{other} is no number"),
    };
    assert_eq!(number("a").as_i64(), Some(9_007_199_254_740_993));
    assert_eq!(number("b").as_i64(), Some(i64::MIN));
    assert_eq!(number("c").as_u64(), Some(u64::MAX));
    assert_eq!(number("d").as_f64(), Some(18_446_744_073_709_551_616.0));
}

#[test]
fn members_of_input_objects_keep_their_order() {
    let body = r#"{"query":"{ a }","variables":{"o":{"z":1,"a":2,"m":3}}}"#;
    let variables = single(body).variables;
    assert_eq!(variables["o"].to_string(), "{z: 1, a: 2, m: 3}");
}

#[test]
fn a_batch_is_read_in_its_order() {
    let batch = post(br#"[{"query":"{ a }"},{"query":"{ b }"},{"query":"{ c }"}]"#);
    let mut operations = batch.unwrap();
    assert!(matches!(operations, Operations::Batch(_)));
    let queries: Vec<_> = operations
        .requests_mut()
        .iter()
        .map(|r| r.query.clone())
        .collect();
    assert_eq!(queries, ["{ a }", "{ b }", "{ c }"]);
    let one = post(br#"[{"query":"{ a }"}]"#).unwrap();
    assert!(matches!(one, Operations::Batch(requests) if requests.len() == 1));
    assert_eq!(
        Operations::Single(Box::new(Request::new("")))
            .requests_mut()
            .len(),
        1
    );
}

#[test]
fn a_batch_is_neither_empty_nor_too_long() {
    assert_eq!(refused(post(b"[]")), "A batch needs a request.");
    let four = format!("[{}]", [r#"{"query":"{ a }"}"#; 4].join(","));
    assert_eq!(
        refused(post(four.as_bytes())),
        "A batch may have 3 requests at most."
    );
}

#[test]
fn all_parameters_of_a_query_string_are_read() {
    let request = read_get(
        "query=query+A%7Ba%7D&operationName=A&variables=%7B%22a%22%3A1%7D&extensions=%7B%22t%22%3Anull%7D&x=1&x=2",
    );
    let request = request.unwrap();
    assert_eq!(request.query, "query A{a}");
    assert_eq!(request.operation_name.as_deref(), Some("A"));
    assert_eq!(request.variables.into_value(), value!({"a": 1}));
    assert_eq!(request.extensions.get("t"), Some(&Value::Null));
}

#[test]
fn optional_parameters_of_a_query_string_may_be_absent() {
    for query_string in [
        "query={a}",
        "query={a}&operationName=&variables=null&extensions=null",
    ] {
        let request = read_get(query_string).unwrap();
        assert_eq!(request.operation_name, None);
        assert!(request.variables.is_empty() && request.extensions.is_empty());
    }
}

#[test]
fn a_query_string_without_a_query_needs_a_persisted_one() {
    assert_eq!(refused(read_get("")), "`query` is missing.");
    assert_eq!(refused(read_get("variables={}")), "`query` is missing.");
    let encoded: String = form_urlencoded::byte_serialize(PERSISTED.as_bytes()).collect();
    assert_eq!(
        read_get(&format!("extensions={encoded}")).unwrap().query,
        ""
    );
}

#[test]
fn bad_parameters_of_a_query_string_are_named() {
    for (query_string, message) in [
        ("query={a}&variables=hunter2", "`variables` is not JSON."),
        ("query={a}&variables=", "`variables` is not JSON."),
        (
            "query={a}&variables=[]",
            "`variables` has to be an object or null.",
        ),
        ("query={a}&extensions={", "`extensions` is not JSON."),
        (
            "query={a}&extensions=1",
            "`extensions` has to be an object or null.",
        ),
        ("query={a}&query={a}", "`query` comes twice."),
        (
            "query={a}&operationName=A&operationName=B",
            "`operationName` comes twice.",
        ),
        (
            "query={a}&variables={}&variables={}",
            "`variables` comes twice.",
        ),
    ] {
        assert_eq!(refused(read_get(query_string)), message, "{query_string}");
    }
}

fn request(query: &str, name: Option<&str>) -> Request {
    let mut request = Request::new(query);
    request.operation_name = name.map(str::to_owned);
    request
}

#[test]
fn the_selected_operation_has_a_kind() {
    let several = "query Q { a } mutation M { a } subscription S { a }";
    for (document, name, expected) in [
        ("{ a }", None, Some(OperationType::Query)),
        ("mutation { a }", None, Some(OperationType::Mutation)),
        (
            "mutation M { a } fragment F on Q { a }",
            None,
            Some(OperationType::Mutation),
        ),
        (several, Some("Q"), Some(OperationType::Query)),
        (several, Some("M"), Some(OperationType::Mutation)),
        (several, Some("S"), Some(OperationType::Subscription)),
        (several, Some("X"), None),
        (several, None, None),
        ("{ a }", Some("X"), None),
        ("mutation {", None, None),
        ("", None, None),
    ] {
        let found = operation_type(&mut request(document, name));
        assert_eq!(found, expected, "{document} {name:?}");
    }
}

#[test]
fn only_queries_are_allowed_over_get() {
    for document in ["mutation { a }", "subscription { a }"] {
        let error = ensure_query_over_get(&mut request(document, None)).unwrap_err();
        assert_eq!(error.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(error.allow, Some("POST"));
    }
    let both = "query Q { a } mutation M { a }";
    assert!(ensure_query_over_get(&mut request(both, Some("M"))).is_err());
    assert!(ensure_query_over_get(&mut request(both, Some("Q"))).is_ok());
}

#[test]
fn what_execution_reports_is_let_through() {
    let deep = "{a".repeat(20_000);
    for document in ["", "mutation {", "query Q { a } mutation M { a }", &deep] {
        assert_eq!(ensure_query_over_get(&mut request(document, None)), Ok(()));
    }
}

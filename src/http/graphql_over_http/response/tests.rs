use async_graphql::{PathSegment, value};
use axum::{
    body::to_bytes,
    http::{HeaderName, HeaderValue},
};

use super::*;

fn error(code: &str) -> ServerError {
    let mut error = ServerError::new("No.", None);
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    error.extensions = Some(extensions);
    error
}

fn field_error() -> ServerError {
    error("FORBIDDEN").with_path(vec![PathSegment::Field("a".to_owned())])
}

fn failed(code: &str) -> Response {
    Response::from_errors(vec![error(code)])
}

fn single(format: Format, response: Response) -> http::Response<Body> {
    respond(format, &Responses::Single(Box::new(response)))
}

async fn text(http: http::Response<Body>) -> String {
    let bytes = to_bytes(http.into_body(), 10_000).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The status in both formats, the new one first.
fn statuses(response: impl Fn() -> Response) -> [u16; 2] {
    [Format::ResponseJson, Format::Json].map(|f| single(f, response()).status().as_u16())
}

#[tokio::test]
async fn a_result_has_data_and_no_errors() {
    let http = single(Format::ResponseJson, Response::new(value!({"a": 1})));
    assert_eq!(http.status(), StatusCode::OK);
    assert_eq!(text(http).await, r#"{"data":{"a":1}}"#);
    let nothing = single(Format::Json, Response::new(Value::Null));
    assert_eq!(text(nothing).await, r#"{"data":null}"#);
}

#[tokio::test]
async fn errors_come_first_and_extensions_last() {
    let mut response = Response::new(value!({"a": null})).extension("cost", value!(3));
    response.errors.push(field_error());
    assert_eq!(
        text(single(Format::Json, response)).await,
        r#"{"errors":[{"message":"No.","path":["a"],"extensions":{"code":"FORBIDDEN"}}],"data":{"a":null},"extensions":{"cost":3}}"#
    );
}

#[tokio::test]
async fn data_is_absent_where_nothing_was_executed() {
    for format in [Format::ResponseJson, Format::Json] {
        let http = single(format, failed("GRAPHQL_PARSE_FAILED"));
        assert_eq!(
            text(http).await,
            r#"{"errors":[{"message":"No.","extensions":{"code":"GRAPHQL_PARSE_FAILED"}}]}"#
        );
    }
}

#[tokio::test]
async fn data_is_null_where_an_executed_field_nulls_all() {
    let nulled = || Response::from_errors(vec![field_error()]);
    assert_eq!(statuses(nulled), [200, 200]);
    let http = single(Format::ResponseJson, nulled());
    assert!(text(http).await.ends_with(r#","data":null}"#));
}

#[test]
fn what_was_executed_is_200() {
    let partly = || {
        let mut response = Response::new(value!({"a": null}));
        response.errors = vec![
            field_error(),
            error("SERVICE_UNAVAILABLE"),
            error("BAD_REQUEST"),
        ];
        response
    };
    assert_eq!(statuses(partly), [200, 200]);
}

#[test]
fn what_was_never_executed_depends_on_format_and_code() {
    for (code, expected) in [
        ("GRAPHQL_PARSE_FAILED", [400, 200]),
        ("GRAPHQL_VALIDATION_FAILED", [400, 200]),
        ("QUERY_TOO_COMPLEX", [400, 200]),
        ("PERSISTED_QUERY_NOT_FOUND", [200, 200]),
        ("BAD_REQUEST", [400, 400]),
        ("SERVICE_UNAVAILABLE", [503, 503]),
    ] {
        assert_eq!(statuses(|| failed(code)), expected, "{code}");
    }
    let without_code = || Response::from_errors(vec![ServerError::new("No.", None)]);
    assert_eq!(statuses(without_code), [400, 200]);
}

#[tokio::test]
async fn a_batch_is_answered_by_a_list_and_200() {
    let batch = vec![Response::new(value!({"a": 1})), failed("BAD_REQUEST")];
    let http = respond(Format::ResponseJson, &Responses::Batch(batch));
    assert_eq!(http.status(), StatusCode::OK);
    assert_eq!(
        text(http).await,
        r#"[{"data":{"a":1}},{"errors":[{"message":"No.","extensions":{"code":"BAD_REQUEST"}}]}]"#
    );
}

#[test]
fn every_answer_has_a_type_and_is_not_stored() {
    for (format, content_type) in [
        (Format::Json, "application/json; charset=utf-8"),
        (
            Format::ResponseJson,
            "application/graphql-response+json; charset=utf-8",
        ),
    ] {
        let not_ours = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html")),
            (header::CACHE_CONTROL, HeaderValue::from_static("public")),
        ];
        let executed = Response::new(Value::Null).http_headers(not_ours.into_iter().collect());
        for http in [
            single(format, executed),
            respond(format, &Responses::Batch(vec![failed("BAD_REQUEST")])),
            refuse(format, &BadRequest::malformed("No.")),
        ] {
            let lines: Vec<_> = http
                .headers()
                .get_all(header::CONTENT_TYPE)
                .iter()
                .collect();
            assert_eq!(lines, [content_type]);
            let lines: Vec<_> = http
                .headers()
                .get_all(header::CACHE_CONTROL)
                .iter()
                .collect();
            assert_eq!(lines, ["no-store"]);
        }
    }
}

#[test]
fn headers_of_all_responses_are_kept_and_stay_sensitive() {
    let cookie = |text: &'static str| {
        let mut value = HeaderValue::from_static(text);
        value.set_sensitive(true);
        (header::SET_COOKIE, value)
    };
    let with = |headers: Vec<(HeaderName, HeaderValue)>| {
        Response::new(Value::Null).http_headers(headers.into_iter().collect())
    };
    let batch = vec![
        with(vec![cookie("a=1"), cookie("b=2")]),
        with(vec![cookie("c=3")]),
    ];
    let http = respond(Format::Json, &Responses::Batch(batch));
    let cookies: Vec<_> = http.headers().get_all(header::SET_COOKIE).iter().collect();
    assert_eq!(cookies, ["a=1", "b=2", "c=3"]);
    assert!(cookies.iter().all(|c| c.is_sensitive()));
}

#[tokio::test]
async fn a_refusal_has_its_status_in_both_formats() {
    for (refusal, status) in [
        (BadRequest::malformed("No."), 400),
        (BadRequest::method_not_allowed("POST"), 405),
        (BadRequest::not_acceptable(), 406),
        (BadRequest::too_large(10), 413),
        (BadRequest::unsupported_media_type(), 415),
    ] {
        for format in [Format::ResponseJson, Format::Json] {
            let http = refuse(format, &refusal);
            assert_eq!(http.status().as_u16(), status);
            let allow = http.headers().get(header::ALLOW);
            assert_eq!(allow.is_some(), status == 405);
            let expected = format!(
                r#"{{"errors":[{{"message":"{refusal}","extensions":{{"code":"BAD_REQUEST"}}}}]}}"#
            );
            assert_eq!(text(http).await, expected);
        }
    }
    let allow = refuse(Format::Json, &BadRequest::method_not_allowed("GET, POST"));
    assert_eq!(allow.headers()[header::ALLOW], "GET, POST");
}

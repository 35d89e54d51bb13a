//! Which bodies are JSON: what cookies and GraphQL over HTTP both depend on.

use axum::http::{HeaderMap, header};
use mime::Mime;

/// Whether the body is JSON in UTF-8, which it is only by a `Content-Type` of `application/json`.
///
/// # Why
///
/// Every other type, and none, is what a foreign page can send without asking first, with cookies.
#[must_use]
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    // What nearly every client says, and nothing else, needs no parser.
    if only == mime::APPLICATION_JSON.essence_str() {
        return true;
    }
    let Some(media) = only.to_str().ok().and_then(media_type) else {
        return false;
    };
    media.essence_str() == mime::APPLICATION_JSON.essence_str() && is_utf_8(&media)
}

/// Parses one media type or range. The parser wants no space before a semicolon; RFC 9110 allows it.
pub(super) fn media_type(text: &str) -> Option<Mime> {
    let parts: Vec<_> = text.split(';').map(str::trim).collect();
    parts.join(";").parse().ok()
}

pub(super) fn is_utf_8(media: &Mime) -> bool {
    media
        .get_param(mime::CHARSET)
        .is_none_or(|charset| charset == mime::UTF_8)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: &header::HeaderName, lines: &[&str]) -> HeaderMap {
        let lines = lines.iter().map(|l| HeaderValue::from_str(l).unwrap());
        lines.map(|line| (name.clone(), line)).collect()
    }

    #[test]
    fn json_in_utf_8_is_read() {
        for content_type in [
            "application/json",
            "APPLICATION/JSON",
            "application/json;",
            "application/json; charset=utf-8",
            "application/json ;charset=\"UTF-8\"",
            "application/json; profile=x; charset=Utf-8",
        ] {
            let headers = headers(&header::CONTENT_TYPE, &[content_type]);
            assert!(is_json(&headers), "{content_type}");
        }
    }

    #[test]
    fn other_bodies_are_not_read() {
        for content_type in [
            "",
            "text/plain",
            "multipart/form-data; boundary=application/json",
            "application/x-www-form-urlencoded",
            "application/graphql-response+json",
            "application/json; charset=iso-8859-1",
            "application/json, text/plain",
            "text/plain; application/json",
            "application/*",
        ] {
            let headers = headers(&header::CONTENT_TYPE, &[content_type]);
            assert!(!is_json(&headers), "{content_type}");
        }
        assert!(!is_json(&HeaderMap::new()));
        let twice = ["application/json", "application/json"];
        assert!(!is_json(&headers(&header::CONTENT_TYPE, &twice)));
    }
}

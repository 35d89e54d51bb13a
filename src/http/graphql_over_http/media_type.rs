//! Media types: the format that an answer gets, and the bodies that are read.

use std::cmp::Ordering;

use axum::http::{HeaderMap, HeaderValue, header};
use mime::Mime;

use super::BadRequest;
use crate::http::json_body::{is_utf_8, media_type};

/// The format of an answer to a query or mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/graphql-response+json`: the status says whether the request was executed.
    ResponseJson,
    /// `application/json`, for older clients: 200 for every answer that GraphQL gives.
    Json,
}

impl Format {
    const fn essence(self) -> &'static str {
        match self {
            Self::ResponseJson => "application/graphql-response+json",
            Self::Json => "application/json",
        }
    }

    /// The value of the `Content-Type` header for this format.
    #[must_use]
    pub(crate) const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::ResponseJson => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }
}

/// The format in which the client wants its answer.
///
/// The one with the higher quality. Where both have the same, `application/graphql-response+json` if
/// it is listed by name, and `application/json` for wildcards; that one without `Accept` too.
/// Elements that are no media range are passed over.
///
/// # Errors
///
/// 406 if neither format is acceptable. That includes `text/event-stream` and `multipart/mixed`
/// by themselves: they are for subscriptions.
pub(crate) fn negotiate(headers: &HeaderMap) -> Result<Format, BadRequest> {
    let Some(ranges) = accepted(headers) else {
        return Ok(Format::Json);
    };
    let response_json = Preference::of(Format::ResponseJson, &ranges);
    let json = Preference::of(Format::Json, &ranges);
    let is_new = match (response_json, json) {
        (None, None) => return Err(BadRequest::not_acceptable()),
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (Some(new), Some(old)) => match new.quality.cmp(&old.quality) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal => new.specificity == Specificity::Named,
        },
    };
    Ok(if is_new {
        Format::ResponseJson
    } else {
        Format::Json
    })
}

/// How closely a media range describes a format: the closest range decides (RFC 9110, 12.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    /// `*/*`
    Anything,
    /// `application/*`
    Application,
    Named,
}

/// How much a client wants a format that it accepts.
struct Preference {
    specificity: Specificity,
    quality: Quality,
}

impl Preference {
    /// None where the client does not accept the format.
    fn of(format: Format, ranges: &[Range]) -> Option<Self> {
        let matching = ranges.iter().filter_map(|range| {
            let specificity = range.specificity(format)?;
            Some((specificity, range.quality))
        });
        let (specificity, quality) = matching.max()?;
        (quality > Quality(0)).then_some(Self {
            specificity,
            quality,
        })
    }
}

/// The weight of a media range, in thousandths (RFC 9110, 12.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Quality(u16);

impl Quality {
    const FULL: Self = Self(1000);

    /// Reads `0`, `0.5`, `1.000`; none for anything else.
    fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let is_number = decimals.len() <= 3 && decimals.bytes().all(|b| b.is_ascii_digit());
        if !is_number || !matches!(whole, "0" | "1") {
            return None;
        }
        let thousandths = format!("{whole}{decimals:0<3}").parse().ok()?;
        (thousandths <= 1000).then_some(Self(thousandths))
    }
}

/// An element of `Accept`.
struct Range {
    media: Mime,
    quality: Quality,
}

impl Range {
    fn parse(element: &str) -> Option<Self> {
        let media = media_type(element)?;
        let quality = match media.get_param("q") {
            Some(text) => Quality::parse(text.as_str())?,
            None => Quality::FULL,
        };
        Some(Self { media, quality })
    }

    /// None where the range does not include the format.
    fn specificity(&self, format: Format) -> Option<Specificity> {
        match self.media.essence_str() {
            "*/*" => Some(Specificity::Anything),
            "application/*" => Some(Specificity::Application),
            named if named == format.essence() && is_utf_8(&self.media) => Some(Specificity::Named),
            _ => None,
        }
    }
}

/// The media ranges that the client accepts by name or wildcard, in its order.
pub(crate) fn accepted_media(headers: &HeaderMap) -> impl Iterator<Item = Mime> {
    let ranges = accepted(headers).unwrap_or_default().into_iter();
    ranges
        .filter(|range| range.quality > Quality(0))
        .map(|range| range.media)
}

/// What the client accepts; none if it says nothing about it.
fn accepted(headers: &HeaderMap) -> Option<Vec<Range>> {
    let lines = headers.get_all(header::ACCEPT).iter();
    let mut elements = lines
        .flat_map(|line| line.to_str().unwrap_or("?").split(','))
        .filter(|element| !element.trim().is_empty())
        .peekable();
    elements.peek()?;
    Some(elements.filter_map(Range::parse).collect())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn headers(name: &header::HeaderName, lines: &[&str]) -> HeaderMap {
        let lines = lines.iter().map(|l| HeaderValue::from_str(l).unwrap());
        lines.map(|line| (name.clone(), line)).collect()
    }

    fn negotiated(lines: &[&str]) -> Option<Format> {
        match negotiate(&headers(&header::ACCEPT, lines)) {
            Ok(format) => Some(format),
            Err(error) => {
                assert_eq!(error.status, StatusCode::NOT_ACCEPTABLE);
                None
            }
        }
    }

    #[test]
    fn without_wishes_the_answer_is_json() {
        for lines in [&[][..], &[""], &["", " , "]] {
            assert_eq!(negotiated(lines), Some(Format::Json), "{lines:?}");
        }
    }

    #[test]
    fn a_format_is_given_where_asked_for() {
        for (accept, format) in [
            ("application/json", Format::Json),
            ("Application/JSON; Charset=UTF-8", Format::Json),
            ("application/json ; charset=\"utf-8\" ; q=0.5", Format::Json),
            ("application/graphql-response+json", Format::ResponseJson),
            (
                "application/GraphQL-Response+json;charset=utf-8",
                Format::ResponseJson,
            ),
            ("application/json;profile=x", Format::Json),
        ] {
            assert_eq!(negotiated(&[accept]), Some(format), "{accept}");
        }
    }

    #[test]
    fn wildcards_get_json() {
        for accept in [
            "*/*",
            "application/*",
            "*/*;q=0.1",
            "application/*;q=0.001",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/json, */*",
            "text/event-stream, */*",
        ] {
            assert_eq!(negotiated(&[accept]), Some(Format::Json), "{accept}");
        }
    }

    #[test]
    fn of_two_equal_formats_the_new_one_is_given_if_it_is_named() {
        for accept in [
            "application/graphql-response+json, application/json",
            "application/json, application/graphql-response+json",
            "application/graphql-response+json;q=0.5, application/json;q=0.5",
            "application/graphql-response+json, */*",
        ] {
            assert_eq!(
                negotiated(&[accept]),
                Some(Format::ResponseJson),
                "{accept}"
            );
        }
        let lines = ["application/json", "application/graphql-response+json"];
        assert_eq!(negotiated(&lines), Some(Format::ResponseJson));
    }

    #[test]
    fn the_higher_quality_wins() {
        for (accept, format) in [
            (
                "application/graphql-response+json;q=0.9, application/json",
                Format::Json,
            ),
            ("application/graphql-response+json;q=0.9, */*", Format::Json),
            (
                "application/json;q=0.999, application/graphql-response+json;q=1.0",
                Format::ResponseJson,
            ),
            (
                "application/json;q=0.2, application/*;q=0.3",
                Format::ResponseJson,
            ),
        ] {
            assert_eq!(negotiated(&[accept]), Some(format), "{accept}");
        }
    }

    #[test]
    fn quality_zero_excludes() {
        let not_new = "application/graphql-response+json;q=0, */*";
        assert_eq!(negotiated(&[not_new]), Some(Format::Json));
        let not_old = "application/json;q=0.0, */*;q=0.1";
        assert_eq!(negotiated(&[not_old]), Some(Format::ResponseJson));
        for accept in [
            "*/*;q=0",
            "application/json;q=0.000",
            "application/*;q=0, */*",
        ] {
            assert_eq!(negotiated(&[accept]), None, "{accept}");
        }
    }

    #[test]
    fn other_formats_are_not_acceptable() {
        for accept in [
            "text/html",
            "text/event-stream",
            "multipart/mixed;subscriptionSpec=\"1.0\"",
            "application/json;charset=utf-16",
            "text/*",
            "garbage",
            "application/json;q=2",
            "application/json;q=-1",
            "application/json;q=nan",
            "application/json;q=0.0001",
        ] {
            assert_eq!(negotiated(&[accept]), None, "{accept}");
        }
        let bytes = HeaderValue::from_bytes(b"\xff").unwrap();
        let headers = HeaderMap::from_iter([(header::ACCEPT, bytes)]);
        assert_eq!(negotiate(&headers), Err(BadRequest::not_acceptable()));
    }

    #[test]
    fn an_element_that_is_no_range_is_passed_over() {
        assert_eq!(
            negotiated(&["garbage, application/json"]),
            Some(Format::Json)
        );
        assert_eq!(
            negotiated(&["text/plain;x=\", application/json"]),
            Some(Format::Json)
        );
    }
}

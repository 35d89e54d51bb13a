//! Subscriptions over plain HTTP: server-sent events (graphql-sse, "distinct connections mode"), and multipart responses
//! as Apollo's clients and router ask for them.

use std::{sync::Arc, time::Duration};

use async_graphql::{Request, Response};
use axum::{
    body::{Body, Bytes},
    http::{self, HeaderMap, HeaderValue, header},
    response::{
        IntoResponse, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;

use super::operation;
use crate::{
    http::{
        App,
        graphql_over_http::{Answer, NO_STORE, accepted_media},
    },
    request::SessionRequest,
};

/// How often a silent stream shows that it lives; proxies cut one that does not.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const BOUNDARY: &str = "graphql";
const MULTIPART: &str = "multipart/mixed; boundary=\"graphql\"; subscriptionSpec=\"1.0\"";

/// How a stream of responses is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamFormat {
    /// `text/event-stream`.
    EventStream,
    /// `multipart/mixed; subscriptionSpec="1.0"`.
    Multipart,
}

/// The stream that a client accepts, if it accepts one.
pub(crate) fn stream_format(headers: &HeaderMap) -> Option<StreamFormat> {
    accepted_media(headers).find_map(|media| match media.essence_str() {
        "text/event-stream" => Some(StreamFormat::EventStream),
        "multipart/mixed" if media.get_param("subscriptionSpec").is_some() => {
            Some(StreamFormat::Multipart)
        }
        _ => None,
    })
}

/// Runs a subscription and writes its responses as they come. The stream completes when the caller's token expires.
pub(crate) fn subscribe(
    app: &Arc<App>,
    format: StreamFormat,
    request: Request,
    session_request: SessionRequest,
    id: Arc<str>,
) -> http::Response<Body> {
    // The headers are gone before anything is executed: no cookie can ride on them.
    let session_request = SessionRequest {
        has_response_headers: false,
        ..session_request
    };
    let responses = until_token_end(
        app,
        session_request.clone(),
        operation::run(Arc::clone(app), request, session_request, id),
    );
    match format {
        StreamFormat::EventStream => event_stream(responses),
        StreamFormat::Multipart => multipart(responses),
    }
}

/// The one response of a query or mutation, as a stream of events that is complete with it.
pub(crate) fn event(response: Response) -> http::Response<Body> {
    event_stream(stream::iter([response]))
}

/// A subscription ends with its token, and with the server.
fn until_token_end(
    app: &Arc<App>,
    request: SessionRequest,
    responses: impl Stream<Item = Response> + Send + 'static,
) -> impl Stream<Item = Response> + Send + 'static {
    let app = Arc::clone(app);
    let end = async move {
        let ends_at = app.sessions.token_end(&request).await;
        let left = ends_at.map(|at| {
            (at - app.sessions.clock().now())
                .to_std()
                .unwrap_or_default()
        });
        tokio::select! {
            () = app.shutdown.cancelled() => {}
            () = async {
                match left {
                    Some(left) => tokio::time::sleep(left).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    };
    responses.take_until(Box::pin(end))
}

fn event_stream(responses: impl Stream<Item = Response> + Send + 'static) -> http::Response<Body> {
    let events = responses
        .map(|response| {
            Event::default()
                .event("next")
                .data(json!(Answer::from(&response)).to_string())
        })
        .chain(stream::once(async {
            Event::default().event("complete").data("{}")
        }))
        .map(Ok::<_, std::convert::Infallible>);
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, NO_STORE);
    response
}

/// Each part is followed by the delimiter of the next one at once: clients take a part for whole when they see that.
fn multipart(responses: impl Stream<Item = Response> + Send + 'static) -> http::Response<Body> {
    let part = |body: String| {
        let text = format!("\r\ncontent-type: application/json\r\n\r\n{body}\r\n--{BOUNDARY}");
        Bytes::from(text)
    };
    let beats = stream::unfold((), |()| async {
        tokio::time::sleep(KEEP_ALIVE).await;
        Some((Some("{}".to_owned()), ()))
    });
    let bodies = responses
        .map(|response| Some(json!({ "payload": Answer::from(&response) }).to_string()))
        .chain(stream::once(async { None }));
    let parts = stream::select(bodies, beats)
        .take_while(|body| std::future::ready(body.is_some()))
        .filter_map(move |body| std::future::ready(body.map(part)));
    let written = stream::once(async { Bytes::from(format!("\r\n--{BOUNDARY}")) })
        .chain(parts)
        .chain(stream::once(async { Bytes::from_static(b"--\r\n") }));
    let mut response = http::Response::new(Body::from_stream(
        written.map(Ok::<_, std::convert::Infallible>),
    ));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MULTIPART));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    response
}

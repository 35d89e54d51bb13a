//! `/graphql`.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use async_graphql::{Request, Response, parser::types::OperationType};
use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::{ConnectInfo, RawQuery, State},
    http::{self, HeaderMap, Method, header, request::Parts},
};
use futures_util::future::join_all;
use tokio::time::timeout;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::{
    decompression::RequestDecompressionLayer, request_id::RequestId as HttpRequestId,
};
use tracing::Instrument;

use super::{
    App,
    graphql_over_http::{
        BadRequest, Format, Operations, Responses, ensure_query_over_get, negotiate, read_get,
        read_post, refuse, respond,
    },
    json_body::is_json,
    live::{self, StreamFormat, stream_format},
};
use crate::{
    error::Error,
    graphql::{self, document::operation_type, requested},
    request::SessionRequest,
};

type HttpResponse = http::Response<Body>;

/// `POST /graphql`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: axum::extract::Request,
) -> HttpResponse {
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        Box::pin(post_encoded(app, peer, request)).await
    } else {
        post_plain(&app, peer, request).await
    }
}

/// One whose body is compressed; few are, and no other pays for it.
async fn post_encoded(
    app: Arc<App>,
    peer: SocketAddr,
    request: axum::extract::Request,
) -> HttpResponse {
    let plain = service_fn(move |request: http::Request<_>| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(post_plain(&app, peer, request.map(Body::new)).await) }
    });
    let decompressing = RequestDecompressionLayer::new().layer(plain);
    let Ok(response) = decompressing.oneshot(request).await;
    in_form(response)
}

async fn post_plain(
    app: &Arc<App>,
    peer: SocketAddr,
    request: axum::extract::Request,
) -> HttpResponse {
    let (parts, body) = request.into_parts();
    let stream = stream_format(&parts.headers);
    let negotiated = negotiate(&parts.headers);
    // Until it is known whether it is a stream: what is refused is refused in JSON.
    let format = *negotiated.as_ref().unwrap_or(&Format::Json);
    if let (Err(refusal), None) = (&negotiated, stream) {
        return refuse(format, refusal);
    }
    let session_request = app
        .http
        .request(Some(peer.ip()), &parts.method, &parts.headers);
    let id = request_id(&parts);
    let read = async {
        // Nothing of a body that cannot be read anyway.
        if !is_json(&parts.headers) {
            return Err(BadRequest::unsupported_media_type());
        }
        // One that says itself that it is too long is not waited for.
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > app.body_limit {
            return Err(BadRequest::too_large(app.body_limit));
        }
        let body = to_bytes(body, app.body_limit)
            .await
            .map_err(|error| unreadable(&error, app.body_limit))?;
        let mut read = read_post(&parts.headers, &body, app.max_batch)?;
        for request in read.requests_mut() {
            read_document(app, request);
        }
        Ok(read)
    };
    let Some(stream) = stream else {
        let write = |answered| in_json(format, answered);
        return answer(app, write, id, session_request, read).await;
    };
    let Ok(mut read) = timeout(app.request_timeout, read).await else {
        return respond(format, &took_too_long(&id));
    };
    let subscribes = match &mut read {
        Ok(Operations::Single(request)) => {
            operation_type(request) == Some(OperationType::Subscription)
        }
        _ => false,
    };
    let only_events = negotiated.is_err() && stream == StreamFormat::EventStream;
    match read {
        Ok(Operations::Single(request)) if subscribes => {
            live::subscribe(app, stream, *request, session_request, id)
        }
        Ok(Operations::Single(request)) if only_events => {
            let write = |answered| match answered {
                Ok(Responses::Single(response)) => live::event(*response),
                answered => in_json(format, answered),
            };
            let read = async { Ok(Operations::Single(request)) };
            Box::pin(answer(app, write, id, session_request, read)).await
        }
        Ok(_) if negotiated.is_err() => refuse(format, &BadRequest::not_acceptable()),
        read => {
            let write = |answered| in_json(format, answered);
            Box::pin(answer(app, write, id, session_request, async { read })).await
        }
    }
}

/// `GET /graphql`: queries only, and without cookies, which a foreign page could have sent; and the way to a WebSocket, which
/// over HTTP/2 is `CONNECT /graphql`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
    request: axum::extract::Request,
) -> HttpResponse {
    let (mut parts, _) = request.into_parts();
    if let Some(upgraded) = live::upgrade(&app, peer, &mut parts).await {
        return upgraded;
    }
    let headers: &HeaderMap = &parts.headers;
    let format = match negotiate(headers) {
        Ok(format) => format,
        Err(refusal) => return refuse(Format::Json, &refusal),
    };
    let session_request = app.http.request(Some(peer.ip()), &Method::GET, headers);
    let id = request_id(&parts);
    let write = |answered| in_json(format, answered);
    answer(&app, write, id, session_request, async {
        let mut request = read_get(query.as_deref().unwrap_or_default())?;
        read_document(&app, &mut request);
        ensure_query_over_get(&mut request)?;
        Ok(Operations::Single(Box::new(request)))
    })
    .await
}

/// Any other method.
pub(super) async fn method_not_allowed() -> HttpResponse {
    refuse(Format::Json, &BadRequest::method_not_allowed("GET, POST"))
}

/// What the decompression answers by itself (a body in an encoding that nobody reads) gets the form of our own answers.
fn in_form<B>(response: http::Response<B>) -> HttpResponse
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    if response.headers().contains_key(header::CONTENT_TYPE) || !response.status().is_client_error()
    {
        return response.map(Body::new);
    }
    let refusal = BadRequest {
        status: response.status(),
        message: "The body is in an encoding that is not read here: gzip and br are.".into(),
        allow: None,
    };
    refuse(Format::Json, &refusal)
}

/// The answer to a request whose handling panicked; the panic itself is in the log.
pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> HttpResponse {
    let answer = graphql::refusal(Error::internal("a request's handling panicked"), None);
    respond(Format::Json, &Responses::Single(Box::new(answer)))
}

/// Executes what was read, and writes the answer: only then is it known which cookies go with it.
async fn answer(
    app: &App,
    write: impl FnOnce(Result<Responses, BadRequest>) -> HttpResponse,
    id: Arc<str>,
    session_request: SessionRequest,
    read: impl Future<Output = Result<Operations, BadRequest>>,
) -> HttpResponse {
    // Dropped with this future, when the answer is there or nobody waits for it any more.
    let _gone = session_request.client_gone.clone().drop_guard();
    // In its own place, for it is large: the futures around this one are moved.
    let executed = Box::pin(async {
        let mut operations = read.await?;
        for request in operations.requests_mut() {
            request.data.insert(session_request.clone());
            request.data.insert(graphql::RequestId(Arc::clone(&id)));
        }
        Ok(execute(app, operations, &id).await)
    });
    let answered = timeout(app.request_timeout, executed).await;
    let mut response = write(answered.unwrap_or_else(|_| Ok(took_too_long(&id))));
    for cookie in app.http.set_cookies(&session_request) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn in_json(format: Format, answered: Result<Responses, BadRequest>) -> HttpResponse {
    match answered {
        Ok(responses) => respond(format, &responses),
        Err(refusal) => refuse(format, &refusal),
    }
}

fn took_too_long(id: &str) -> Responses {
    let answer = graphql::refusal(Error::unavailable(), Some(id));
    Responses::Single(Box::new(answer))
}

fn request_id(parts: &Parts) -> Arc<str> {
    let id = parts.extensions.get::<HttpRequestId>();
    id.and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default()
        .into()
}

async fn execute(app: &App, operations: Operations, id: &str) -> Responses {
    match operations {
        Operations::Single(request) => {
            Responses::Single(Box::new(execute_one(app, request, id).await))
        }
        Operations::Batch(requests) => {
            Responses::Batch(Box::pin(execute_batch(app, requests, id)).await)
        }
    }
}

async fn execute_batch(app: &App, mut requests: Vec<Request>, id: &str) -> Vec<Response> {
    let writes = requests
        .iter_mut()
        .any(|request| operation_type(request) == Some(OperationType::Mutation));
    let mut responses = Vec::with_capacity(requests.len());
    if writes {
        // In order: what one writes, the next one reads.
        for request in requests {
            responses.push(execute_one(app, Box::new(request), id).await);
        }
    } else {
        responses = join_all(
            requests
                .into_iter()
                .map(|request| execute_one(app, Box::new(request), id)),
        )
        .await;
    }
    responses
}

/// Reads a request's document before it is asked what it does. What there is to complain about, execution says.
pub(super) fn read_document(app: &App, request: &mut Request) {
    let _ = app.documents.read(request);
}

/// A mutation runs to its end: a client that goes away in the middle cancels no write half-way.
///
/// A request is large, and an `async fn` has two places for what is handed to it.
pub(super) async fn execute_one(app: &App, mut request: Box<Request>, id: &str) -> Response {
    let mut running = requested::begin(&app.requests, &mut request, id);
    let span = running.span();
    let response = if span.is_disabled() {
        execute_read(app, request, id).await
    } else {
        let execution = execute_read(app, request, id).instrument(span.clone());
        Box::pin(execution).await
    };
    running.answered(&response);
    response
}

async fn execute_read(app: &App, mut request: Box<Request>, id: &str) -> Response {
    if operation_type(&mut request) != Some(OperationType::Mutation) {
        return Box::pin(app.schema.execute(*request)).await;
    }
    let schema = app.schema.clone();
    let execution = Box::pin(async move { Ok(schema.execute(*request).await) });
    match app.sessions.to_the_end(execution).await {
        Ok(response) => response,
        Err(error) => graphql::refusal(error, Some(id)),
    }
}

fn unreadable(error: &axum::Error, limit: usize) -> BadRequest {
    let too_large = std::iter::successors(std::error::Error::source(error), |error| error.source())
        .any(<dyn std::error::Error + 'static>::is::<http_body_util::LengthLimitError>);
    if too_large {
        BadRequest::too_large(limit)
    } else {
        BadRequest::malformed("The body could not be read.")
    }
}

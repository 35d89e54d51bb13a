//! One operation of a connection.

use std::{sync::Arc, task::Poll};

use async_graphql::{Request, Response, parser::types::OperationType};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::timeout;

use crate::{
    error::Error,
    graphql::{self, Opened, document::operation_type, requested},
    http::{
        App,
        endpoint::{execute_one, read_document},
    },
    request::SessionRequest,
    traces,
};

/// Whether a request subscribes.
pub(super) fn subscribes(app: &App, request: &mut Request) -> bool {
    read_document(app, request);
    operation_type(request) == Some(OperationType::Subscription)
}

/// Runs an operation: a subscription has many responses, everything else has one, within the time of any request.
pub(super) fn run(
    app: Arc<App>,
    mut request: Request,
    session_request: SessionRequest,
    id: Arc<str>,
) -> impl Stream<Item = Response> + Send + 'static {
    let subscribes = subscribes(&app, &mut request);
    let mut request = request
        .data(session_request)
        .data(graphql::RequestId(Arc::clone(&id)));
    if subscribes {
        let mut running = requested::begin(&app.requests, &mut request, &id);
        running.subscribed();
        let opened = Opened::default();
        let mut responses = app.schema.execute_stream(request.data(opened.clone()));
        let followed = stream::poll_fn(move |context| {
            let polled = running
                .span()
                .in_scope(|| responses.poll_next_unpin(context));
            if let Poll::Ready(Some(response)) = &polled {
                running.answered(response);
            }
            // It may stay open for days, and nobody sees a span before it has ended.
            if polled.is_ready() || opened.is_set() {
                running.end_span();
            }
            polled
        });
        return followed.left_stream();
    }
    let answered = async move {
        let executed = execute_one(&app, Box::new(request), &id);
        match timeout(app.request_timeout, executed).await {
            Ok(response) => response,
            Err(_) => graphql::refusal(Error::unavailable(), Some(&id)),
        }
    };
    // Nothing of it is polled by who asks for it.
    stream::once(traces::carried(answered)).right_stream()
}

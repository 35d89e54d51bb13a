//! One operation of a connection.

use std::sync::Arc;

use async_graphql::{Request, Response, parser::types::OperationType};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::timeout;

use crate::{
    error::Error,
    graphql::{
        self,
        document::operation_type,
        requested::{self, first_code},
    },
    http::{
        App,
        endpoint::{execute_one, read_document},
    },
    request::SessionRequest,
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
    id: String,
) -> impl Stream<Item = Response> + Send + 'static {
    let subscribes = subscribes(&app, &mut request);
    let mut request = request
        .data(session_request)
        .data(graphql::RequestId(id.clone()));
    if subscribes {
        let mut running = requested::begin(&app.requests, &mut request);
        running.answered(None);
        let counted = move |response: &Response| running.answered(first_code(response));
        let responses = app.schema.execute_stream(request).inspect(counted);
        return responses.left_stream();
    }
    let answered = async move {
        match timeout(app.request_timeout, execute_one(&app, request, &id)).await {
            Ok(response) => response,
            Err(_) => graphql::refusal(Error::unavailable(), Some(&id)),
        }
    };
    stream::once(answered).right_stream()
}

//! The extension that runs the session hooks: once for each operation, before anything else of it.

use std::sync::Arc;

use async_graphql::{
    Request, Response, ServerResult,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute, NextPrepareRequest},
    parser::types::OperationType,
};
use async_trait::async_trait;
use futures_util::future::join;

use super::{
    batching,
    current::Current,
    document::{data_of_request, look, operation_type, selected_operation},
    errors::request_error,
    merged_root::merged,
    subgraph::Representations,
};
use crate::{
    error::ErrorKind,
    request::{Operation, SessionRequest},
    session::Sessions,
};

/// Runs `handle_request` for each operation: afterwards the request's data has a [`SessionRequest`] that says who it is
/// from. Whoever receives the request (an HTTP handler, a WebSocket's initialisation) puts one there before.
#[derive(Debug, Clone)]
pub struct SessionExtension {
    sessions: Sessions,
}

impl SessionExtension {
    /// The extension of an engine.
    #[must_use]
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }
}

impl ExtensionFactory for SessionExtension {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Extension for SessionExtension {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let mut request = next.run(ctx, request).await?;
        // Nobody here reads them ahead.
        let meanwhile = |request: &mut Request| {
            request.data.insert(Representations::default());
        };
        self.prepare(ctx, &mut request, meanwhile).await?;
        Ok(request)
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        batching::execution(next.run(ctx, operation_name)).await
    }
}

impl SessionExtension {
    /// Finds out who a request is from. What else is to be done with it is done while the database is asked.
    pub(super) async fn prepare(
        &self,
        ctx: &ExtensionContext<'_>,
        request: &mut Request,
        meanwhile: impl FnOnce(&mut Request),
    ) -> ServerResult<()> {
        let mut session_request = data_of_request::<SessionRequest>(request)
            .or_else(|| ctx.data_opt::<SessionRequest>())
            .cloned()
            .unwrap_or_default();
        session_request.operation = operation(request);
        if session_request.operation != Operation::Query {
            merge_root_fields(request);
        }
        if session_request.operation == Operation::Subscription && root_fields(request) != 1 {
            let message = "A subscription has exactly one root field.";
            let error = ErrorKind::GraphqlValidationFailed(message.into());
            return Err(request_error(error.into()));
        }
        let handled = self.sessions.handle_request(session_request);
        let (session_request, ()) = join(handled, async { meanwhile(request) }).await;
        request.data.insert(session_request.map_err(request_error)?);
        request.data.insert(Current::default());
        Ok(())
    }
}

fn merge_root_fields(request: &mut Request) {
    let merged = look(request, |document, _, variables| {
        merged(document, variables)
    });
    if let Some(document) = merged.flatten() {
        request.set_parsed_query(document);
    }
}

/// How many root fields the request's operation has (GraphQL specification, section 5.2.3.1).
fn root_fields(request: &mut Request) -> usize {
    let found = look(request, |document, name, _| {
        selected_operation(document, name)
            .map(|operation| operation.node.selection_set.node.items.len())
    });
    found.flatten().unwrap_or_default()
}

/// What the request runs; a document that cannot be read runs nothing.
fn operation(request: &mut Request) -> Operation {
    match operation_type(request) {
        Some(OperationType::Mutation) => Operation::Mutation,
        Some(OperationType::Subscription) => Operation::Subscription,
        Some(OperationType::Query) | None => Operation::Query,
    }
}

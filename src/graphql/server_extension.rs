//! All extensions of the server's schema as one: the library boxes a future for each extension at each step of a request and
//! at each field of an answer, whether the extension has anything to do there or not.
//!
//! What is done, and in which order, is what the single ones do where a server of your own registers [`ErrorExtension`],
//! [`SessionExtension`], [`DocumentLimits`] and [`Documents`] one after the other.
//!
//! [`ErrorExtension`]: super::ErrorExtension

use std::sync::Arc;

use async_graphql::{
    Request, Response, ServerError, ServerResult, ValidationResult, Value, Variables,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery,
        NextPrepareRequest, NextRequest, NextResolve, NextSubscribe, NextValidation, ResolveInfo,
    },
    parser::types::ExecutableDocument,
};
use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::{
    DocumentLimits, Documents, SessionExtension, batching,
    documents::Reading,
    error_extension::ErrorHandling,
    sdl::ServiceSdl,
    subgraph::{ENTITIES, Representations},
};

/// What the server's schema is extended by.
pub(super) struct ServerExtension {
    pub(super) sessions: SessionExtension,
    pub(super) limits: DocumentLimits,
    pub(super) service_sdl: ServiceSdl,
    pub(super) documents: Documents,
}

impl ExtensionFactory for ServerExtension {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(OneRequest {
            errors: ErrorHandling::default(),
            sessions: self.sessions.clone(),
            limits: self.limits,
            service_sdl: self.service_sdl.clone(),
            reading: self.documents.reading(),
        })
    }
}

struct OneRequest {
    errors: ErrorHandling,
    sessions: SessionExtension,
    limits: DocumentLimits,
    service_sdl: ServiceSdl,
    reading: Reading,
}

#[async_trait]
impl Extension for OneRequest {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        self.errors.answered(next.run(ctx).await)
    }

    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        self.errors.finished(next.run(ctx, stream))
    }

    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let registry = &ctx.schema_env.registry;
        self.errors.received(&request);
        let mut request = next.run(ctx, request).await?;
        self.reading.read(&mut request)?;
        self.limits.check_request(registry, &mut request)?;
        let meanwhile = |request: &mut Request| {
            let representations = Representations::of(request);
            request.data.insert(representations);
            self.errors.prepared(registry, request);
        };
        self.sessions.prepare(ctx, &mut request, meanwhile).await?;
        Ok(request)
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        self.errors.parsed(next.run(ctx, query, variables).await)
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        if let Some(valid) = self.reading.validated() {
            return self.errors.validated(Ok(valid));
        }
        let checked = next.run(ctx).await;
        if let Ok(valid) = checked {
            self.reading.remember(valid);
        }
        self.errors.validated(checked)
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        self.errors.begin_execution();
        let execution = next.run(ctx, operation_name);
        self.errors.executed(batching::execution(execution).await)
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        self.errors.begin_field(&info);
        let (node, return_type) = (info.path_node, info.return_type);
        if info.name == ENTITIES {
            // Boxed: every field's future would have room for it.
            Box::pin(Representations::load(ctx)).await;
        }
        let resolved = match self.service_sdl.answer(&info) {
            Some(answer) => answer,
            None => next.run(ctx, info).await,
        };
        Ok(self.errors.resolved(node, return_type, resolved))
    }
}

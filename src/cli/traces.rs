//! The export of traces, over OTLP: configured by the variables of the environment that every OpenTelemetry SDK reads.

use std::{
    error::Error,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry::{
    KeyValue,
    trace::{SpanId, SpanKind, TracerProvider},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter as Export},
};
use sessiongraph::{config::TraceExport, traces::TARGET};
use tokio::runtime::Handle;
use tracing::{Metadata, Subscriber, subscriber::Interest};
use tracing_subscriber::{Layer, filter::dynamic_filter_fn, registry::LookupSpan};

use super::database_spans;

/// How long what is left may take when the server stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is said that nothing can be sent.
const SAY_AGAIN: Duration = Duration::from_mins(10);

/// Traces that are exported.
pub(super) struct Traces(SdkTracerProvider);

/// Begins to export, if an endpoint is configured. Without one that can be used there are no traces: the server is needed
/// more than they are.
pub(super) fn begin() -> Option<Traces> {
    let export = TraceExport::from_process()?;
    match provider(export.timeout) {
        Ok(provider) => Some(Traces(provider)),
        Err(error) => {
            // It ends with the value, in which there may be a password.
            let error = error.to_string();
            let error = error.split('\'').next().unwrap_or_default().trim_end();
            tracing::warn!(error, "no traces are exported");
            None
        }
    }
}

fn provider(timeout: Duration) -> Result<SdkTracerProvider, Box<dyn Error>> {
    let connector = HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .build();
    let client = Client {
        http: HyperClient::new(connector, timeout, None),
        runtime: Handle::current(),
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .build()?;
    let exporter = Exporter {
        otlp: exporter,
        said_at: Mutex::new(None),
    };
    Ok(SdkTracerProvider::builder()
        .with_resource(resource())
        .with_batch_exporter(exporter)
        .build())
}

/// What the environment says of this process, and what it does not.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let found = Resource::builder().build();
    let name = found
        .get(&"service.name".into())
        .map(|name| name.to_string());
    let is_named = name.is_some_and(|name| !name.starts_with("unknown_service"));
    let mut known = vec![version];
    if !is_named {
        known.push(KeyValue::new("service.name", "sessiongraph"));
    }
    // What is configured counts more than what is known.
    let configured = found
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let configured = configured.filter(|set| is_named || set.key.as_str() != "service.name");
    Resource::builder_empty()
        .with_attributes(known.into_iter().chain(configured))
        .build()
}

impl Traces {
    /// What turns spans into traces: ours, and those of statements that belong to one. No event, as those are the log's.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let of_interest = |metadata: &'static Metadata<'static>| match metadata {
            metadata if !metadata.is_span() => Interest::never(),
            metadata if metadata.target() == TARGET => Interest::always(),
            metadata if database_spans::are_made_by(metadata) => Interest::sometimes(),
            _ => Interest::never(),
        };
        let filter = dynamic_filter_fn(|metadata: &Metadata<'_>, context| {
            metadata.is_span()
                && (metadata.target() == TARGET
                    || (database_spans::are_made_by(metadata)
                        && context.lookup_current().is_some()))
        });
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("sessiongraph"))
            .with_context_activation(false)
            .with_location(false)
            .with_target(false)
            .with_level(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter.with_callsite_filter(of_interest))
    }

    /// Sends what has not been sent.
    pub(super) async fn end(self) {
        // It blocks; and what it sends, this runtime sends.
        let ended =
            tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(FLUSH_TIMEOUT));
        if let Ok(Err(error)) = ended.await {
            tracing::warn!(error = %error, "the last traces were not sent");
        }
    }
}

/// Whether a message of the SDK is about what [`Exporter`] says, and says less often.
pub(super) fn is_said_otherwise(metadata: &Metadata<'_>) -> bool {
    let name = metadata.name();
    name == "BatchSpanProcessor.ExportError"
        || name.starts_with("Export.Failed.")
        // At each batch, with the collector's words.
        || name.ends_with(".PartialSuccess")
}

/// Exports to a collector, and says now and then when it cannot.
#[derive(Debug)]
struct Exporter {
    otlp: SpanExporter,
    said_at: Mutex<Option<Instant>>,
}

impl Export for Exporter {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            database_spans::rewrite(span);
            // An operation that no request carries, as on a WebSocket, is what was asked of the server.
            if span.parent_span_id == SpanId::INVALID {
                span.span_kind = SpanKind::Server;
            }
        }
        let result = self.otlp.export(batch).await;
        let mut said_at = self.said_at.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Err(error) if said_at.is_none_or(|at| at.elapsed() >= SAY_AGAIN) => {
                *said_at = Some(Instant::now());
                tracing::warn!(error = %error, "traces cannot be sent, and are lost until they can be");
            }
            Ok(()) if said_at.take().is_some() => tracing::info!("traces are sent again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}

/// The SDK exports from a thread of its own, but hyper needs tokio: its requests are made there.
#[derive(Debug)]
struct Client<H> {
    http: H,
    runtime: Handle,
}

#[async_trait]
impl<H: HttpClient + Clone + 'static> HttpClient for Client<H> {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sending = async move { http.send_bytes(request).await };
        self.runtime.spawn(sending).await?
    }
}

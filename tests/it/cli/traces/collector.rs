//! A collector of traces, and looking at what it was sent.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Attribute},
    trace::v1::{Span, status::StatusCode as SpanStatus},
};
use prost::Message;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};

use super::PATIENCE;

/// Takes traces, and answers each time with the same status.
#[derive(Clone)]
pub(in crate::cli) struct Collector {
    pub(in crate::cli) url: String,
    status: StatusCode,
    received: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Collector {
    pub(in crate::cli) async fn start(status: StatusCode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            status,
            received: Arc::default(),
        };
        let receive = |State(collector): State<Self>, headers: HeaderMap, body: Bytes| async move {
            collector.received.lock().unwrap().push((headers, body));
            collector.status
        };
        let router = Router::new()
            .route("/v1/traces", post(receive))
            .with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        collector
    }

    pub(in crate::cli) fn requests(&self) -> Vec<(HeaderMap, Bytes)> {
        self.received.lock().unwrap().clone()
    }

    pub(super) fn exports(&self) -> Vec<ExportTraceServiceRequest> {
        let requests = self.requests().into_iter();
        requests
            .map(|(_, body)| ExportTraceServiceRequest::decode(body).unwrap())
            .collect()
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let exports = self.exports().into_iter();
        let resources = exports.flat_map(|export| export.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// Waits until there is a span of this name.
    pub(super) async fn span(&self, name: &str) -> Span {
        let found = async {
            loop {
                if let Some(span) = self.spans().into_iter().find(|span| span.name == name) {
                    return span;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("{name} among {:?}", names(&self.spans())))
    }
}

pub(super) fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

pub(super) fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, Value> {
    let value = |attribute: &KeyValue| match attribute.value.clone().unwrap().value.unwrap() {
        Attribute::StringValue(text) => json!(text),
        Attribute::IntValue(number) => json!(number),
        other => panic!("{other:?}"),
    };
    attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), value(attribute)))
        .collect()
}

/// The spans directly below one, in the order in which they began.
pub(super) fn children<'a>(spans: &'a [Span], parent: &Span) -> Vec<&'a Span> {
    let mut children: Vec<_> = spans
        .iter()
        .filter(|span| span.parent_span_id == parent.span_id && span.trace_id == parent.trace_id)
        .collect();
    children.sort_by_key(|span| span.start_time_unix_nano);
    children
}

#[track_caller]
pub(super) fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next();
    assert!(found.next().is_none(), "{name} once in {:?}", names(spans));
    span.unwrap_or_else(|| panic!("{name} among {:?}", names(spans)))
}

/// Whether nothing is said to have failed.
pub(super) fn is_fine(span: &Span) -> bool {
    let status = span.status.as_ref();
    status.is_none_or(|status| status.code() == SpanStatus::Unset)
}

//! GraphQL requests: by what they ask for, as far as the schema knows it, and by how they end.

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Instant};

use metrics::{Counter, Histogram, counter, histogram};

use super::{REQUEST_DURATION, REQUESTS};

const OK: &str = "ok";
/// Nobody waited for the answer any more.
const CANCELLED: &str = "CANCELLED";
/// The operation of a request whose document cannot be read.
const UNKNOWN: &str = "unknown";
/// The field of a request whose first one the schema does not have.
const OTHER: &str = "other";
const SUBSCRIPTION: &str = "subscription";

/// Counts requests. What a label can say is known from the start: a client's text is never among it.
#[derive(Debug)]
pub(crate) struct Requests(HashMap<&'static str, HashMap<String, Arc<Kind>>>);

/// Requests that ask for one thing, with what counts the usual ones: no request looks its counters up.
#[derive(Debug)]
struct Kind {
    operation: &'static str,
    field: String,
    succeeded: Counter,
    durations: Histogram,
}

impl Kind {
    fn new(operation: &'static str, field: String) -> Arc<Self> {
        let name = field.clone();
        let succeeded = counter!(REQUESTS, "operation" => operation, "field" => name, "code" => OK);
        succeeded.absolute(0);
        let name = field.clone();
        let durations = if operation == SUBSCRIPTION {
            Histogram::noop()
        } else {
            histogram!(REQUEST_DURATION, "operation" => operation, "field" => name)
        };
        Arc::new(Self {
            operation,
            field,
            succeeded,
            durations,
        })
    }
}

impl Requests {
    /// For a schema whose root types have these fields, each with the operation that selects it.
    pub(crate) fn new(fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let others = ["query", "mutation", SUBSCRIPTION, UNKNOWN];
        let others = others.map(|operation| (operation, OTHER.to_owned()));
        let mut kinds = HashMap::<_, HashMap<_, _>>::new();
        for (operation, field) in fields.into_iter().chain(others) {
            let kind = Kind::new(operation, field.clone());
            kinds.entry(operation).or_default().insert(field, kind);
        }
        Self(kinds)
    }

    /// A request begins: what it runs, and its first field; neither where that cannot be said.
    pub(crate) fn begin(&self, operation: Option<&str>, field: Option<&str>) -> Running {
        let kind = self.0.get(operation.unwrap_or(UNKNOWN)).and_then(|fields| {
            let known = field.and_then(|field| fields.get(field));
            known.or_else(|| fields.get(OTHER)).cloned()
        });
        Running {
            kind,
            begun: Instant::now(),
            code: CANCELLED.into(),
        }
    }
}

/// A request that runs; counted when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    kind: Option<Arc<Kind>>,
    begun: Instant,
    code: Cow<'static, str>,
}

impl Running {
    /// The operation and its first field, as they are counted; `None` where neither can be said.
    pub(crate) fn asks(&self) -> Option<(&str, &str)> {
        let kind = self.kind.as_ref()?;
        (kind.operation != UNKNOWN).then_some((kind.operation, &kind.field))
    }

    /// It has an answer, with the code of its first error. Of several answers, the last one counts.
    pub(crate) fn answered(&mut self, code: Option<&str>) {
        self.code = code.map_or(OK.into(), |code| code.to_owned().into());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(kind) = &self.kind else { return };
        kind.durations.record(self.begun.elapsed());
        if self.code == OK {
            kind.succeeded.increment(1);
        } else {
            let (field, code) = (kind.field.clone(), self.code.to_string());
            counter!(REQUESTS, "operation" => kind.operation, "field" => field, "code" => code)
                .increment(1);
        }
    }
}

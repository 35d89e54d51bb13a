//! The variables of OpenTelemetry that the SDK leaves to its program. All others it reads itself
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use std::time::Duration;

/// The specification's, where none is configured.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether traces are exported, and how long that may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceExport {
    /// How long the collector may take to answer.
    pub timeout: Duration,
}

impl TraceExport {
    /// As the environment of this process says; `None` where it names no endpoint, or wants no traces.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is configuration")]
    pub fn from_process() -> Option<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Option<Self> {
        // One that is empty counts as one that is not there.
        let read = |name: &str| read(name).filter(|value| !value.is_empty());
        let is =
            |name: &str, value: &str| read(name).is_some_and(|set| set.eq_ignore_ascii_case(value));
        // What is for traces goes before what is for everything.
        let exporter = |name: &str| {
            read(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
                .or_else(|| read(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        exporter("ENDPOINT")?;
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return None;
        }
        let timeout = exporter("TIMEOUT").and_then(|milliseconds| milliseconds.parse().ok());
        Some(Self {
            timeout: timeout.map_or(DEFAULT_TIMEOUT, Duration::from_millis),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_exported_where_an_endpoint_is_named() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        let timeout = ("OTEL_EXPORTER_OTLP_TIMEOUT", "500");
        for (variables, milliseconds) in [
            (vec![], None),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "")], None),
            (vec![timeout, ("OTEL_SERVICE_NAME", "auth")], None),
            (vec![endpoint], Some(10_000)),
            (
                vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector")],
                Some(10_000),
            ),
            (vec![endpoint, timeout], Some(500)),
            (
                vec![
                    endpoint,
                    timeout,
                    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "70"),
                ],
                Some(70),
            ),
            (
                vec![endpoint, ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")],
                Some(10_000),
            ),
            (vec![endpoint, ("OTEL_SDK_DISABLED", "True")], None),
            (vec![endpoint, ("OTEL_SDK_DISABLED", "false")], Some(10_000)),
            (vec![endpoint, ("OTEL_TRACES_EXPORTER", "none")], None),
            (
                vec![endpoint, ("OTEL_TRACES_EXPORTER", "otlp")],
                Some(10_000),
            ),
        ] {
            let read = |name: &str| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let timeout = milliseconds.map(Duration::from_millis);
            let found = TraceExport::from_variables(read).map(|export| export.timeout);
            assert_eq!(found, timeout, "{variables:?}");
        }
    }
}

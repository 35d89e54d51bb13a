//! What the server tells whoever runs it, beside its metrics: the log, and traces where they are collected.

use std::io::{self, IsTerminal};

use sessiongraph::config::{Config, LogFormat};
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Not shown, whatever level `log` is: spans that are made for traces, SeaORM's among them; what passes through sockets,
/// tokens included; and what is said of a collector's URL, in which there may be a password, and of its answers.
const NEVER: &str = "sessiongraph::otel=off,sea_orm::database=warn,tungstenite=off,tokio_tungstenite=off,\
     opentelemetry-otlp=info,hyper_util=info";

/// What has to be told of the end.
#[derive(Default)]
pub(super) struct Telemetry {
    #[cfg(feature = "otel")]
    traces: Option<super::traces::Traces>,
}

/// Begins to log, and to export traces if an endpoint is configured.
pub(super) fn begin(config: &Config) -> Result<Telemetry> {
    let log = log(config)?;
    #[cfg(feature = "otel")]
    {
        // What it says of its configuration is logged, and nothing else is yet.
        let traces = tracing::dispatcher::with_default(&log, super::traces::begin);
        if let Some(traces) = traces {
            tracing::dispatcher::set_global_default(log_and_trace(config, &traces)?)?;
            return Ok(Telemetry {
                traces: Some(traces),
            });
        }
    }
    tracing::dispatcher::set_global_default(log)?;
    Ok(Telemetry::default())
}

impl Telemetry {
    /// Sends what has not been sent, unless that takes long.
    #[cfg_attr(
        not(feature = "otel"),
        expect(clippy::unused_async, reason = "there is nothing to send")
    )]
    pub(super) async fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.traces {
            traces.end().await;
        }
    }
}

fn filter(config: &Config) -> Result<EnvFilter> {
    // Neither every migration of every start nor that its table is there already is news.
    let directives = format!(
        "sea_orm_migration=warn,sqlx::postgres::notice=warn,{},{NEVER}",
        config.log
    );
    Ok(EnvFilter::try_new(directives)?)
}

/// The log alone: with nothing else to ask, a span or an event that is not logged costs nothing.
fn log(config: &Config) -> Result<Dispatch> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(config)?)
        .with_writer(io::stderr);
    Ok(match config.log_format {
        LogFormat::Json => Dispatch::new(builder.json().finish()),
        LogFormat::Text => Dispatch::new(builder.with_ansi(io::stderr().is_terminal()).finish()),
    })
}

/// The log beside traces, each with a filter of its own.
#[cfg(feature = "otel")]
fn log_and_trace(config: &Config, traces: &super::traces::Traces) -> Result<Dispatch> {
    use tracing_subscriber::{
        Layer, Registry,
        filter::{FilterExt, filter_fn},
        fmt,
        layer::SubscriberExt,
    };

    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match config.log_format {
        LogFormat::Json => lines.json().boxed(),
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
    };
    let filter = filter(config)?.and(filter_fn(|metadata| {
        !super::traces::is_said_otherwise(metadata)
    }));
    let both = Registry::default()
        .with(lines.with_filter(filter))
        .with(traces.layer());
    Ok(Dispatch::new(both))
}

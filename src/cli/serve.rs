//! `serve`.

use std::io::{self, Write};

use sessiongraph::{
    config::{Config, LogFormat},
    http, services,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{CommandResult, telemetry};

pub(super) async fn serve(config: Config) -> CommandResult {
    let telemetry = telemetry::begin(&config)?;
    let services = super::open(&config).await?;
    services::compare_clocks(&services.db).await?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| format!("listen: cannot listen on {}: {error}", config.listen))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    greet(&config, &listener)?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    };
    let served = http::serve(listener, &config, services, shutdown).await;
    telemetry.end().await;
    Ok(served?)
}

/// Where the server listens, where its data is, and what to do next.
fn greet(config: &Config, listener: &TcpListener) -> CommandResult {
    let address = listener.local_addr()?;
    tracing::info!(%address, "listening");
    if config.log_format == LogFormat::Json {
        return Ok(());
    }
    let url = if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    };
    let data = match services::sqlite_file(config) {
        Some(file) => file.display().to_string(),
        None if config.uses_postgres() => "PostgreSQL".to_owned(),
        None => "memory: it is gone when the server stops".to_owned(),
    };
    writeln!(
        io::stderr(),
        "
  sessiongraph {version}

  GraphQL      {url}/graphql
  Playground   {url}/playground
  Public keys  {url}/.well-known/jwks.json
  Data         {data}

  Next: sign somebody up.

    curl -s {url}/graphql -H 'content-type: application/json' -d '{{\"query\":
      \"mutation {{ signUp(input: {{username: \\\"ada\\\", password: \\\"correct horse\\\"}}) {{ tokens {{ accessToken }} }} }}\"}}'

  A key for your backend:  sessiongraph service-key create --name backend --scope accounts:read
  What is configured:      sessiongraph config
",
        version = env!("CARGO_PKG_VERSION"),
    )?;
    Ok(())
}

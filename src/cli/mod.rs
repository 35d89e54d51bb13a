//! The command line. Results go to standard output, everything else to standard error; a failure has an exit status
//! other than 0.

mod account;
#[cfg(feature = "otel")]
mod database_spans;
mod events;
mod export;
mod format;
mod import;
mod keys;
mod serve;
mod telemetry;
#[cfg(feature = "otel")]
mod traces;

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use sessiongraph::{
    config::{self, Config},
    database, graphql,
    services::{self, Services},
};

/// The exit status of an import that was done but for some bad lines; 2 is that of arguments which cannot be meant.
const REJECTED: u8 = 3;

type CommandResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Session and authentication API for GraphQL.
#[derive(Parser)]
#[command(name = "sessiongraph", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Start the server; so does no command at all
    Serve,
    /// Bring the database to the present shape
    Migrate,
    /// Delete sessions that ended longer ago than `retention`, and records older than `audit_retention`
    Prune,
    /// Print the schema
    Schema,
    /// Print the configuration that is in force, secrets masked
    Config {
        /// Print what can be configured instead, as Markdown
        #[arg(long)]
        reference: bool,
    },
    /// Keys that sign access tokens
    #[command(subcommand)]
    SigningKey(keys::SigningKeyTask),
    /// The master secret
    #[command(subcommand)]
    Secret(keys::SecretTask),
    /// Keys of trusted backends
    #[command(subcommand)]
    ServiceKey(keys::ServiceKeyTask),
    /// Accounts
    #[command(subcommand)]
    Account(AccountTask),
    /// Make accounts of another system, with the hashes of their passwords
    #[command(after_long_help = import::HELP)]
    Import(import::Import),
    /// Write who opened, recovered or ended which session to standard output, as JSON lines, oldest first
    Events(events::Events),
    /// Write all accounts to standard output, as `import` takes them
    Export(export::Export),
}

#[derive(Subcommand)]
enum AccountTask {
    /// Create an account and print its id
    Create(account::Create),
}

/// Runs the command that the process was started with.
pub(crate) async fn run() -> ExitCode {
    let matches = command().get_matches();
    match dispatch(&matches).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do about an error of standard error.
            let _ = writeln!(io::stderr(), "error: {}", describe(error.as_ref()));
            if error.is::<import::Rejected>() {
                ExitCode::from(REJECTED)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn command() -> Command {
    Cli::command().args(config::args())
}

async fn dispatch(matches: &ArgMatches) -> CommandResult {
    let cli = Cli::from_arg_matches(matches)?;
    let task = cli.command.unwrap_or(Task::Serve);
    // Both are the same whatever is configured.
    match task {
        Task::Schema => return print(&graphql::sdl()),
        Task::Config { reference: true } => return print(&config::reference()),
        _ => {}
    }
    let config = Config::from_process(matches)?;
    match task {
        Task::Schema => Ok(()),
        Task::Config { .. } => print(&config.describe()),
        Task::Serve => serve::serve(config).await,
        Task::Migrate => {
            database::migrate(&services::connect(&config).await?).await?;
            Ok(())
        }
        Task::Prune => {
            let services = open(&config).await?;
            let pruned = services.sessions.prune(config.retention).await?;
            print(&pruned.to_string())?;
            let records = services.sessions.prune_records(config.audit_retention);
            writeln!(io::stderr(), "{} records", records.await?)?;
            Ok(())
        }
        Task::SigningKey(task) => keys::signing_key(&open(&config).await?, task).await,
        Task::Secret(task) => keys::secret(&open(&config).await?, &task).await,
        Task::ServiceKey(task) => keys::service_key(&open(&config).await?, task).await,
        Task::Account(AccountTask::Create(create)) => {
            account::create(&open(&config).await?, create).await
        }
        Task::Import(import) => import::import(&open(&config).await?, import).await,
        Task::Events(events) => events::events(&open(&config).await?, events).await,
        Task::Export(export) => export::export(&open(&config).await?, export).await,
    }
}

/// The services of a command. It may be the first that anybody runs, so it migrates like the server.
async fn open(config: &Config) -> Result<Services, sessiongraph::error::Error> {
    let db = services::connect(config).await?;
    if config.migrate_on_start {
        database::migrate(&db).await?;
    } else {
        database::ensure_migrated(&db).await?;
    }
    Services::open(config, db).await
}

/// An instant as the lines of `events` and `export` have it.
fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn print(text: &str) -> CommandResult {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// An error with its causes: an operator may read all of them.
fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Rows in columns.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

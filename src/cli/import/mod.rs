//! `import`.

mod lines;
mod record;
mod report;

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    thread,
};

use clap::Args;
use sessiongraph::{
    account::{Accounts, Arrival, IMPORT_BATCH},
    services::Services,
};
use thiserror::Error;
use tokio::sync::mpsc;

use self::{
    lines::Lines,
    record::{BadLine, Csv, Records},
    report::Report,
};
use super::{CommandResult, format::Format, print};

/// How many batches may be read ahead of the database.
const AHEAD: usize = 2;

pub(super) const HELP: &str = "\
Fields, of which each line has at least one of id, username and email:

  id             a UUID that the account shall keep
  username, email
  emailVerified  true or false
  passwordHash   argon2 (a PHC string), bcrypt ($2a$, $2b$, $2y$), scrypt (a PHC string or $7$), or
                 scrypt-kdf (base64)
  permissions    a list; in CSV separated by spaces
  deactivated    true or false; or deactivatedAt
  deactivatedAt, createdAt, updatedAt
                 instants, such as 2026-11-24T09:30:00Z

Bad lines are reported on standard error, and all others imported: then the exit status is 3. What is there already is
left as it is, so an import that was interrupted goes on where the same command is run again.";

#[derive(Args)]
pub(super) struct Import {
    /// Where the accounts are; - is standard input
    file: PathBuf,
    /// How they are written; where this is absent, a file named *.csv is CSV, and everything else JSON lines
    #[arg(long)]
    format: Option<Format>,
    /// A file for what is wrong with which line, as JSON lines with line, field and reason
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

/// Some of the lines were none of an account that can be imported; all others have been.
#[derive(Debug, Error)]
#[error("rejected lines: {0}")]
pub(super) struct Rejected(u64);

#[derive(Debug, Error)]
#[error("stopped behind line {line}; run the same command again to go on")]
struct Stopped {
    line: u64,
    source: sessiongraph::error::Error,
}

/// Some lines, as far as they can be understood without the database.
#[derive(Default)]
struct Batch {
    arrivals: Vec<Arrival>,
    /// Of the arrivals.
    lines: Vec<u64>,
    bad: Vec<(u64, BadLine)>,
    /// How much has been read up to its end.
    bytes: u64,
    last_line: u64,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.arrivals.len() + self.bad.len() >= IMPORT_BATCH
    }
}

pub(super) async fn import(services: &Services, import: Import) -> CommandResult {
    let is_stdin = import.file == Path::new("-");
    let (source, bytes): (Box<dyn BufRead + Send>, _) = if is_stdin {
        (Box::new(BufReader::new(io::stdin())), None)
    } else {
        let named = |error| format!("{}: {error}", import.file.display());
        let file = File::open(&import.file).map_err(named)?;
        let bytes = file.metadata()?.is_file().then_some(file.metadata()?.len());
        (Box::new(BufReader::new(file)), bytes)
    };
    let format = Format::of(import.format, (!is_stdin).then_some(&import.file));
    let mut report = Report::new(bytes, import.rejects.as_deref())?;

    let (sender, mut batches) = mpsc::channel(AHEAD);
    let accounts = services.accounts.clone();
    // No task of the runtime: nobody waits for a source that has nothing more to say after a failure.
    thread::spawn(move || {
        if let Err(error) = read(Lines::new(source), format, &accounts, &sender) {
            let _ = sender.blocking_send(Err(error));
        }
    });
    let mut done = 0;
    while let Some(batch) = batches.recv().await {
        let batch: Batch = batch?;
        let last_line = batch.last_line;
        let imported = services.accounts.import(&batch.arrivals).await;
        let imported = imported.map_err(|source| Stopped { line: done, source })?;
        report.add(batch, imported)?;
        done = last_line;
    }
    let rejected = report.rejected;
    print(&report.finish()?)?;
    if rejected > 0 {
        return Err(Rejected(rejected).into());
    }
    Ok(())
}

/// Reads to the end, or until nobody wants any more.
fn read(
    mut lines: Lines<impl BufRead>,
    format: Format,
    accounts: &Accounts,
    batches: &mpsc::Sender<io::Result<Batch>>,
) -> io::Result<()> {
    let mut records = match format {
        Format::Jsonl => Records::JsonLines,
        Format::Csv => match lines.next()? {
            None => {
                return Err(io::Error::other(
                    "there is no first line with the names of the fields",
                ));
            }
            Some(header) => {
                let csv = header.map_err(BadLine::whole).and_then(Csv::new);
                let csv = csv.map_err(|bad| io::Error::other(format!("the first line: {bad}")))?;
                Records::Csv(Box::new(csv))
            }
        },
    };
    let mut batch = Batch::default();
    while let Some(line) = lines.next()? {
        let record = line
            .map_err(BadLine::whole)
            .and_then(|line| records.read(line));
        let arrival = record.and_then(|account| Ok(accounts.check_import(&account)?));
        batch.last_line = lines.number;
        batch.bytes = lines.bytes;
        match arrival {
            Ok(arrival) => {
                batch.arrivals.push(arrival);
                batch.lines.push(batch.last_line);
            }
            Err(bad) => batch.bad.push((batch.last_line, bad)),
        }
        if batch.is_full()
            && batches
                .blocking_send(Ok(std::mem::take(&mut batch)))
                .is_err()
        {
            return Ok(());
        }
    }
    let _ = batches.blocking_send(Ok(batch));
    Ok(())
}

//! What is said about an import while it runs.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use sessiongraph::account::Imported;

use super::{Batch, record::BadLine};

/// How often a line says how far it is, where no bar can.
const EVERY: Duration = Duration::from_secs(10);

pub(super) struct Report {
    bar: ProgressBar,
    rejects: Option<BufWriter<File>>,
    begun: Instant,
    said: Instant,
    created: u64,
    already_there: u64,
    pub(super) rejected: u64,
}

#[derive(Serialize)]
struct Reject<'a> {
    line: u64,
    field: Option<&'a str>,
    reason: &'a str,
}

impl Report {
    /// Reports on a source of so many bytes, if that is known.
    pub(super) fn new(bytes: Option<u64>, rejects: Option<&Path>) -> io::Result<Self> {
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
        let template = match bytes {
            Some(_) => "{wide_bar} {percent}%, {eta} left\n{msg}",
            None => "{spinner} {msg}",
        };
        bar.set_style(ProgressStyle::with_template(template).map_err(io::Error::other)?);
        Ok(Self {
            bar,
            rejects: rejects.map(File::create).transpose()?.map(BufWriter::new),
            begun: Instant::now(),
            said: Instant::now(),
            created: 0,
            already_there: 0,
            rejected: 0,
        })
    }

    /// Takes note of what became of a batch, and complains of its bad lines in their order.
    pub(super) fn add(&mut self, batch: Batch, imported: Vec<Imported>) -> io::Result<()> {
        let mut bad = batch.bad;
        for (line, imported) in batch.lines.into_iter().zip(imported) {
            match imported {
                Imported::Created => self.created += 1,
                Imported::AlreadyThere => self.already_there += 1,
                Imported::Refused(error) => bad.push((line, error.into())),
            }
        }
        bad.sort_by_key(|(line, _)| *line);
        for (line, bad) in bad {
            self.reject(line, &bad)?;
        }
        self.bar.set_position(batch.bytes);
        self.bar.set_message(self.summary());
        if self.bar.is_hidden() && self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            writeln!(io::stderr(), "{}", self.summary())?;
        }
        Ok(())
    }

    fn reject(&mut self, line: u64, bad: &BadLine) -> io::Result<()> {
        self.rejected += 1;
        self.bar
            .suspend(|| writeln!(io::stderr(), "line {line}: {bad}"))?;
        let Some(rejects) = &mut self.rejects else {
            return Ok(());
        };
        let (field, reason) = (bad.field.as_deref(), bad.reason.as_str());
        serde_json::to_writer(
            &mut *rejects,
            &Reject {
                line,
                field,
                reason,
            },
        )?;
        rejects.write_all(b"\n")
    }

    /// Says the last word, and returns it for standard output.
    pub(super) fn finish(mut self) -> io::Result<String> {
        self.bar.finish_and_clear();
        if let Some(rejects) = &mut self.rejects {
            rejects.flush()?;
        }
        Ok(self.summary())
    }

    fn summary(&self) -> String {
        let Self {
            created,
            already_there,
            rejected,
            ..
        } = self;
        let lines = created + already_there + rejected;
        let rate = u128::from(lines) * 1000 / self.begun.elapsed().as_millis().max(1);
        format!(
            "{created} imported, {already_there} already there, {rejected} rejected ({rate} lines a second)"
        )
    }
}

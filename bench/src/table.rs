//! The results.

use std::{fmt, time::Duration};

use crate::{load::Measured, setting::Cpu};

/// One comparison: each side as often as it was repeated.
pub(crate) struct Row {
    name: String,
    yardstick_name: String,
    connections: usize,
    pub(crate) ours: Vec<(Measured, Cpu)>,
    pub(crate) yardstick: Vec<(Measured, Cpu)>,
}

/// The medians of one side.
struct Medians {
    rate: f64,
    server: f64,
    database: f64,
    p50: f64,
    p99: f64,
    errors: u64,
}

impl Row {
    pub(crate) fn new(name: &str, yardstick_name: &str, connections: usize) -> Self {
        Self {
            name: name.to_owned(),
            yardstick_name: yardstick_name.to_owned(),
            connections,
            ours: Vec::new(),
            yardstick: Vec::new(),
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn medians(runs: &[(Measured, Cpu)]) -> Medians {
    let of = |value: &dyn Fn(&(Measured, Cpu)) -> f64| median(runs.iter().map(value));
    let each = |time: Duration, run: &Measured| micros(time) / run.latencies.len().max(1) as f64;
    Medians {
        rate: of(&|(run, _)| run.rate()),
        server: of(&|(run, cpu)| each(cpu.server, run)),
        database: of(&|(run, cpu)| each(cpu.database, run)),
        p50: of(&|(run, _)| micros(run.percentile(0.5))),
        p99: of(&|(run, _)| micros(run.percentile(0.99))),
        errors: runs.iter().map(|(run, _)| run.errors).sum(),
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turns = self.ours.iter().zip(&self.yardstick);
        let ratio = median(turns.map(|((ours, _), (theirs, _))| ours.rate() / theirs.rate()));
        let (ours, theirs) = (medians(&self.ours), medians(&self.yardstick));
        write!(
            f,
            "| {} | {} | {:.0} | {} | {:.0} | **{:.2}** | {:.0} + {:.0} | {:.0} + {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {} |",
            self.name,
            self.connections,
            ours.rate,
            self.yardstick_name,
            theirs.rate,
            ratio,
            ours.server,
            ours.database,
            theirs.server,
            theirs.database,
            ours.p50,
            theirs.p50,
            ours.p99,
            theirs.p99,
            ours.errors + theirs.errors,
        )
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| scenario | connections | per second | yardstick | per second | ratio | µs CPU, server + database | of the yardstick | p50 µs | of the yardstick | p99 µs | of the yardstick | errors |"
        )?;
        writeln!(f, "|{}", " --- |".repeat(13))?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        Ok(())
    }
}

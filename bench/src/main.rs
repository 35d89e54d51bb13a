//! Measures a release build of sessiongraph, beside yardsticks on the same stack, in turns in one run: ratios are what
//! counts. Prints one table in Markdown for each database.
//!
//! Everything is started here and ended here: a throw-away PostgreSQL with default durability, the server, the yardstick.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts and times are far from the ends of their types"
)]

mod load;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
mod process;
mod setting;
mod site;
mod table;
mod users;

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;
use serde_json::json;
use tokio::try_join;

use crate::{
    load::{Failure, User},
    process::Server,
    setting::Setting,
    site::ROWS,
    table::{Row, Table},
    users::{Repeat, body},
};

/// How to measure.
#[derive(Debug, Parser)]
struct Options {
    /// The folder with the release builds of `sessiongraph` and `yardstick`.
    #[arg(long, default_value = "target/release")]
    binaries: PathBuf,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How often each is repeated, in turns.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// The most connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// `postgres`, `sqlite`, or both.
    #[arg(long, value_delimiter = ',', default_value = "postgres,sqlite")]
    databases: Vec<String>,
    /// Rows of sessions for the last scenarios; 0 leaves them out.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Another folder with a release build of `sessiongraph`: measures both beside each other, and no yardstick.
    #[arg(long)]
    beside: Option<PathBuf>,
    /// Only scenarios with this in their name.
    #[arg(long, default_value = "")]
    only: String,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "# Results\n\nbench/README.md says how to read them.\n\n{}",
        machine()
    )?;
    for database in &options.databases {
        let setting = Setting::start(&options.binaries, database, options.connections).await?;
        let mut bench = Bench {
            options: &options,
            setting,
            table: Table::default(),
        };
        match &options.beside {
            Some(other) => bench.builds(other).await?,
            None => bench.measure().await?,
        }
        writeln!(out, "\n## {database}\n\n{}", bench.table)?;
        writeln!(out, "{}", bench.setting.remarks())?;
    }
    Ok(())
}

/// What it runs on.
fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cores} cores ({}), shared by server, database and load; Linux {}.",
        model.map_or("unknown", |(_, model)| model),
        kernel.trim()
    )
}

/// On standard error, beside the table.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

struct Bench<'a> {
    options: &'a Options,
    setting: Setting,
    table: Table,
}

/// A server that is measured.
#[derive(Clone, Copy)]
enum Side {
    Ours,
    /// Another server of ours.
    Other,
    Yardstick,
}

impl Bench<'_> {
    async fn measure(&mut self) -> Result<(), Failure> {
        let many = self.options.connections;
        for connections in [many, 1] {
            let ours = users::anonymous();
            let hello = Repeat {
                body: body("{ hello }", &json!({})),
                place: "/data/hello",
                expected: Some("world".into()),
                ..ours.clone()
            };
            self.compare(
                ("{ __typename }", Side::Ours, vec![ours; connections]),
                ("{ hello }", Side::Yardstick, vec![hello; connections]),
            )
            .await?;
            let sessions = self.setting.ours.sessions(connections);
            self.compare(
                ("session", Side::Ours, sessions),
                ("one SELECT", Side::Yardstick, users::selects(connections)),
            )
            .await?;
            let chains = self.setting.ours.chains(connections);
            let (chains, _) = self
                .compare(
                    ("refreshTokens", Side::Ours, chains),
                    ("one UPDATE", Side::Yardstick, users::updates(connections)),
                )
                .await?;
            self.setting.ours.keep(chains);
        }
        self.setting.note_memory("under load");
        let sign_ins = users::sign_ins(self.setting.ours.others(8));
        self.compare(
            ("signIn", Side::Ours, sign_ins),
            ("one Argon2id", Side::Yardstick, users::verifications(8)),
        )
        .await?;
        self.setting.note_memory("under sign-ins");
        self.beside_sign_ins().await?;
        let [hundred, one] = [100, 1].map(|count| vec![self.setting.ours.entities(count)]);
        self.compare(
            ("100 _entities", Side::Ours, hundred),
            ("1 _entity", Side::Ours, one),
        )
        .await?;
        if self.options.rows > 0 {
            self.with_rows(self.options.rows).await?;
        }
        Ok(())
    }

    /// The same server with many rows in its table, beside the one with few.
    async fn with_rows(&mut self, rows: u64) -> Result<(), Failure> {
        let names = ["session", "refreshTokens"].map(|name| format!("{name}, {rows} rows"));
        if !names.iter().any(|name| self.measures(name)) {
            return Ok(());
        }
        let many = self.options.connections;
        let binaries = &self.options.binaries;
        let grown = self.setting.start_other(binaries, many).await?;
        grown.grow(rows).await?;
        let (sessions, chains) = (grown.sessions(many), grown.chains(many));
        let ours = &self.setting.ours;
        let (our_sessions, our_chains) = (ours.sessions(many), ours.chains(many));
        let [session, refresh] = names;
        let few = &*format!("{ROWS} rows");
        self.compare(
            (&session, Side::Other, sessions),
            (few, Side::Ours, our_sessions),
        )
        .await?;
        let (_, our_chains) = self
            .compare(
                (&refresh, Side::Other, chains),
                (few, Side::Ours, our_chains),
            )
            .await?;
        self.setting.ours.keep(our_chains);
        Ok(())
    }

    /// The same scenarios on two builds of the server.
    async fn builds(&mut self, other: &Path) -> Result<(), Failure> {
        let many = self.options.connections;
        let other = self.setting.start_other(other, many).await?;
        let entities = other.entities(100);
        let mut other_chains = other.chains(many);
        let other_sessions = other.sessions(many);
        let ours = &self.setting.ours;
        let our_entities = ours.entities(100);
        let mut chains = ours.chains(many);
        let sessions = ours.sessions(many);
        for connections in [many, 1] {
            self.compare(
                (
                    "{ __typename }",
                    Side::Ours,
                    vec![users::anonymous(); connections],
                ),
                (
                    "other build",
                    Side::Other,
                    vec![users::anonymous(); connections],
                ),
            )
            .await?;
            self.compare(
                ("session", Side::Ours, sessions[..connections].to_vec()),
                (
                    "other build",
                    Side::Other,
                    other_sessions[..connections].to_vec(),
                ),
            )
            .await?;
            chains.truncate(connections);
            other_chains.truncate(connections);
            (chains, other_chains) = self
                .compare(
                    ("refreshTokens", Side::Ours, chains),
                    ("other build", Side::Other, other_chains),
                )
                .await?;
        }
        self.compare(
            ("100 _entities", Side::Ours, vec![our_entities]),
            ("other build", Side::Other, vec![entities]),
        )
        .await?;
        Ok(())
    }

    /// Whether a scenario is asked for.
    fn measures(&self, name: &str) -> bool {
        name.contains(&self.options.only)
    }

    fn server(&self, side: Side) -> Result<&Server, Failure> {
        match side {
            Side::Ours => Ok(&self.setting.ours.server),
            Side::Other => {
                let other = self.setting.other.as_ref();
                Ok(&other.ok_or("it was not started")?.server)
            }
            Side::Yardstick => Ok(&self.setting.yardstick),
        }
    }

    /// Runs both in turns, each with a user on each of as many connections. Gives the users back, with the tokens that
    /// they have by then.
    async fn compare<A: User, B: User>(
        &mut self,
        (name, side, mut users): (&str, Side, Vec<A>),
        (other_name, other_side, mut others): (&str, Side, Vec<B>),
    ) -> Result<(Vec<A>, Vec<B>), Failure> {
        if !self.measures(name) {
            return Ok((users, others));
        }
        let (server, other) = (self.server(side)?, self.server(other_side)?);
        let mut row = Row::new(name, other_name, users.len());
        let warm_up = Duration::from_secs(1);
        (_, users) = load::run(server.address, users, warm_up).await?;
        (_, others) = load::run(other.address, others, warm_up).await?;
        let duration = Duration::from_secs(self.options.seconds);
        for _ in 0..self.options.repetitions {
            let before = self.setting.cpu(server);
            let measured;
            (measured, users) = load::run(server.address, users, duration).await?;
            let cpu = self.setting.cpu(server).since(before);
            row.ours.push((measured, cpu));
            let before = self.setting.cpu(other);
            let measured;
            (measured, others) = load::run(other.address, others, duration).await?;
            let cpu = self.setting.cpu(other).since(before);
            row.yardstick.push((measured, cpu));
        }
        self.add(row);
        Ok((users, others))
    }

    /// Sessions, while eight users sign in; the yardstick verifies passwords for eight beside its reads.
    async fn beside_sign_ins(&mut self) -> Result<(), Failure> {
        let name = "session beside 8 signIn";
        if !self.measures(name) {
            return Ok(());
        }
        let connections = 4;
        let (server, yardstick) = (&self.setting.ours.server, &self.setting.yardstick);
        let ours = (
            server,
            self.setting.ours.sessions(connections),
            users::sign_ins(self.setting.ours.others(8)),
        );
        let theirs = (
            yardstick,
            users::selects(connections),
            users::verifications(8),
        );
        let mut row = Row::new(name, "one SELECT beside 8 Argon2id", connections);
        let duration = Duration::from_secs(self.options.seconds);
        for _ in 0..self.options.repetitions {
            for ((server, readers, others), into) in
                [(&ours, &mut row.ours), (&theirs, &mut row.yardstick)]
            {
                let before = self.setting.cpu(server);
                let ((mut measured, _), (others, _)) = try_join!(
                    load::run(server.address, readers.clone(), duration),
                    load::run(server.address, others.clone(), duration),
                )?;
                measured.errors += others.errors;
                into.push((measured, self.setting.cpu(server).since(before)));
            }
        }
        self.add(row);
        Ok(())
    }

    fn add(&mut self, row: Row) {
        note(&row.to_string());
        self.table.rows.push(row);
    }
}

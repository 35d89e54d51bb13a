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
mod table;
mod users;

use std::{io::Write, path::PathBuf, time::Duration};

use clap::Parser;
use serde_json::json;
use tokio::try_join;

use crate::{
    load::{Failure, User},
    setting::Setting,
    table::{Row, Table},
    users::{Refresh, Repeat, body},
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
    /// Only scenarios with this in their name.
    #[arg(long, default_value = "")]
    only: String,
}

const SESSION: &str = "{ session { id status account { id } } }";

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
        bench.measure().await?;
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

/// One side of a comparison.
enum Side {
    Ours,
    Yardstick,
}

impl Bench<'_> {
    async fn measure(&mut self) -> Result<(), Failure> {
        let many = self.options.connections;
        for connections in [many, 1] {
            let ours = Repeat {
                body: body("{ __typename }", &json!({})),
                token: None,
                place: "/data/__typename",
                expected: Some("Query".into()),
            };
            let hello = Repeat {
                body: body("{ hello }", &json!({})),
                place: "/data/hello",
                expected: Some("world".into()),
                ..ours.clone()
            };
            self.compare(
                "{ __typename }",
                "{ hello }",
                connections,
                vec![ours; connections],
                vec![hello; connections],
            )
            .await?;
            self.compare(
                "session",
                "one SELECT",
                connections,
                self.sessions(connections),
                users::selects(connections),
            )
            .await?;
            let chains = self.setting.chains(connections);
            let chains = self
                .compare(
                    "refreshTokens",
                    "one UPDATE",
                    connections,
                    chains,
                    users::updates(connections),
                )
                .await?;
            self.setting.keep(chains);
        }
        self.setting.note_memory("under load");
        self.compare(
            "signIn",
            "one Argon2id",
            8,
            users::sign_ins(self.setting.others(8)),
            users::verifications(8),
        )
        .await?;
        self.setting.note_memory("under sign-ins");
        self.beside_sign_ins().await?;
        let entities = |count| {
            let document = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Account { id username } } }";
            let ids = self.setting.entities(count);
            let last = format!("/data/_entities/{}/username", count - 1);
            Repeat {
                body: body(document, &json!({ "r": ids })),
                token: Some(self.setting.service_key().to_owned()),
                place: Box::leak(last.into_boxed_str()),
                expected: None,
            }
        };
        let (hundred, one) = (entities(100), entities(1));
        self.compare_ours("100 _entities", hundred, "1 _entity", one)
            .await?;
        if self.options.rows > 0 {
            self.grow().await?;
        }
        Ok(())
    }

    /// The same with many rows in the table.
    async fn grow(&mut self) -> Result<(), Failure> {
        self.setting.grow(self.options.rows).await?;
        let many = self.options.connections;
        let rows = self.options.rows;
        self.compare(
            &format!("session, {rows} rows"),
            "one SELECT",
            many,
            self.sessions(many),
            users::selects(many),
        )
        .await?;
        let chains = self.setting.chains(many);
        let chains = self
            .compare(
                &format!("refreshTokens, {rows} rows"),
                "one UPDATE",
                many,
                chains,
                users::updates(many),
            )
            .await?;
        self.setting.keep(chains);
        Ok(())
    }

    /// Runs both sides in turns. Gives our users back, with the tokens that they have by then.
    async fn compare<U: User + Clone, Y: User + Clone>(
        &mut self,
        name: &str,
        yardstick: &str,
        connections: usize,
        mut ours: Vec<U>,
        mut theirs: Vec<Y>,
    ) -> Result<Vec<U>, Failure> {
        if !name.contains(&self.options.only) {
            return Ok(ours);
        }
        let mut row = Row::new(name, yardstick, connections);
        let warm_up = Duration::from_secs(1);
        (_, ours) = load::run(self.setting.server.address, ours, warm_up).await?;
        (_, theirs) = load::run(self.setting.yardstick.address, theirs, warm_up).await?;
        let duration = Duration::from_secs(self.options.seconds);
        for _ in 0..self.options.repetitions {
            let before = self.setting.cpu(&Side::Ours);
            let (measured, users) = load::run(self.setting.server.address, ours, duration).await?;
            row.ours
                .push((measured, self.setting.cpu(&Side::Ours).since(before)));
            ours = users;
            let before = self.setting.cpu(&Side::Yardstick);
            let (measured, users) =
                load::run(self.setting.yardstick.address, theirs, duration).await?;
            row.yardstick
                .push((measured, self.setting.cpu(&Side::Yardstick).since(before)));
            theirs = users;
        }
        note(&row.to_string());
        self.table.rows.push(row);
        Ok(ours)
    }

    /// Sessions, while eight users sign in; the yardstick verifies passwords for eight beside its reads.
    async fn beside_sign_ins(&mut self) -> Result<(), Failure> {
        let name = "session beside 8 signIn";
        if !name.contains(&self.options.only) {
            return Ok(());
        }
        let connections = 4;
        let (server, yardstick) = (&self.setting.server, &self.setting.yardstick);
        let ours = (
            server.address,
            self.sessions(connections),
            users::sign_ins(self.setting.others(8)),
        );
        let theirs = (
            yardstick.address,
            users::selects(connections),
            users::verifications(8),
        );
        let mut row = Row::new(name, "one SELECT beside 8 Argon2id", connections);
        let duration = Duration::from_secs(self.options.seconds);
        for _ in 0..self.options.repetitions {
            for ((address, readers, others), side, into) in [
                (&ours, Side::Ours, &mut row.ours),
                (&theirs, Side::Yardstick, &mut row.yardstick),
            ] {
                let before = self.setting.cpu(&side);
                let ((mut measured, _), (others, _)) = try_join!(
                    load::run(*address, readers.clone(), duration),
                    load::run(*address, others.clone(), duration),
                )?;
                measured.errors += others.errors;
                into.push((measured, self.setting.cpu(&side).since(before)));
            }
        }
        note(&row.to_string());
        self.table.rows.push(row);
        Ok(())
    }

    /// Two requests of ours, one by one.
    async fn compare_ours(
        &mut self,
        name: &str,
        ours: Repeat,
        other_name: &str,
        other: Repeat,
    ) -> Result<(), Failure> {
        if !name.contains(&self.options.only) {
            return Ok(());
        }
        let mut row = Row::new(name, other_name, 1);
        let duration = Duration::from_secs(self.options.seconds);
        for _ in 0..self.options.repetitions {
            for (user, into) in [(&ours, &mut row.ours), (&other, &mut row.yardstick)] {
                let before = self.setting.cpu(&Side::Ours);
                let (measured, _) =
                    load::run(self.setting.server.address, vec![user.clone()], duration).await?;
                into.push((measured, self.setting.cpu(&Side::Ours).since(before)));
            }
        }
        note(&row.to_string());
        self.table.rows.push(row);
        Ok(())
    }

    fn sessions(&self, connections: usize) -> Vec<Repeat> {
        let user = |(token, id): (String, String)| Repeat {
            body: body(SESSION, &json!({})),
            token: Some(token),
            place: "/data/session/id",
            expected: Some(id.into()),
        };
        self.setting
            .access_tokens(connections)
            .into_iter()
            .map(user)
            .collect()
    }
}

/// A refresh keeps its chain from one scenario to the next.
impl Setting {
    /// Of the first accounts: sign-ins end sessions of the last ones.
    fn chains(&self, connections: usize) -> Vec<Refresh> {
        self.refresh_tokens[..connections].to_vec()
    }

    fn keep(&mut self, chains: Vec<Refresh>) {
        self.refresh_tokens.splice(..chains.len(), chains);
    }
}

//! Imports many accounts with a release build, imports them again, and exports them: how many lines a second, and how much
//! memory. Prints a table in Markdown.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use clap::Parser;
use tempfile::TempDir;

use crate::postgres::Cluster;

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../../tests/it/support/postgres.rs"]
mod postgres;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How much to move.
#[derive(Debug, Parser)]
struct Options {
    /// The folder with the release build of `sessiongraph`.
    #[arg(long, default_value = "target/release")]
    binaries: PathBuf,
    /// How many accounts.
    #[arg(long, default_value_t = 1_000_000)]
    accounts: u64,
    /// `jsonl` or `csv`.
    #[arg(long, default_value = "jsonl")]
    format: String,
    /// `postgres`, `sqlite`, or both.
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    databases: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let program = options.binaries.join("sessiongraph").canonicalize()?;
    let folder = TempDir::new()?;
    let file = folder.path().join(format!("accounts.{}", options.format));
    write_accounts(&file, &options)?;
    let mut out = io::stdout();
    writeln!(
        out,
        "{} accounts, a file of {} MiB ({}).\n\n| database | what | lines/s | time | memory after a tenth | at the most |\n\
         | --- | --- | --- | --- | --- | --- |",
        options.accounts,
        fs::metadata(&file)?.len() >> 20,
        options.format,
    )?;
    for database in &options.databases {
        let cluster = (database == "postgres").then(Cluster::durable);
        let url = match &cluster {
            Some(cluster) => {
                cluster.create_database("moving", None).await?;
                cluster.url("moving")
            }
            None => format!("sqlite://{}", folder.path().join("moving.db").display()),
        };
        let command = |arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.args(arguments).args(["--database-url", &url]);
            command.args(["--secret", "a master secret for benchmarks only"]);
            command.current_dir(folder.path());
            command
        };
        let import = ["import", file.to_str().unwrap_or_default()];
        let export = [
            "export",
            "--with-password-hashes",
            "--format",
            &options.format,
        ];
        for (what, arguments) in [
            ("import", &import[..]),
            ("import again", &import),
            ("export", &export),
        ] {
            let exported = File::create(folder.path().join("out"))?;
            let child = command(arguments)
                .stdout(exported)
                .stderr(File::create(folder.path().join("log"))?)
                .spawn()?;
            let measured = measure(child)?;
            let log = fs::read_to_string(folder.path().join("log"))?;
            if !measured.succeeded {
                return Err(format!("{what} failed: {log}").into());
            }
            writeln!(
                out,
                "| {database} | {what} | {} | {} s | {} MiB | {} MiB |",
                u128::from(options.accounts) * 1000 / measured.took.as_millis().max(1),
                measured.took.as_secs(),
                measured.early_kib / 1024,
                measured.most_kib / 1024,
            )?;
        }
    }
    Ok(())
}

struct Measured {
    succeeded: bool,
    took: Duration,
    /// The most that was resident after a tenth of the time.
    early_kib: u64,
    most_kib: u64,
}

/// Waits for a process and watches its memory.
fn measure(mut child: Child) -> io::Result<Measured> {
    let begun = Instant::now();
    let mut samples = Vec::new();
    let status = loop {
        samples.extend(high_water_mark(child.id()).map(|kib| (begun.elapsed(), kib)));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let took = begun.elapsed();
    let up_to = |time: Duration| {
        let seen = samples.iter().filter(|(at, _)| *at <= time);
        seen.map(|(_, kib)| *kib).max().unwrap_or_default()
    };
    Ok(Measured {
        succeeded: status.success(),
        took,
        early_kib: up_to(took / 10),
        most_kib: up_to(took),
    })
}

/// The most that was ever resident, in KiB; see proc_pid_status(5).
fn high_water_mark(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Accounts as a system with bcrypt has them, none of its hashes twice, in no order of their names.
fn write_accounts(file: &Path, options: &Options) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    if options.format == "csv" {
        writeln!(out, "username,email,emailVerified,passwordHash,createdAt")?;
    }
    for n in 0..options.accounts {
        let shuffled = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let name = format!("user_{shuffled:016x}");
        let salt: String = (0..21)
            .map(|at| digit(shuffled.rotate_left(at * 3)))
            .collect();
        let hash: String = (0..30)
            .map(|at| digit(shuffled.rotate_right(at * 5 + 1)))
            .collect();
        let hash = format!("$2b$12${salt}O{hash}e");
        let (hour, minute, second) = (n / 3600 % 24, n / 60 % 60, n % 60);
        let day = n / 86_400 % 28 + 1;
        let created_at = format!("2020-01-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        if options.format == "csv" {
            writeln!(out, "{name},{name}@example.org,true,{hash},{created_at}")?;
        } else {
            writeln!(
                out,
                "{{\"username\":\"{name}\",\"email\":\"{name}@example.org\",\"emailVerified\":true,\"passwordHash\":\"{hash}\",\
                 \"createdAt\":\"{created_at}\"}}"
            )?;
        }
    }
    out.flush()
}

/// A character of bcrypt's base64.
fn digit(bits: u64) -> char {
    let digits = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char::from(digits[usize::try_from(bits % 64).unwrap_or_default()])
}

//! What is measured, and its data.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Side,
    load::{Connection, Failure},
    note,
    postgres::Cluster,
    process::{Server, cpu_of_family},
    users::{Refresh, body},
};

/// CPU time that server and database have used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) server: Duration,
    pub(crate) database: Duration,
}

impl Cpu {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            server: self.server.saturating_sub(before.server),
            database: self.database.saturating_sub(before.database),
        }
    }
}

/// A server and a yardstick over one kind of database.
pub(crate) struct Setting {
    pub(crate) server: Server,
    pub(crate) yardstick: Server,
    pub(crate) refresh_tokens: Vec<Refresh>,
    cluster: Option<Cluster>,
    url: String,
    service_key: String,
    /// Access token and id of sessions.
    sessions: Vec<(String, String)>,
    accounts: Vec<String>,
    remarks: Vec<String>,
    _folder: TempDir,
}

const LONG: &str = "1d";
/// Accounts and sessions beside those that are used: of a table with few rows PostgreSQL reads all.
const ROWS: u64 = 1_000;

impl Setting {
    pub(crate) async fn start(
        binaries: &Path,
        database: &str,
        connections: usize,
    ) -> Result<Self, Failure> {
        let binaries = binaries.canonicalize()?;
        let folder = TempDir::new()?;
        let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
        for folder in [&ours, &theirs] {
            fs::create_dir(folder)?;
        }
        let cluster = (database == "postgres").then(Cluster::durable);
        let (url, their_url) = if let Some(cluster) = &cluster {
            for name in ["ours", "theirs"] {
                cluster.create_database(name, None).await?;
            }
            (cluster.url("ours"), cluster.url("theirs"))
        } else {
            let file = |folder: &PathBuf| format!("sqlite://{}", folder.join("bench.db").display());
            (file(&ours), file(&theirs))
        };
        fs::write(ours.join("sessiongraph.toml"), configuration(&url))?;
        let program = binaries.join("sessiongraph");
        let serve =
            |listen: &str| vec!["serve".to_owned(), "--listen".to_owned(), listen.to_owned()];
        // The first start makes keys and tables; the second one is measured.
        drop(Server::start(&program, &ours, serve).await?);
        let service_key = service_key(&program, &ours)?;
        let server = Server::start(&program, &ours, serve).await?;
        let yardstick = Server::start(&binaries.join("yardstick"), &theirs, |listen| {
            vec![listen.to_owned(), their_url]
        })
        .await?;
        let mut setting = Self {
            remarks: vec![
                format!("start to first answer {} ms", server.started_in.as_millis()),
                format!("memory idle {:.1} MiB", server.memory()),
            ],
            server,
            yardstick,
            refresh_tokens: Vec::new(),
            cluster,
            url,
            service_key,
            sessions: Vec::new(),
            accounts: Vec::new(),
            _folder: folder,
        };
        setting.sign_up(connections.max(100) + 8).await?;
        setting.populate(ROWS).await?;
        Ok(setting)
    }

    async fn sign_up(&mut self, accounts: usize) -> Result<(), Failure> {
        let document = "mutation($name: String!) { signUp(input: {username: $name, password: \"correct horse\"}) { account { id } session { id } tokens { accessToken refreshToken } } }";
        let mut connection = Connection::open(self.server.address).await?;
        for n in 0..accounts {
            let variables = json!({ "name": format!("user{n}") });
            let answer = connection.post(body(document, &variables), None).await?;
            let text = |place: &str| {
                let text = answer.pointer(place).and_then(Value::as_str);
                text.map(str::to_owned).ok_or_else(|| answer.to_string())
            };
            self.accounts.push(text("/data/signUp/account/id")?);
            self.sessions.push((
                text("/data/signUp/tokens/accessToken")?,
                text("/data/signUp/session/id")?,
            ));
            let token = text("/data/signUp/tokens/refreshToken")?;
            self.refresh_tokens.push(Refresh { token });
        }
        Ok(())
    }

    pub(crate) fn access_tokens(&self, count: usize) -> Vec<(String, String)> {
        self.sessions[..count].to_vec()
    }

    /// The last accounts, whose sessions no measurement needs.
    pub(crate) fn others(&self, count: usize) -> std::ops::Range<usize> {
        let all = self.accounts.len();
        all - count..all
    }

    pub(crate) fn service_key(&self) -> &str {
        &self.service_key
    }

    /// Representations of accounts.
    pub(crate) fn entities(&self, count: usize) -> Vec<Value> {
        let ids = self.accounts[..count].iter();
        ids.map(|id| json!({ "__typename": "Account", "id": id }))
            .collect()
    }

    pub(crate) fn cpu(&self, side: &Side) -> Cpu {
        let server = match side {
            Side::Ours => &self.server,
            Side::Yardstick => &self.yardstick,
        };
        Cpu {
            server: server.cpu(),
            database: self.database_pid().map(cpu_of_family).unwrap_or_default(),
        }
    }

    fn database_pid(&self) -> Option<u32> {
        let folder = self.cluster.as_ref()?.data_dir()?;
        let text = fs::read_to_string(folder.join("postmaster.pid")).ok()?;
        text.lines().next()?.parse().ok()
    }

    /// Adds accounts, each with a session, as copies of those that are there.
    async fn populate(&self, accounts: u64) -> Result<(), Failure> {
        let (id, numbers) = self.copies(accounts);
        self.run(&format!(
            "INSERT INTO accounts SELECT {id}, 'copy' || i, NULL, email_verified, password_hash, permissions, deactivated_at, \
             credentials_version, created_at, updated_at FROM (SELECT * FROM accounts LIMIT 1) one CROSS JOIN {numbers}"
        ))
        .await?;
        self.run(&format!(
            "INSERT INTO sessions SELECT {id}, accounts.id, generation, parent, seen_generation, ip, user_agent, \
             user_agent_family, metadata, one.created_at, refreshed_at, last_seen_at, expires_at, absolute_expires_at, \
             invalidated_at, invalidation_reason, opened_in FROM (SELECT * FROM sessions LIMIT 1) one CROSS JOIN accounts \
             WHERE accounts.username LIKE 'copy%'"
        ))
        .await
    }

    /// Adds ended sessions to the table, as copies of those that are there.
    pub(crate) async fn grow(&self, rows: u64) -> Result<(), Failure> {
        note(&format!("{rows} rows are being added"));
        let (id, numbers) = self.copies(rows);
        self.run(&format!(
            "INSERT INTO sessions SELECT {id}, account_id, generation, parent, seen_generation, ip, user_agent, \
             user_agent_family, metadata, created_at, refreshed_at, last_seen_at, expires_at, absolute_expires_at, \
             created_at, 'LOGOUT', opened_in FROM (SELECT * FROM sessions LIMIT 1) one CROSS JOIN {numbers}"
        ))
        .await
    }

    /// SQL of a new id, and of a table with the numbers `i` up to a count. Ids tell when a session was opened, and these are
    /// old ones: nobody looks for events of theirs.
    fn copies(&self, count: u64) -> (&'static str, String) {
        if self.cluster.is_some() {
            (
                "CAST('00000000' || substr(CAST(gen_random_uuid() AS text), 9) AS uuid)",
                format!("generate_series(1, {count}) n(i)"),
            )
        } else {
            (
                "CAST(x'00000000' || randomblob(12) AS BLOB)",
                format!(
                    "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n) n"
                ),
            )
        }
    }

    /// Changes many rows. PostgreSQL learns of it at once, and not when its autovacuum next looks.
    async fn run(&self, sql: &str) -> Result<(), Failure> {
        let db = Database::connect(self.url.as_str()).await?;
        db.execute_unprepared(sql).await?;
        if self.cluster.is_some() {
            db.execute_unprepared("VACUUM ANALYZE").await?;
            db.execute_unprepared("CHECKPOINT").await?;
        }
        Ok(db.close().await?)
    }

    pub(crate) fn note_memory(&mut self, when: &str) {
        self.remarks
            .push(format!("memory {when} {:.1} MiB", self.server.memory()));
    }

    pub(crate) fn remarks(&self) -> String {
        self.remarks.join("; ")
    }
}

/// Tokens that outlive the measurement, and no limit on refreshes of one session: the load is a few very busy users.
fn configuration(url: &str) -> String {
    format!(
        "database_url = \"{url}\"\nsecret = \"a master secret for the bench, long enough\"\naccess_token_ttl = \"{LONG}\"\n\
         refresh_limit = \"off\"\nsign_up_limit = \"off\"\nlog = \"warn\"\n"
    )
}

fn service_key(program: &Path, folder: &Path) -> Result<String, Failure> {
    let output = Command::new(program)
        .args([
            "service-key",
            "create",
            "--name",
            "bench",
            "--scope",
            "accounts:read",
        ])
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

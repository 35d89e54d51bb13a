//! A server of ours with a database of its own, and users in it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    load::{Connection, Failure},
    note,
    process::Server,
    users::{Refresh, Repeat, body},
};

pub(crate) struct Site {
    pub(crate) server: Server,
    refresh_tokens: Vec<Refresh>,
    url: String,
    service_key: String,
    /// Access token and id of sessions.
    sessions: Vec<(String, String)>,
    accounts: Vec<String>,
    _folder: TempDir,
}

const SESSION: &str = "{ session { id status account { id } } }";
const LONG: &str = "1d";
/// Accounts and sessions beside those that are used: of a table with few rows PostgreSQL reads all.
pub(crate) const ROWS: u64 = 1_000;

impl Site {
    /// Starts it on an empty database, or on a file of its own.
    pub(crate) async fn start(program: &Path, url: Option<String>) -> Result<Self, Failure> {
        let folder = TempDir::new()?;
        let url = url.unwrap_or_else(|| sqlite_url(folder.path()));
        fs::write(folder.path().join("sessiongraph.toml"), configuration(&url))?;
        let serve =
            |listen: &str| vec!["serve".to_owned(), "--listen".to_owned(), listen.to_owned()];
        // The first start makes keys and tables; the second one is measured.
        drop(Server::start(program, folder.path(), serve).await?);
        let service_key = service_key(program, folder.path())?;
        Ok(Self {
            server: Server::start(program, folder.path(), serve).await?,
            refresh_tokens: Vec::new(),
            url,
            service_key,
            sessions: Vec::new(),
            accounts: Vec::new(),
            _folder: folder,
        })
    }

    /// Adds accounts and sessions: enough for as many users at a time.
    pub(crate) async fn fill(&mut self, users: usize) -> Result<(), Failure> {
        self.sign_up(users.max(100) + 8).await?;
        self.populate(ROWS).await
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

    /// Users that ask for their session.
    pub(crate) fn sessions(&self, count: usize) -> Vec<Repeat> {
        let user = |(token, id): &(String, String)| Repeat {
            body: body(SESSION, &json!({})),
            token: Some(token.clone()),
            place: "/data/session/id",
            expected: Some(id.as_str().into()),
        };
        self.sessions[..count].iter().map(user).collect()
    }

    /// The last accounts, whose sessions no measurement needs.
    pub(crate) fn others(&self, count: usize) -> std::ops::Range<usize> {
        let all = self.accounts.len();
        all - count..all
    }

    /// A gateway that asks for as many accounts at once.
    pub(crate) fn entities(&self, count: usize) -> Repeat {
        let document = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Account { id username } } }";
        let ids = self.accounts[..count].iter();
        let ids: Vec<_> = ids
            .map(|id| json!({ "__typename": "Account", "id": id }))
            .collect();
        let last = format!("/data/_entities/{}/username", count - 1);
        Repeat {
            body: body(document, &json!({ "r": ids })),
            token: Some(self.service_key.clone()),
            place: Box::leak(last.into_boxed_str()),
            expected: None,
        }
    }

    /// Of the first accounts: sign-ins end sessions of the last ones.
    pub(crate) fn chains(&self, connections: usize) -> Vec<Refresh> {
        self.refresh_tokens[..connections].to_vec()
    }

    /// A refresh keeps its chain from one scenario to the next.
    pub(crate) fn keep(&mut self, chains: Vec<Refresh>) {
        self.refresh_tokens.splice(..chains.len(), chains);
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
        // Not just now: what ended in the last minutes is looked at again for events that were missed.
        let ended = if self.on_postgres() {
            "created_at - interval '1 day'"
        } else {
            "strftime('%Y-%m-%dT%H:%M:%f+00:00', created_at, '-1 day')"
        };
        self.run(&format!(
            "INSERT INTO sessions SELECT {id}, account_id, generation, parent, seen_generation, ip, user_agent, \
             user_agent_family, metadata, created_at, refreshed_at, last_seen_at, expires_at, absolute_expires_at, \
             {ended}, 'LOGOUT', opened_in FROM (SELECT * FROM sessions LIMIT 1) one CROSS JOIN {numbers}"
        ))
        .await
    }

    /// SQL of a new id, and of a table with the numbers `i` up to a count. Ids tell when a session was opened, and these are
    /// old ones: nobody looks for events of theirs.
    fn copies(&self, count: u64) -> (&'static str, String) {
        if self.on_postgres() {
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

    /// Changes many rows. PostgreSQL learns of it at once, and not when its autovacuum next looks; and what was written is
    /// put into its place, so that nobody reads half a gigabyte of log.
    async fn run(&self, sql: &str) -> Result<(), Failure> {
        let db = Database::connect(self.url.as_str()).await?;
        db.execute_unprepared(sql).await?;
        if self.on_postgres() {
            db.execute_unprepared("VACUUM ANALYZE").await?;
            db.execute_unprepared("CHECKPOINT").await?;
        } else {
            db.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)")
                .await?;
        }
        Ok(db.close().await?)
    }

    fn on_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }
}

pub(crate) fn sqlite_url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("bench.db").display())
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

//! A throw-away PostgreSQL for the tests: one cluster a test process, one database a test.
//!
//! [`server`] starts it when it is first asked for: `initdb` into a temporary folder, then a server
//! that listens on a Unix socket in that folder and nowhere else. A PostgreSQL that runs on the
//! machine already is neither needed nor touched; only its programs are used.
//!
//! Nothing here relies on destructors, which a static never runs and a killed process neither. The
//! process that the tests start is a small shell script, [`WATCHDOG`], that starts the server and
//! then blocks reading its standard input. That pipe closes when the test process ends, however it
//! ends, and the script then stops the server and removes the folder.
//!
//! Environment:
//!
//! - `TEST_POSTGRES_URL`: the URL of a server to use instead, of a role that may create databases.
//!   The path names the database to connect to for doing so. With it nothing is started.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on panics"
)]

use std::{
    collections::HashSet,
    env,
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr};
use tokio::{sync::Mutex, time::sleep};
use url::Url;

/// Starts a server, says `ready`, and stops the server when standard input ends.
///
/// Arguments: the folder with PostgreSQL's programs, the folder to work in, and the settings to
/// append to `postgresql.conf`. Standard output is `ready`, or else what went wrong.
const WATCHDOG: &str = r#"
exec 2>&1
bin=$1 dir=$2 settings=$3

clean_up() {
    trap '' HUP INT PIPE TERM
    "$bin/pg_ctl" stop -D "$dir/data" -m immediate >/dev/null 2>&1
    rm -rf "$dir"
}
fail() {
    echo "$1:"
    cat "$dir/log"
    exit 1
}
trap clean_up EXIT
# PIPE: who waits for `ready` may be gone by then.
trap 'exit 1' HUP INT PIPE TERM

"$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync \
    >"$dir/log" 2>&1 </dev/null || fail "initdb failed"
printf '%s\n' "$settings" >>"$dir/data/postgresql.conf"
"$bin/pg_ctl" start -D "$dir/data" -l "$dir/log" -t 60 >>"$dir/log" 2>&1 </dev/null ||
    fail "the server did not start"
echo ready
read -r nothing
"#;

/// How a newcomer gets what is missing.
const INSTALL_HINT: &str = "\
The tests run on PostgreSQL (14 or newer) as well as on SQLite, and start a server of their own. They look for its
programs (initdb, pg_ctl, postgres) on PATH, where `pg_config --bindir` says, and in /usr/lib/postgresql/*/bin and
/usr/pgsql-*/bin. To install them: `make postgres`, or

    Debian, Ubuntu:  apt-get install postgresql
    Fedora:          dnf install postgresql-server
    macOS:           brew install postgresql@17

or set TEST_POSTGRES_URL to a server where the tests may create databases, or run the SQLite tests alone:
`cargo test sqlite`.";

/// The PostgreSQL server of this test process, started on the first call.
///
/// # Panics
///
/// If there is no PostgreSQL to start, on every call: a test that needs it must not pass without.
pub(crate) fn server() -> &'static Cluster {
    static SERVER: LazyLock<Result<Cluster, String>> = LazyLock::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "where the tests find a database is their own affair"
        )]
        match env::var("TEST_POSTGRES_URL") {
            Ok(url) if !url.is_empty() => Cluster::connect_to(&url),
            _ => Cluster::start(Durability::None),
        }
    });
    match &*SERVER {
        Ok(cluster) => cluster,
        Err(error) => panic!("no PostgreSQL for the tests: {error}"),
    }
}

/// A PostgreSQL server in which tests create databases.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The URL of the database from which others are created.
    admin_url: Url,
    /// Where the server keeps its data; unknown of a server that the tests have not started.
    data_dir: Option<PathBuf>,
    /// Held by whoever creates a database: see [`Cluster::create_database`].
    creating: Mutex<()>,
    /// The server runs as long as this stays open.
    _watchdog: Option<ChildStdin>,
}

/// A server that does not answer for now.
#[must_use]
pub(crate) struct Hanging(Vec<String>);

impl Drop for Hanging {
    fn drop(&mut self) {
        signal("CONT", &self.0);
    }
}

/// One of the processes may have ended meanwhile.
fn signal(name: &str, processes: &[String]) {
    let mut command = Command::new("kill");
    command.arg(format!("-{name}")).args(processes);
    let _ = command.stderr(Stdio::null()).status();
}

/// Whether what is committed survives a crash of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// As PostgreSQL is by default.
    Full,
    /// These are databases of a few seconds.
    None,
}

impl Cluster {
    /// Uses a server that is there already.
    fn connect_to(admin_url: &str) -> Result<Self, String> {
        let admin_url = Url::parse(admin_url)
            .map_err(|error| format!("TEST_POSTGRES_URL is no URL: {error}"))?;
        if !matches!(admin_url.scheme(), "postgres" | "postgresql") {
            return Err("TEST_POSTGRES_URL is no URL of a PostgreSQL server".to_owned());
        }
        Ok(Self {
            admin_url,
            data_dir: None,
            creating: Mutex::default(),
            _watchdog: None,
        })
    }

    /// A server of one test's own, which it may crash: what is committed survives that.
    pub(crate) fn durable() -> Self {
        Self::start(Durability::Full)
            .unwrap_or_else(|error| panic!("no PostgreSQL for the tests: {error}"))
    }

    /// Runs `pg_ctl` on a server of one's own, to stop and start it.
    pub(crate) fn control(&self, arguments: &[&str]) {
        let programs = Programs::find().unwrap();
        let data = self.data_dir.as_ref().expect("a server of one's own");
        let mut command = Command::new(programs.0.join("pg_ctl"));
        command
            .arg("-D")
            .arg(data)
            .args(arguments)
            .args(["-l", "/dev/null", "-w"]);
        command
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let owner = fs::metadata(data).unwrap();
        if owner.uid() != 0 && fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(owner.uid()).gid(owner.gid());
        }
        assert!(command.status().unwrap().success(), "pg_ctl {arguments:?}");
    }

    /// Lets a server of one's own hang, connections and all, until what is returned is dropped: its processes are stopped.
    pub(crate) fn hang(&self) -> Hanging {
        let data = self.data_dir.as_ref().expect("a server of one's own");
        let postmaster = fs::read_to_string(data.join("postmaster.pid")).unwrap();
        let postmaster = postmaster.lines().next().unwrap().to_owned();
        // First the one that starts the others.
        signal("STOP", std::slice::from_ref(&postmaster));
        let children = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = fs::read_to_string(children).expect("Linux, with its /proc");
        let mut processes: Vec<String> = children.split(' ').map(str::to_owned).collect();
        processes.retain(|process| !process.is_empty());
        signal("STOP", &processes);
        processes.push(postmaster);
        Hanging(processes)
    }

    /// Starts a server that lives as long as what is returned, or as this process.
    fn start(durability: Durability) -> Result<Self, String> {
        let programs = Programs::find()?;
        let (mut child, dir) = Self::spawn(&programs, durability)?;
        let watchdog = child.stdin.take();
        let mut stdout = child.stdout.take().expect("standard output was asked for");
        let mut output = BufReader::new(&mut stdout);
        let mut line = String::new();
        output
            .read_line(&mut line)
            .map_err(|error| format!("cannot read from /bin/sh: {error}"))?;
        if line != "ready\n" {
            // The script ends, and so does its output.
            let _ = output.read_to_string(&mut line);
            return Err(format!(
                "that in {} did not start: {line}",
                programs.0.display()
            ));
        }

        // Port and TLS are said although they are the defaults: PGPORT and PGSSLMODE would count else.
        let mut admin_url =
            Url::parse("postgres://postgres@localhost:5432/postgres").expect("a valid URL");
        let host = dir.to_str().expect("socket_root() gives UTF-8");
        admin_url
            .query_pairs_mut()
            .append_pair("host", host)
            .append_pair("sslmode", "disable");
        Ok(Self {
            admin_url,
            data_dir: Some(dir.join("data")),
            creating: Mutex::default(),
            _watchdog: watchdog,
        })
    }

    /// Runs the [`WATCHDOG`], which from then on owns the folder that is returned.
    fn spawn(programs: &Programs, durability: Durability) -> Result<(Child, PathBuf), String> {
        let dir = tempfile::Builder::new()
            .prefix("sessiongraph-pg-")
            .tempdir_in(socket_root())
            .map_err(|error| format!("cannot create a temporary folder: {error}"))?;

        let durable = if durability == Durability::Full {
            "on"
        } else {
            "off"
        };
        let settings = format!(
            "listen_addresses = ''\n\
             unix_socket_directories = '{}'\n\
             unix_socket_permissions = 0700\n\
             max_connections = 300\n\
             shared_buffers = '64MB'\n\
             fsync = {durable}\n\
             synchronous_commit = {durable}\n\
             full_page_writes = {durable}\n\
             lc_messages = 'C'",
            dir.path().display().to_string().replace('\'', "''"),
        );
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", WATCHDOG, "sessiongraph-pg"])
            .arg(&programs.0)
            .arg(dir.path())
            .arg(settings)
            .current_dir("/")
            // A Ctrl-C at the terminal is for the tests; what it leaves is cleaned up as at any end.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG"))
        {
            command.env_remove(name);
        }
        // PostgreSQL refuses to run as root.
        let owner = fs::metadata(dir.path())
            .map_err(|error| format!("{}: {error}", dir.path().display()))?
            .uid();
        if owner == 0 {
            let user = User::unprivileged()?;
            chown(dir.path(), Some(user.uid), Some(user.gid)).map_err(|error| {
                format!(
                    "cannot give {} to {}: {error}",
                    dir.path().display(),
                    user.name
                )
            })?;
            command.uid(user.uid).gid(user.gid);
        }

        let child = command
            .spawn()
            .map_err(|error| format!("cannot run /bin/sh: {error}"))?;
        Ok((child, dir.keep()))
    }

    /// The URL of a database in this cluster, which need not exist yet.
    pub(crate) fn url(&self, database: &str) -> String {
        let mut url = self.admin_url.clone();
        url.set_path(&database.replace('%', "%25"));
        url.into()
    }

    /// Where the server keeps its data. `None` with `TEST_POSTGRES_URL`.
    pub(crate) fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// Creates a database, as a copy of `template` if there is one.
    ///
    /// PostgreSQL refuses to copy a database that anybody is connected to, and a pool that was closed
    /// a moment ago may still be seen there. So one database is created at a time, and a refusal is
    /// tried again for a while. The template itself must not stay in use.
    ///
    /// # Errors
    ///
    /// If the name is taken, the template missing, or in use for long.
    pub(crate) async fn create_database(
        &self,
        name: &str,
        template: Option<&str>,
    ) -> Result<(), DbErr> {
        let mut statement = format!("CREATE DATABASE {}", identifier(name));
        if let Some(template) = template {
            statement = format!("{statement} TEMPLATE {}", identifier(template));
        }
        let _one_at_a_time = self.creating.lock().await;
        // The server itself waits five seconds for the others to leave before it refuses.
        let mut attempts = 1..=4;
        loop {
            match self.administer(&statement).await {
                Err(error) if attempts.next().is_some() && is_in_use(&error) => {
                    sleep(Duration::from_millis(100)).await;
                }
                result => return result,
            }
        }
    }

    /// Drops a database if it exists, with all connections to it.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or the database is not ours to drop.
    pub(crate) async fn drop_database(&self, name: &str) -> Result<(), DbErr> {
        self.administer(&format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            identifier(name)
        ))
        .await
    }

    /// Runs one statement on a connection of its own: each test has its runtime, and a pool belongs to one.
    async fn administer(&self, statement: &str) -> Result<(), DbErr> {
        let mut options = ConnectOptions::new(self.admin_url.as_str());
        options
            .max_connections(1)
            .sqlx_logging(false)
            .connect_timeout(Duration::from_secs(30));
        let database = Database::connect(options).await?;
        let result = database.execute_unprepared(statement).await;
        database.close().await?;
        result.map(drop)
    }
}

/// Whether PostgreSQL refused because somebody is connected to the template (`object_in_use`), or
/// another process is creating a database from it at the same time.
fn is_in_use(error: &DbErr) -> bool {
    error
        .to_string()
        .contains("is being accessed by other users")
}

/// A name as SQL takes it literally.
///
/// # Panics
///
/// If PostgreSQL would cut it, when two names may become one.
fn identifier(name: &str) -> String {
    assert!(
        name.len() < 64,
        "PostgreSQL cuts names over 63 bytes: {name}"
    );
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Where a Unix socket can be: its path is limited to about a hundred bytes.
fn socket_root() -> PathBuf {
    let root = env::temp_dir();
    match root.to_str() {
        Some(path) if path.len() <= 60 && root.is_absolute() => root,
        _ => PathBuf::from("/tmp"),
    }
}

/// The folder with `initdb`, `pg_ctl` and `postgres`.
#[derive(Debug)]
struct Programs(PathBuf);

impl Programs {
    fn find() -> Result<Self, String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "where the tests find programs is their own affair"
        )]
        let path = env::var_os("PATH").unwrap_or_default();
        Self::candidates(&path)
            .into_iter()
            .find(|dir| {
                ["initdb", "pg_ctl", "postgres"]
                    .iter()
                    .all(|program| is_executable(&dir.join(program)))
            })
            .map(Self)
            .ok_or_else(|| format!("its programs are not installed.\n\n{INSTALL_HINT}"))
    }

    /// Where they may be, the best place first.
    fn candidates(path: &OsString) -> Vec<PathBuf> {
        // A link on PATH leads to its folder: the programs look for each other beside themselves.
        let on_path = env::split_paths(path)
            .filter_map(|dir| dir.join("initdb").canonicalize().ok())
            .filter_map(|initdb| initdb.parent().map(Path::to_owned));
        let configured = Command::new("pg_config")
            .arg("--bindir")
            .output()
            .ok()
            .filter(|output| output.status.success())
            .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
        let mut seen = HashSet::new();
        on_path
            .chain(configured)
            .chain(versions("/usr/lib/postgresql", ""))
            .chain(versions("/usr", "pgsql-"))
            .filter(|dir| seen.insert(dir.clone()))
            .collect()
    }
}

/// The `bin` folders of all versions under `parent`, the newest first.
fn versions(parent: &str, prefix: &str) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry
                .file_name()
                .to_str()?
                .strip_prefix(prefix)?
                .parse()
                .ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// A user whom the server runs as where the tests run as root.
#[derive(Debug, PartialEq)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl User {
    /// `postgres`, or `nobody` where PostgreSQL's package has made none.
    fn unprivileged() -> Result<Self, String> {
        let passwd =
            fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Self::look_up(name, &passwd))
            .ok_or_else(|| {
                "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`"
                    .to_owned()
            })
    }

    fn look_up(name: &str, passwd: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next()? != name {
                return None;
            }
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Self {
                name: name.to_owned(),
                uid,
                gid,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use sea_orm::{DatabaseConnection, Statement};
    use uuid::Uuid;

    use super::*;

    fn unique(prefix: &str) -> String {
        format!("{prefix}_{}", Uuid::now_v7().simple())
    }

    async fn connect(database: &str) -> DatabaseConnection {
        Database::connect(server().url(database))
            .await
            .expect("the database is there")
    }

    async fn setting(database: &DatabaseConnection, name: &str) -> String {
        let statement =
            Statement::from_string(database.get_database_backend(), format!("SHOW {name}"));
        let row = database
            .query_one_raw(statement)
            .await
            .expect("the setting is there")
            .expect("one row");
        row.try_get_by_index(0).expect("a text")
    }

    async fn count(database: &DatabaseConnection, table: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {table}");
        let statement = Statement::from_string(database.get_database_backend(), statement);
        let row = database
            .query_one_raw(statement)
            .await
            .expect("the table is there")
            .expect("one row");
        row.try_get_by_index(0).expect("a number")
    }

    /// A database with a table of three rows, for others to be copied from.
    async fn template() -> String {
        let name = unique("template");
        server().create_database(&name, None).await.unwrap();
        let database = connect(&name).await;
        database
            .execute_unprepared("CREATE TABLE item AS SELECT generate_series(1, 3) AS id")
            .await
            .unwrap();
        database.close().await.unwrap();
        name
    }

    #[tokio::test]
    async fn the_cluster_starts_with_its_settings() {
        let Some(data_dir) = server().data_dir() else {
            return eprintln!("the server is not ours: TEST_POSTGRES_URL is set");
        };
        let database = connect("postgres").await;
        assert_eq!(
            setting(&database, "data_directory").await,
            data_dir.to_str().unwrap()
        );
        assert_eq!(setting(&database, "listen_addresses").await, "");
        assert_eq!(setting(&database, "max_connections").await, "300");
        for name in ["fsync", "synchronous_commit", "full_page_writes"] {
            assert_eq!(setting(&database, name).await, "off", "{name}");
        }
        let version: u32 = setting(&database, "server_version_num")
            .await
            .parse()
            .unwrap();
        assert!(
            version >= 14_00_00,
            "PostgreSQL 14 or newer is wanted, this is {version}"
        );
        database.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_database_is_created_from_a_template_and_dropped() {
        let template = template().await;
        let name = unique("copy");
        server()
            .create_database(&name, Some(&template))
            .await
            .unwrap();
        let database = connect(&name).await;
        database
            .execute_unprepared("INSERT INTO item VALUES (4)")
            .await
            .unwrap();
        assert_eq!(count(&database, "item").await, 4);
        assert_eq!(count(&connect(&template).await, "item").await, 3);

        server().drop_database(&name).await.unwrap();
        server().drop_database(&name).await.unwrap();
        Database::connect(server().url(&name)).await.unwrap_err();
        server().drop_database(&template).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn databases_are_created_from_one_template_at_the_same_time() {
        let template = template().await;
        // Somebody who has not quite left the template yet.
        let late = connect(&template).await;
        let leaving = tokio::spawn(async move {
            sleep(Duration::from_millis(300)).await;
            late.close().await.unwrap();
        });
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let template = template.clone();
                tokio::spawn(async move {
                    let name = unique("copy");
                    server()
                        .create_database(&name, Some(&template))
                        .await
                        .unwrap();
                    let database = connect(&name).await;
                    assert_eq!(count(&database, "item").await, 3);
                    database.close().await.unwrap();
                    server().drop_database(&name).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        leaving.await.unwrap();
        server().drop_database(&template).await.unwrap();
    }

    #[tokio::test]
    async fn names_are_taken_literally() {
        let name = unique(r#"It's "quoted", 100%/ü"#);
        server().create_database(&name, None).await.unwrap();
        let error = server().create_database(&name, None).await.unwrap_err();
        assert!(error.to_string().contains("already exists"), "{error}");
        connect(&name).await.close().await.unwrap();
        server().drop_database(&name).await.unwrap();
    }

    /// Until nothing is left of a server that was started in `dir`.
    fn wait_until_gone(dir: &Path, pid: Option<&str>) {
        // A zombie, which somebody else has to collect, has no command line any more.
        let is_running = |pid| {
            fs::read(Path::new("/proc").join(pid).join("cmdline"))
                .is_ok_and(|line| !line.is_empty())
        };
        let deadline = Instant::now() + Duration::from_mins(1);
        while dir.exists() || pid.is_some_and(is_running) {
            assert!(
                Instant::now() < deadline,
                "{} is still there",
                dir.display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A test process that dies writes nothing to the pipe: it closes.
    #[test]
    fn the_server_is_gone_when_the_pipe_closes() {
        if server().data_dir().is_none() {
            return eprintln!("there may be no PostgreSQL to start: TEST_POSTGRES_URL is set");
        }
        let mut cluster = Cluster::start(Durability::None).unwrap();
        let data_dir = cluster.data_dir.take().unwrap();
        let pid = fs::read_to_string(data_dir.join("postmaster.pid")).unwrap();
        drop(cluster);
        wait_until_gone(data_dir.parent().unwrap(), pid.lines().next());
    }

    /// A test process that dies early reads no `ready` either.
    #[test]
    fn nothing_is_left_when_the_pipes_close_before_the_server_runs() {
        if server().data_dir().is_none() {
            return eprintln!("there may be no PostgreSQL to start: TEST_POSTGRES_URL is set");
        }
        let (child, dir) = Cluster::spawn(&Programs::find().unwrap(), Durability::None).unwrap();
        drop(child);
        wait_until_gone(&dir, None);
    }

    #[test]
    fn users_are_looked_up_by_their_whole_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres2:x:1:2::/:/bin/sh\npostgres:x:101:104:a,b:/var:/bin/sh\n";
        let user = User {
            name: "postgres".to_owned(),
            uid: 101,
            gid: 104,
        };
        assert_eq!(User::look_up("postgres", passwd), Some(user));
        assert_eq!(User::look_up("post", passwd), None);
    }

    #[test]
    fn the_newest_version_is_taken() {
        let parent = tempfile::tempdir().unwrap();
        for version in ["9", "14", "16", "share"] {
            fs::create_dir(parent.path().join(version)).unwrap();
        }
        let found = versions(parent.path().to_str().unwrap(), "");
        assert_eq!(
            found,
            ["16", "14", "9"].map(|version| parent.path().join(version).join("bin"))
        );
    }

    #[test]
    fn a_server_can_be_given_instead() {
        let cluster =
            Cluster::connect_to("postgres://me:pw@db.example:5433/admin?sslmode=require").unwrap();
        assert_eq!(
            cluster.url("a b"),
            "postgres://me:pw@db.example:5433/a%20b?sslmode=require"
        );
        assert_eq!(cluster.data_dir(), None);
        Cluster::connect_to("mysql://localhost/").unwrap_err();
    }
}

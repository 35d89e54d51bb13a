//! Running the binary in a folder of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::LazyLock,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything takes here; what takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// A copy of the binary as it was built with these tests: another build may replace it while they run.
static BINARY: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("sessiongraph");
    std::fs::copy(env!("CARGO_BIN_EXE_sessiongraph"), &copy).unwrap();
    (folder, copy)
});

/// A working directory without any configuration.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path().join(file), text).unwrap();
    }

    /// The binary with these arguments, in this folder, without the environment of the tests.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&BINARY.1);
        command.args(arguments).current_dir(self.path()).env_clear();
        command
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Finished {
        self.feed(arguments, "")
    }

    /// Runs a command to its end that has to succeed, and returns what it printed.
    #[track_caller]
    pub(super) fn ok(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments);
        assert!(
            finished.status.success(),
            "{arguments:?}: {}",
            finished.stderr
        );
        finished.stdout
    }

    /// Runs a command to its end that has to fail, and returns what it complained.
    #[track_caller]
    pub(super) fn fails(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments);
        assert!(
            !finished.status.success(),
            "{arguments:?} succeeded: {}",
            finished.stdout
        );
        assert_eq!(finished.stdout, "", "{arguments:?}");
        assert!(!finished.stderr.is_empty(), "{arguments:?}");
        finished.stderr
    }

    /// Runs a command that reads from standard input.
    pub(super) fn feed(&self, arguments: &[&str], input: &str) -> Finished {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Who does not want it is gone by then.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let mut running = Running(child);
        running.wait();
        Finished::new(&mut running.0)
    }

    /// Starts a server on a free port.
    pub(super) fn serve(&self, arguments: &[&str]) -> Server {
        self.serve_with(&[], arguments)
    }

    /// Starts a server on a free port, with these variables in its environment.
    pub(super) fn serve_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Server {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let mut command = self.command(&all);
        command.envs(variables.iter().copied());
        Server::start(command)
    }

    /// Starts a server that can write no file beyond a size: its disk is full.
    pub(super) fn serve_on_a_full_disk(&self, kibibytes: u32, arguments: &[&str]) -> Server {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let plain = self.command(&all);
        let script = format!("trap '' XFSZ; ulimit -f {kibibytes}; exec \"$0\" \"$@\"");
        let mut limited = Command::new("bash");
        limited
            .arg("-c")
            .arg(script)
            .arg(plain.get_program())
            .args(plain.get_args());
        limited.current_dir(self.path()).env_clear();
        for (name, value) in plain.get_envs() {
            if let Some(value) = value {
                limited.env(name, value);
            }
        }
        Server::start(limited)
    }
}

/// What a command left behind.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Finished {
    fn new(child: &mut Child) -> Self {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        Self {
            status: child.wait().unwrap(),
            stdout,
            stderr,
        }
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the process does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running server.
pub(super) struct Server {
    running: Running,
    pub(super) url: String,
    log: Option<JoinHandle<String>>,
}

/// The address in the line that tells it, in either format of the log.
fn listening(line: &str) -> Option<String> {
    if let Some((_, address)) = line.trim().split_once("listening address=") {
        return Some(address.to_owned());
    }
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    let address = fields["address"].as_str()?;
    (fields["message"] == "listening").then(|| address.to_owned())
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(
                stderr.read_line(&mut line).unwrap() > 0,
                "the server did not start: {log}"
            );
            log += &line;
            if let Some(address) = listening(&line) {
                break address;
            }
        };
        // Somebody has to read on, or the server would wait for it.
        let reader = std::thread::spawn(move || {
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        Self {
            running: Running(child),
            url: format!("http://{address}"),
            log: Some(reader),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.running.0.id()
    }

    /// Sends a signal by name.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Kills it at once, with no other process between.
    pub(super) fn kill(&mut self) {
        self.running.0.kill().unwrap();
    }

    /// Waits for its end, and returns its status and all that it logged.
    pub(super) fn wait(mut self) -> (ExitStatus, String) {
        let status = self.running.wait();
        (status, self.log.take().unwrap().join().unwrap())
    }

    pub(super) fn stop(self) -> (ExitStatus, String) {
        self.signal("TERM");
        self.wait()
    }

    /// Runs a document.
    pub(super) async fn query(&self, document: &str, token: Option<&str>) -> Value {
        let mut request = reqwest::Client::new()
            .post(format!("{}/graphql", self.url))
            .header("user-agent", "test/1")
            .json(&json!({ "query": document }));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Exchanges a refresh token, as it stands in an answer.
    pub(super) async fn refresh(&self, token: &Value) -> Value {
        let document = format!(
            "mutation {{ refreshTokens(input: {{ refreshToken: {token} }}) {{ refreshOutcome }} }}"
        );
        self.query(&document, None).await
    }

    /// Signs up and returns the tokens.
    pub(super) async fn sign_up(&self, username: &str) -> Value {
        let document = format!(
            "mutation {{ signUp(input: {{ username: \"{username}\", password: \"correct horse\" }}) {{ tokens {{ accessToken refreshToken }} }} }}"
        );
        let answer = self.query(&document, None).await;
        assert_eq!(answer.get("errors"), None, "{answer:#}");
        answer["data"]["signUp"]["tokens"].clone()
    }

    pub(super) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("{}{path}", self.url)).await.unwrap()
    }
}

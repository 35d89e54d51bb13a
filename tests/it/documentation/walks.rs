//! The commands that pages show with what they print, run word for word against the real binary.
//!
//! A shell block that follows `<!-- walk -->` is run (on one database only, where the marker says so), and what it prints is what the `text` block behind it shows; `…`
//! stands for what differs each time. The walks of a page are one, in one shell, against one server that was started in a
//! fresh folder. Two things are not as on the page: the server has a free port in the place of 4000, and the
//! `sessiongraph` on the path is the one that these tests were built with.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::symlink,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use tempfile::TempDir;

use super::pages::{Page, Walk, pages};
use crate::support::database::TestDatabase;

/// The commands of a page, and what it says that they print.
fn walk(page: &Page, on_postgres: bool) -> Option<(String, Vec<String>)> {
    let mut commands = Vec::new();
    let mut shown = Vec::new();
    for (at, block) in page.blocks.iter().enumerate() {
        match block.walk {
            None => continue,
            Some(Walk::OnPostgres) if !on_postgres => continue,
            Some(Walk::OnSqlite) if on_postgres => continue,
            Some(_) => {}
        }
        assert_eq!(block.language, "sh", "{}", page.name());
        commands.push(block.text.clone());
        let next = page.blocks.get(at + 1);
        if let Some(output) = next.filter(|next| next.language == "text") {
            shown.extend(output.text.lines().map(str::to_owned));
        }
    }
    (!commands.is_empty()).then(|| (commands.join("\n"), shown))
}

/// Whether a line is as shown, where `…` stands for anything.
fn fits(printed: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else {
        return false;
    };
    let mut ends_with = None;
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        ends_with = Some(part);
    }
    rest.is_empty() || ends_with == Some("")
}

/// A server in a fresh folder, with what its environment says.
struct Server {
    folder: TempDir,
    process: Child,
    port: String,
    log: Option<JoinHandle<usize>>,
    environment: Vec<(&'static str, String)>,
}

impl Server {
    fn start(environment: Vec<(&'static str, String)>) -> Self {
        let folder = TempDir::new().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_sessiongraph"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(["--public-url", "http://127.0.0.1:4000"])
            .current_dir(folder.path())
            .envs(environment.clone())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let listening = log
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains("listening"))
            .expect("the server starts");
        let port = listening.rsplit(':').next().unwrap().trim().to_owned();
        Self {
            folder,
            process,
            port,
            // Nobody may have to wait for a full pipe.
            log: Some(std::thread::spawn(move || {
                log.map_while(Result::ok).count()
            })),
            environment,
        }
    }

    /// Runs commands in the server's folder, and returns the lines that they print.
    fn run(&self, commands: &str) -> Vec<String> {
        let programs = self.folder.path().join("programs");
        fs::create_dir(&programs).unwrap();
        symlink(
            env!("CARGO_BIN_EXE_sessiongraph"),
            programs.join("sessiongraph"),
        )
        .unwrap();
        let commands = commands.replace("127.0.0.1:4000", &format!("127.0.0.1:{}", self.port));
        let output = Command::new("bash")
            .args(["-eo", "pipefail", "-c"])
            .arg(format!("PATH=$PWD/programs:$PATH\n{commands}"))
            .current_dir(self.folder.path())
            .envs(self.environment.clone())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}{printed}");
        printed.lines().map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(log) = self.log.take() {
            let _ = log.join();
        }
    }
}

/// The pages that have something to run, with what it prints.
fn all_walks(on_postgres: bool) -> Vec<(Page, String, Vec<String>)> {
    let walks: Vec<_> = pages()
        .into_iter()
        .filter_map(|page| {
            let (commands, shown) = walk(&page, on_postgres)?;
            Some((page, commands, shown))
        })
        .collect();
    let names: Vec<String> = walks.iter().map(|(page, _, _)| page.name()).collect();
    assert!(names.contains(&"README.md".to_owned()), "{names:?}");
    walks
}

fn compare(page: &Page, printed: &[String], shown: &[String]) {
    let mut lines = printed.iter().zip(shown);
    if let Some((printed, shown)) = lines.find(|(printed, shown)| !fits(printed, shown)) {
        panic!("{} shows {shown}, and it printed {printed}", page.name());
    }
    assert_eq!(printed.len(), shown.len(), "{}: {printed:#?}", page.name());
}

#[test]
fn they_print_what_the_pages_show_on_sqlite() {
    for (page, commands, shown) in all_walks(false) {
        // As after `make run`: no setting at all.
        compare(&page, &Server::start(Vec::new()).run(&commands), &shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_print_what_the_pages_show_on_postgres() {
    for (page, commands, shown) in all_walks(true) {
        let database = TestDatabase::postgres().await;
        let secret = "a master secret for tests that is long enough";
        let server = Server::start(vec![
            ("SESSIONGRAPH_DATABASE_URL", database.url.clone()),
            ("SESSIONGRAPH_SECRET", secret.to_owned()),
        ]);
        compare(&page, &server.run(&commands), &shown);
    }
}

#[test]
fn an_ellipsis_stands_for_anything() {
    assert!(fits("abc", "abc") && fits("a1b2", "a…b…") && fits("a1b", "…b") && fits("", ""));
    assert!(!fits("abcd", "abc") && !fits("xbc", "a…") && !fits("a1b2", "a…b"));
}

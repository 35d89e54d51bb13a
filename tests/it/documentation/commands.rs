//! Commands that pages name: they are there, with the flags that are shown. What they print, [`super::walks`] compares.

use std::{collections::BTreeSet, fs, process::Command};

use tempfile::TempDir;

use super::pages::{Page, pages, root};

/// The first words of commands of ours.
fn commands() -> BTreeSet<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_sessiongraph"))
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, behind) = help.split_once("Commands:\n").unwrap();
    behind
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// The lines of a shell script, those that go on put together.
fn lines(script: &str) -> Vec<String> {
    let whole = script.replace("\\\n", " ");
    whole.lines().map(|line| line.trim().to_owned()).collect()
}

/// What stands behind the name of a program where a command begins, up to where the command ends.
fn calls_of(program: &str, line: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for (at, name) in line.match_indices(program) {
        let (before, behind) = (line[..at].trim_end(), &line[at + name.len()..]);
        let begins = before.is_empty()
            || ["$(", "|", "&&", ";"]
                .iter()
                .any(|start| before.ends_with(start));
        if !begins || !(behind.is_empty() || behind.starts_with(' ')) {
            continue;
        }
        let words = behind
            .split_whitespace()
            .take_while(|word| !word.starts_with(['|', '>', '<', '#', '&', ';']))
            .map(|word| word.trim_end_matches([')', '"', ';']).to_owned())
            .collect();
        calls.push(words);
    }
    calls
}

/// The calls of a program on a page, in shell blocks and in running text.
fn calls(page: &Page, program: &str) -> Vec<Vec<String>> {
    let blocks = page.blocks.iter().filter(|block| block.language == "sh");
    blocks
        .flat_map(|block| lines(&block.text))
        .chain(page.spans.iter().cloned())
        .flat_map(|line| calls_of(program, &line))
        .collect()
}

#[test]
fn commands_of_the_server_are_there_with_their_flags() {
    let folder = TempDir::new().unwrap();
    let all = commands();
    let mut shown = BTreeSet::new();
    for page in pages() {
        shown.extend(calls(&page, "sessiongraph"));
        // `signing-key rotate` in running text.
        let spans = page.spans.iter().filter(|span| {
            let mut words = span.split(' ');
            words.next().is_some_and(|word| all.contains(word))
                && words.next().is_some_and(|word| {
                    word.chars()
                        .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
                })
        });
        shown.extend(spans.map(|span| span.split(' ').map(str::to_owned).collect()));
    }
    assert!(shown.len() > 10, "{shown:?}");
    for command in shown {
        if command.first().is_some_and(|word| word == "help") {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_sessiongraph"))
            .args(&command)
            .arg("--help")
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {errors}");
    }
}

#[test]
fn the_page_about_running_it_has_every_command() {
    let page = Page::read("docs/running.md");
    let named = calls(&page, "sessiongraph");
    let all = commands();
    assert!(all.contains("serve"), "{all:?}");
    for command in all {
        let is_named = |words: &Vec<String>| words.first() == Some(&command);
        assert!(named.iter().any(is_named), "{command}");
    }
}

#[test]
fn targets_of_make_are_there() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let mut count = 0;
    for page in pages() {
        for words in calls(&page, "make") {
            let Some(target) = words.first() else {
                continue;
            };
            count += 1;
            assert!(
                makefile.contains(&format!("\n{target}: ")),
                "{}: make {target}",
                page.name()
            );
        }
    }
    assert!(count > 5, "{count}");
}

/// The first of the README's two commands ends in the server of the walks. Building it, and the second, is more than a test
/// should do: what they would run is asked for only.
#[test]
fn make_run_starts_the_server() {
    let asked = |target: &str| {
        let output = Command::new("make")
            .args(["--dry-run", target])
            .current_dir(root())
            // As in a shell of its own, whoever runs these tests.
            .env_remove("CARGO")
            .env_remove("CARGO_FLAGS")
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    let run = asked("run");
    let words: Vec<&str> = run.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(words, ["cargo", "run", "--", "serve"], "{run}");
    let test = asked("test");
    let runs = |command: &str| {
        test.lines()
            .any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") == command)
    };
    assert!(runs("cargo test --workspace"), "{test}");
}

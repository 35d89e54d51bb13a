//! Promises, and the tests that prove them.

use std::fs;

use super::pages::{Page, root};

/// The tests that a page names, as `folder/file` or `folder/file::function`.
fn tests_named_by(page: Page) -> Vec<String> {
    page.spans
        .into_iter()
        .filter(|name| {
            [
                "cli/",
                "engine/",
                "federation/",
                "graphql/",
                "http/",
                "live/",
            ]
            .iter()
            .any(|area| name.starts_with(area))
        })
        .collect()
}

#[test]
fn every_test_that_proves_a_promise_is_there() {
    let named = tests_named_by(Page::read("docs/security.md"));
    assert!(named.len() > 50, "{}", named.len());
    for name in named {
        let (file, function) = name.split_once("::").unwrap_or((&name, ""));
        let tests = root().join("tests/it").join(file);
        let source = if tests.is_dir() {
            fs::read_to_string(tests.join("mod.rs"))
        } else {
            fs::read_to_string(tests.with_extension("rs"))
        };
        let source = source.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            function.is_empty() || source.contains(&format!("fn {function}(")),
            "{name} is not there"
        );
    }
}

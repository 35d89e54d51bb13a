//! What the documentation says is there.

use std::{fs, path::Path};

/// The tests that a page names, as `folder/file` or `folder/file::function`.
fn tests_named_by(page: &str) -> Vec<String> {
    let in_backticks = page.split('`').skip(1).step_by(2);
    in_backticks
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
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_test_that_proves_a_promise_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let named = tests_named_by(&page);
    assert!(named.len() > 50, "{}", named.len());
    for name in named {
        let (file, function) = name.split_once("::").unwrap_or((&name, ""));
        let tests = root.join("tests/it").join(file);
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

//! Promises and the tests that prove them, and what pages repeat of the code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::pages::{Page, chapters, root};
use crate::architecture::allowed_imports;

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

#[test]
fn the_map_of_modules_is_what_the_architecture_allows() {
    let page = Page::read("docs/architecture.md");
    let allowed = allowed_imports();
    let rows = page.rows.iter().filter(|row| row.len() == 3);
    let mapped = rows.filter(|row| allowed.contains_key(row[0].as_str()));
    let mapped: BTreeMap<&str, &str> = mapped
        .map(|row| (row[0].as_str(), row[1].as_str()))
        .collect();
    for (module, uses) in allowed {
        let uses: Vec<&str> = uses.into_iter().collect();
        assert_eq!(
            mapped.get(module),
            Some(&uses.join(", ").as_str()),
            "of `{module}`"
        );
    }
}

#[test]
fn the_table_of_rotation_is_that_of_the_module() {
    let source = fs::read_to_string(root().join("src/session/mod.rs")).unwrap();
    let documentation: Vec<&str> = source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let states = |page: &Page| -> Vec<Vec<String>> {
        let rows = page.rows.iter().filter(|row| row.len() == 4);
        rows.cloned().collect()
    };
    let module = states(&Page::of_text(&documentation.join("\n")));
    assert!(module.len() > 5, "{module:?}");
    assert_eq!(states(&Page::read("docs/architecture.md")), module);
}

/// The code of another language that pages show stands in the files that tests run.
#[test]
fn code_that_is_shown_is_run() {
    let page = Page::read("docs/verifying-tokens.md");
    let source = fs::read_to_string(root().join("tests/gateways/subgraphs/posts.js")).unwrap();
    let blocks: Vec<_> = page
        .blocks
        .iter()
        .filter(|block| block.language == "js")
        .collect();
    assert_eq!(blocks.len(), 1);
    for part in blocks[0].text.split("\n\n") {
        assert!(source.contains(part.trim_end()), "{part}");
    }
}

/// A semicolon ends a statement in Mermaid, in the middle of a label too, and the diagram is not drawn.
#[test]
fn no_diagram_has_a_semicolon() {
    let pages = chapters();
    let diagrams = pages.iter().flat_map(|page| &page.blocks);
    let diagrams: Vec<_> = diagrams
        .filter(|block| block.language == "mermaid")
        .collect();
    assert!(diagrams.len() > 1);
    for diagram in diagrams {
        assert!(!diagram.text.contains(';'), "{}", diagram.text);
    }
}

#[test]
fn every_metric_is_in_the_table_and_no_other() {
    let names = |text: &str| -> BTreeSet<String> {
        text.match_indices("sessiongraph_")
            .map(|(at, _)| {
                text[at..]
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                    .collect::<String>()
            })
            .collect()
    };
    let source = fs::read_to_string(root().join("src/metrics.rs")).unwrap();
    let page = Page::read("docs/running.md");
    let cells: Vec<&str> = page.rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names(&cells.join(" ")), names(&source));
}

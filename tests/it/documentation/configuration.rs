//! Keys, and what is said about them.

use std::{collections::BTreeSet, fs};

use sessiongraph::config::{Config, ConfigError, KEYS, Sources, reference};
use tempfile::TempDir;

use super::pages::{chapters, pages, root};

/// Variables that are no keys.
const OTHER_VARIABLES: [&str; 2] = ["SESSIONGRAPH_CONFIG", "SESSIONGRAPH_URL"];

#[test]
fn the_page_about_configuration_is_what_the_code_says() {
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    assert!(
        page == reference(),
        "docs/configuration.md is out of date: make docs-configuration"
    );
}

#[test]
fn every_key_has_a_part_of_the_page() {
    let page = super::pages::Page::read("docs/configuration.md");
    for key in KEYS {
        assert!(page.anchors.contains(key.name), "{}", key.name);
        for name in [
            format!("SESSIONGRAPH_{}", key.name.to_uppercase()),
            format!("--{}", key.flag),
        ] {
            assert!(page.spans.contains(&name), "{name}");
        }
    }
}

/// What is shown as a configuration is one. The file with the secret is that of another machine.
#[test]
fn configurations_that_are_shown_can_be_used() {
    let mut count = 0;
    for page in pages() {
        for block in page.blocks.iter().filter(|block| block.language == "toml") {
            // Cargo's is no configuration of the server.
            if block.text.contains("[dependencies]") {
                continue;
            }
            count += 1;
            let folder = TempDir::new().unwrap();
            fs::write(folder.path().join("sessiongraph.toml"), &block.text).unwrap();
            let mut sources = Sources::default().with_environment::<String, String>([]);
            sources.directory = folder.path().to_owned();
            let Err(errors) = Config::load(&sources) else {
                continue;
            };
            for error in errors.iter() {
                let is_of_secret_file = matches!(
                    error,
                    ConfigError::BadValue {
                        key: "secret_file",
                        ..
                    }
                );
                assert!(
                    is_of_secret_file,
                    "{}: {error}\n{}",
                    page.name(),
                    block.text
                );
            }
        }
    }
    assert!(count > 2, "{count}");
}

#[test]
fn environment_variables_that_are_named_exist() {
    let known: BTreeSet<String> = KEYS
        .iter()
        .map(|key| format!("SESSIONGRAPH_{}", key.name.to_uppercase()))
        .collect();
    for page in pages() {
        for (at, prefix) in page.text.match_indices("SESSIONGRAPH_") {
            let rest: String = page.text[at + prefix.len()..]
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_')
                .collect();
            let name = format!("{prefix}{rest}");
            let is_of_kubernetes =
                name.starts_with("SESSIONGRAPH_SERVICE_") || name.starts_with("SESSIONGRAPH_PORT");
            let is_known = rest.is_empty()
                || is_of_kubernetes
                || OTHER_VARIABLES.contains(&name.as_str())
                || known.contains(&name);
            assert!(is_known, "{}: {name}", page.name());
        }
    }
}

/// Spans such as `sign_up = false`.
#[test]
fn settings_that_are_named_exist() {
    let mut count = 0;
    for page in chapters() {
        for span in &page.spans {
            let Some((name, value)) = span.split_once(" = ") else {
                continue;
            };
            let is_setting = name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
            // What others configure is not ours to know.
            if !is_setting || page.name() == "docs/gateways.md" && name == "default" {
                continue;
            }
            count += 1;
            assert!(
                KEYS.iter().any(|key| key.name == name),
                "{}: {name} = {value}",
                page.name()
            );
        }
    }
    assert!(count > 5, "{count}");
}

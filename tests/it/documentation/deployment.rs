//! Recipes for deploying: what they name is there.

use std::{collections::BTreeSet, fs};

use sessiongraph::config::KEYS;

use super::pages::root;

const RECIPES: [&str; 3] = [
    "Dockerfile",
    "compose.yaml",
    "packaging/sessiongraph.service",
];
/// Variables that are no keys: what names the file, and how the gateway's recipe reaches the server.
const OTHER_VARIABLES: [&str; 2] = ["SESSIONGRAPH_CONFIG", "SESSIONGRAPH_URL"];

#[test]
fn recipes_set_nothing_but_keys() {
    let keys: BTreeSet<String> = KEYS
        .iter()
        .map(|key| format!("SESSIONGRAPH_{}", key.name.to_uppercase()))
        .collect();
    let mut count = 0;
    for recipe in RECIPES {
        let text = fs::read_to_string(root().join(recipe)).unwrap();
        for (at, _) in text.match_indices("SESSIONGRAPH_") {
            let name: String = text[at..]
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || *c == '_')
                .collect();
            let is_known = keys.contains(&name) || OTHER_VARIABLES.contains(&name.as_str());
            assert!(is_known, "{recipe}: {name}");
            count += 1;
        }
    }
    assert!(count > 5, "{count}");
}

/// What the image is built of, other stages' results apart.
#[test]
fn the_image_copies_what_is_there() {
    let text = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let copies = text
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from="));
    let mut count = 0;
    for copy in copies {
        let mut files: Vec<&str> = copy.split(' ').collect();
        files.pop();
        for file in files {
            assert!(root().join(file).exists(), "{file}");
            count += 1;
        }
    }
    assert!(count > 5, "{count}");
}

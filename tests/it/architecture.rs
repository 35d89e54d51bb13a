//! The rings: which module may import which. A wrong import fails like any other bug.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Each module with the modules of this crate that it may use, itself and what stands in `COMMON` apart.
const MAY_IMPORT: [(&str, &[&str]); 22] = [
    (
        "account",
        &[
            "crypto", "database", "entity", "limit", "network", "page", "request", "scope",
            "session",
        ],
    ),
    ("clock", &[]),
    ("config", &[]),
    ("crypto", &["network"]),
    ("database", &[]),
    ("entity", &[]),
    ("error", &[]),
    (
        "graphql",
        &[
            "account", "crypto", "entity", "page", "request", "scope", "session",
        ],
    ),
    (
        "http",
        &[
            "crypto", "config", "graphql", "keys", "request", "services", "session", "upkeep",
        ],
    ),
    (
        "keys",
        &["crypto", "database", "entity", "lease", "request"],
    ),
    ("lease", &["entity"]),
    ("limit", &["entity"]),
    ("metrics", &["entity", "session"]),
    ("network", &[]),
    ("page", &[]),
    ("random", &[]),
    ("request", &["crypto", "scope"]),
    ("scope", &[]),
    (
        "services",
        &[
            "account", "config", "crypto", "database", "entity", "keys", "limit", "session",
        ],
    ),
    ("traces", &[]),
    ("upkeep", &["keys", "lease", "session"]),
    (
        "session",
        &[
            "crypto", "database", "entity", "keys", "limit", "network", "page", "request", "scope",
        ],
    ),
];

/// What every module may use.
const COMMON: [&str; 5] = ["clock", "error", "metrics", "random", "traces"];

/// Heavy dependencies, each with the modules that may name it.
const FENCED: [(&str, &[&str]); 5] = [
    ("axum::", &["http"]),
    ("async_graphql::", &["graphql", "http"]),
    (
        "sea_orm::",
        &[
            "account", "database", "entity", "error", "http", "keys", "lease", "limit", "metrics",
            "services", "session", "upkeep",
        ],
    ),
    ("jsonwebtoken::", &["crypto", "keys"]),
    ("opentelemetry", &["traces"]),
];

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The code of each module, comments apart, by file.
fn sources() -> Vec<(String, String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let module = |path: &Path| {
        let first = path
            .strip_prefix(&source)
            .unwrap()
            .components()
            .next()
            .unwrap();
        first
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned()
    };
    files
        .iter()
        .map(|path| {
            let code = fs::read_to_string(path).unwrap();
            let code: Vec<&str> = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            (module(path), path.display().to_string(), code.join("\n"))
        })
        .filter(|(module, _, _)| !["lib", "main", "cli"].contains(&module.as_str()))
        .collect()
}

/// The modules that `crate::…` names in a file: `crate::a::…`, and the first names within `use crate::{…}`.
fn imported(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let behind = &code[at + "crate::".len()..];
        let Some(group) = behind.strip_prefix('{') else {
            names.push(name(behind));
            continue;
        };
        let mut depth = 1;
        let mut expects_name = true;
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => expects_name = true,
                character if expects_name && depth == 1 && !character.is_whitespace() => {
                    names.push(name(&group[at..]));
                    expects_name = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

fn name(text: &str) -> String {
    text.chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

/// What each module may use, for the page that shows it.
pub(crate) fn allowed_imports() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let allowed = MAY_IMPORT.iter();
    allowed
        .map(|(module, imports)| (*module, imports.iter().copied().collect()))
        .collect()
}

#[test]
fn imports_point_inwards_only() {
    for (module, file, code) in sources() {
        let (_, allowed) = MAY_IMPORT
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("{file} is of a new module: say what `{module}` may import"));
        for imported in imported(&code) {
            let fine =
                imported == module || COMMON.contains(&&*imported) || allowed.contains(&&*imported);
            assert!(fine, "{file} imports {imported}, which `{module}` may not");
        }
    }
}

#[test]
fn heavy_dependencies_stay_where_they_belong() {
    for (module, file, code) in sources() {
        for (dependency, modules) in FENCED {
            assert!(
                !code.contains(dependency) || modules.contains(&&*module),
                "{file} names {dependency}"
            );
        }
    }
}

#[test]
fn a_file_fits_in_the_head() {
    for (_, file, code) in sources() {
        assert!(
            code.lines().count() <= 400,
            "{file} has {} lines",
            code.lines().count()
        );
    }
}

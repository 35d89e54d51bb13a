//! The pages, taken apart.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// On which databases a block is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    Everywhere,
    OnSqlite,
    OnPostgres,
}

/// A fenced block of code.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) language: String,
    pub(super) text: String,
    /// Where it is run: everywhere after `<!-- walk -->`, on one database after `<!-- walk on SQLite -->` and
    /// `<!-- walk on PostgreSQL -->`.
    pub(super) walk: Option<Walk>,
}

/// What tests want to know of a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Relative to the repository.
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// What a link to a part of it may name.
    pub(super) anchors: BTreeSet<String>,
    /// Where links and pictures lead.
    pub(super) links: Vec<String>,
    pub(super) blocks: Vec<Block>,
    /// What stands in backticks in running text.
    pub(super) spans: Vec<String>,
    /// Each row of each table, each cell of it as text, backticks apart.
    pub(super) rows: Vec<Vec<String>>,
}

impl Page {
    pub(super) fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text = fs::read_to_string(root().join(&path))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self {
            path,
            ..Self::of_text(&text)
        }
    }

    pub(super) fn of_text(text: &str) -> Self {
        let mut page = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        page.take_apart();
        page
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn take_apart(&mut self) {
        let text = self.text.clone();
        let mut heading: Option<String> = None;
        let mut block: Option<Block> = None;
        let mut cell: Option<String> = None;
        let mut walk = None;
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = anchor(&heading.take().unwrap_or_default());
                    self.add_anchor(&anchor);
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    self.links.push(dest_url.into_string());
                }
                Event::Html(html) => {
                    walk = match html.trim() {
                        "<!-- walk -->" => Some(Walk::Everywhere),
                        "<!-- walk on SQLite -->" => Some(Walk::OnSqlite),
                        "<!-- walk on PostgreSQL -->" => Some(Walk::OnPostgres),
                        _ => None,
                    };
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.into_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    block = Some(Block {
                        language,
                        text: String::new(),
                        walk: walk.take(),
                    });
                }
                Event::End(TagEnd::CodeBlock) => self.blocks.extend(block.take()),
                Event::Start(Tag::TableHead | Tag::TableRow) => self.rows.push(Vec::new()),
                Event::Start(Tag::TableCell) => cell = Some(String::new()),
                Event::End(TagEnd::TableCell) => {
                    if let (Some(row), Some(cell)) = (self.rows.last_mut(), cell.take()) {
                        row.push(cell);
                    }
                }
                Event::Text(text) | Event::Code(text) if heading.is_some() || cell.is_some() => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                    if let Some(cell) = &mut cell {
                        cell.push_str(&text);
                    }
                }
                Event::Text(text) => {
                    if let Some(block) = &mut block {
                        block.text.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        let in_text = Parser::new_ext(&text, Options::ENABLE_TABLES);
        self.spans = in_text
            .filter_map(|event| match event {
                Event::Code(code) => Some(code.into_string()),
                _ => None,
            })
            .collect();
    }

    /// A second heading of the same text gets a number, as GitHub and mdBook give it.
    fn add_anchor(&mut self, anchor: &str) {
        let mut fresh = anchor.to_owned();
        let mut number = 0;
        while !self.anchors.insert(fresh) {
            number += 1;
            fresh = format!("{anchor}-{number}");
        }
    }
}

/// The anchor of a heading: lower case, spaces as dashes, other punctuation dropped.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c),
            ' ' => Some('-'),
            _ => None,
        })
        .collect()
}

/// The chapters of the book, its table of contents apart.
pub(super) fn chapters() -> Vec<Page> {
    markdown_in("docs")
        .into_iter()
        .filter(|path| !path.ends_with("SUMMARY.md"))
        .map(Page::read)
        .collect()
}

/// All pages for readers.
pub(super) fn pages() -> Vec<Page> {
    ["", "docs", "examples", "playground", "clients"]
        .into_iter()
        .flat_map(markdown_in)
        .map(Page::read)
        .collect()
}

/// The Markdown in a folder of the repository and below; of the repository itself, in it alone.
fn markdown_in(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(root().join(folder)) else {
        return found;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = Path::new(folder).join(&name);
        if entry.file_type().unwrap().is_dir() {
            if !folder.is_empty() && !["node_modules", "dist"].contains(&name.as_str()) {
                found.extend(markdown_in(path.to_str().unwrap()));
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

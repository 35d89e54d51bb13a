//! Links.

use std::{collections::BTreeSet, path::Path};

use super::pages::{Page, chapters, pages, root};

/// Where a link of a page leads in the repository, and the part of the page there; `None` for one that leads out of it.
fn target(page: &Page, link: &str) -> Option<(std::path::PathBuf, Option<String>)> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, part) = match link.split_once('#') {
        Some((file, part)) => (file, Some(part.to_owned())),
        None => (link, None),
    };
    let path = if file.is_empty() {
        page.path.clone()
    } else {
        page.path.parent().unwrap().join(file)
    };
    Some((path, part))
}

#[test]
fn every_link_leads_to_a_file_and_to_a_part_of_it_that_is_there() {
    let mut count = 0;
    let mut broken = Vec::new();
    for page in pages() {
        for link in &page.links {
            let Some((path, part)) = target(&page, link) else {
                continue;
            };
            count += 1;
            let is_there = root().join(&path).exists();
            let has_part = part
                .as_ref()
                .is_none_or(|part| is_there && Page::read(&path).anchors.contains(part));
            if !is_there || !has_part {
                broken.push(format!("{}: {link}", page.name()));
            }
        }
    }
    assert!(count > 50, "{count}");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// mdBook turns a link to Markdown into one to a page of its own, which there is of chapters only.
#[test]
fn a_chapter_links_to_no_markdown_that_is_no_chapter() {
    for page in chapters() {
        for link in &page.links {
            let file = link.split('#').next().unwrap();
            let leads_out = !link.contains("://") && file.starts_with("..");
            let is_markdown = Path::new(file)
                .extension()
                .is_some_and(|extension| extension == "md");
            assert!(!(leads_out && is_markdown), "{}: {link}", page.name());
        }
    }
}

#[test]
fn the_table_of_contents_has_every_chapter_once() {
    let summary = Page::read("docs/SUMMARY.md");
    let listed: BTreeSet<String> = summary
        .links
        .iter()
        .map(|link| format!("docs/{link}"))
        .collect();
    assert_eq!(
        listed.len(),
        summary.links.len(),
        "a chapter is there twice"
    );
    let there: BTreeSet<String> = chapters().iter().map(Page::name).collect();
    assert_eq!(listed, there);
}

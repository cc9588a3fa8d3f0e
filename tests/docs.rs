//! What the documents say: their links lead somewhere, and their table of flags is the program's.

use lensgpu::mass::MASS_FLAGS;
use lensgpu::survey::flags::FLAGS;
use std::fs;
use std::path::{Path, PathBuf};

/// README.md, CHANGELOG.md, docs/*.md and the sample's.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = docs
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    found.extend(["README.md", "CHANGELOG.md", "assets/sample/README.md"].map(|name| root.join(name)));
    found
}

/// The targets of `[text](target)` and `![text](target)`, code blocks left out.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|part| part.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')'))
        .map(|(to, _)| to)
        .collect()
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                document.clone()
            } else {
                document.with_file_name("").join(file)
            };
            let there = target.exists();
            let anchored =
                || anchor.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(&anchor.into());
            if !there || !anchored() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

/// The rows of `| number | `name` | meaning |` tables.
fn flag_rows(text: &str) -> Vec<(i32, String, String)> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells[..] {
            [bit, name, meaning] => Some((bit.parse().ok()?, name.trim_matches('`').into(), meaning.into())),
            _ => None,
        }
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn the_flags_are_documented_as_they_are() {
    let read = |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let exact: Vec<_> = FLAGS
        .iter()
        .map(|f| (f.bit, f.name.to_string(), f.meaning.to_string()))
        .collect();
    assert_eq!(flag_rows(&read("docs/output.md")), exact);
    let masses = MASS_FLAGS
        .iter()
        .map(|f| (f.bit, f.name.to_string(), f.meaning.to_string()));
    assert_eq!(flag_rows(&read("docs/cosmology.md")), masses.collect::<Vec<_>>());
    // The README says the meaning in its own words.
    let names = |rows: Vec<(i32, String, String)>| rows.into_iter().map(|r| (r.0, r.1)).collect::<Vec<_>>();
    assert_eq!(names(flag_rows(&read("README.md"))), names(exact));
}

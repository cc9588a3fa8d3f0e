//! The documents agree with the program: links have targets, flags and commands exist, and the tables of quality flags
//! are the program's.

#[path = "common/shell.rs"]
mod shell;

use lensgpu::mass::MASS_FLAGS;
use lensgpu::survey::flags::FLAGS;
use shell::{commands, words};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// README.md, CHANGELOG.md, all of docs/ and the README of the sample.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut documents: Vec<PathBuf> = docs
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    assert!(documents.len() > 5, "docs/ has {documents:?}");
    let cards = fs::read_dir(root.join("docs/models")).unwrap();
    documents.extend(cards.map(|entry| entry.unwrap().path()));
    documents.extend(["README.md", "CHANGELOG.md", "assets/sample/README.md"].map(|name| root.join(name)));
    documents
}

fn read(document: &Path) -> String {
    fs::read_to_string(document).unwrap_or_else(|error| panic!("{}: {error}", document.display()))
}

/// The targets of `[text](target)` and `![text](target)`, except in code blocks.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|part| part.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')'))
        .map(|(to, _)| to)
        .collect()
}

/// The anchors of a document's headings, as GitHub generates them.
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
fn every_relative_link_has_a_target() {
    let (mut checked, mut broken) = (0, Vec::new());
    for document in documents() {
        let text = read(&document);
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                document.clone()
            } else {
                document.with_file_name("").join(file)
            };
            checked += 1;
            let exists = target.exists();
            let anchored = || anchor.is_empty() || anchors(&read(&target)).contains(&anchor.into());
            if !exists || !anchored() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(checked > 20, "only {checked} links were found");
    assert!(broken.is_empty(), "links without a target:\n{}", broken.join("\n"));
}

/// The program's help, wide enough that no line is wrapped.
fn help(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_lensgpu"))
        .args(arguments)
        .arg("--help")
        .env("COLUMNS", "10000")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

/// The subcommands, from the program's help.
fn subcommands() -> Vec<String> {
    let help = help(&[]).unwrap();
    let list = help.split("Commands:\n").nth(1).expect("a list of commands");
    let names = list.lines().take_while(|line| !line.is_empty());
    names
        .map(|line| line.split_whitespace().next().unwrap().to_string())
        .filter(|name| name != "help")
        .collect()
}

/// The long flags in a text: `--name`, not within a word or a rule of dashes.
fn flags(text: &str) -> BTreeSet<String> {
    let of = |(at, _): (usize, &str)| {
        let before = text[..at].chars().next_back();
        let name: String = text[at + 2..]
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
            .collect();
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '-');
        (starts && name.starts_with(|c: char| c.is_ascii_lowercase())).then_some(name)
    };
    text.match_indices("--").filter_map(of).collect()
}

/// Flags of cargo and other programs that the documents mention.
const FOREIGN: [&str; 17] = [
    "release",
    "example",
    "locked",
    "path",
    "variant",
    "seeds",
    "minutes",
    "nocapture",
    "test",
    "thorough",
    "rounds",
    "frameworks",
    "workers",
    // Of Slurm's sbatch.
    "array",
    "dependency",
    "parsable",
    "wrap",
];

#[test]
fn every_flag_in_the_documents_exists() {
    let of_program: BTreeSet<String> = subcommands()
        .iter()
        .flat_map(|name| flags(&help(&[name]).unwrap()))
        .chain(flags(&help(&["models", "pack"]).unwrap()))
        .chain(["version".into()])
        .collect();
    assert!(of_program.len() > 50, "{of_program:?}");
    let text: Vec<String> = documents().iter().map(|document| read(document)).collect();
    let foreign = FOREIGN.map(String::from).into();
    let documented = &flags(&text.join("\n")) - &foreign;
    let unknown: Vec<_> = documented.difference(&of_program).collect();
    assert!(unknown.is_empty(), "no command has these flags: {unknown:?}");
}

/// The commands in code blocks of a document.
fn in_code_blocks(text: &str) -> Vec<String> {
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.flat_map(commands).collect()
}

#[test]
fn every_command_in_the_documents_and_in_help_is_understood() {
    let mut examples = Vec::new();
    for document in documents() {
        let commands = in_code_blocks(&read(&document)).into_iter();
        examples.extend(commands.map(|command| (document.display().to_string(), command)));
    }
    assert!(examples.len() > 10, "{examples:?}");
    for name in subcommands() {
        let of_help = commands(&help(&[&name]).unwrap());
        assert!(of_help.len() > 1, "{name} has no examples");
        examples.extend(of_help.into_iter().map(|command| (format!("{name} --help"), command)));
    }
    for (place, command) in examples {
        let words = words(&command);
        let arguments: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        // With --help at its end, a command is parsed and not run.
        if let Err(error) = help(&arguments) {
            panic!("{place}: {command}\n{error}");
        }
    }
}

#[test]
fn help_documents_the_exit_codes() {
    let help = help(&[]).unwrap();
    let codes = help.split("Exit codes:\n").nth(1).expect("exit codes in --help");
    let codes: Vec<&str> = codes
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(codes, ["0", "1", "2", "3", "130"]);
}

/// The rows of tables of the form `| number | name | meaning |`.
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
fn quality_flags_are_documented_with_their_bits_and_meanings() {
    let read = |name: &str| read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    let exact: Vec<_> = FLAGS
        .iter()
        .map(|f| (f.bit, f.name.to_string(), f.meaning.to_string()))
        .collect();
    assert_eq!(flag_rows(&read("docs/output.md")), exact);
    let masses = MASS_FLAGS
        .iter()
        .map(|f| (f.bit, f.name.to_string(), f.meaning.to_string()));
    assert_eq!(flag_rows(&read("docs/cosmology.md")), masses.collect::<Vec<_>>());
    // The README explains the meanings in other words.
    let names = |rows: Vec<(i32, String, String)>| rows.into_iter().map(|r| (r.0, r.1)).collect::<Vec<_>>();
    assert_eq!(names(flag_rows(&read("README.md"))), names(exact));
}

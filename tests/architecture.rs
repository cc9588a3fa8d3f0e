//! Dependencies between modules point one way: the list at the head of `src/lib.rs`, from bottom to top, is the order,
//! and a module may only use those above it in the list.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules in the order of the table at the head of `src/lib.rs`.
fn order() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    rows.map(|row| row.split('`').next().unwrap().to_string()).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a file of `src/` has tests alone.
fn is_test(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests")
}

fn rust_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.into()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|entry| rust_files(&entry)).collect()
}

/// The module that a file of `src/` belongs to.
fn module_of(file: &Path) -> String {
    let relative = file.strip_prefix(root().join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_string()
}

/// The modules that a line of code names by a path that begins with `crate::`, whether in a `use` or not.
fn used(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap();
    let name = |rest: &str| -> String { rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let names = code.split("crate::").skip(1).map(name);
    assert!(!code.contains("crate::{"), "write one path per module: {line}");
    names.collect()
}

#[test]
fn dependencies_between_modules_point_one_way() {
    let order = order();
    let place: BTreeMap<&str, usize> = order.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let mut modules = 0;
    let mut upward = Vec::new();
    for file in rust_files(&root().join("src")) {
        let module = module_of(&file);
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let Some(&here) = place.get(module.as_str()) else {
            panic!("{}: src/lib.rs does not list the module {module}", file.display());
        };
        modules = modules.max(here + 1);
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            for name in used(line) {
                // Names that are no module are items that the root re-exports; nothing may use those.
                let there = place.get(name.as_str()).copied();
                if name != module && there.is_none_or(|there| there >= here) {
                    upward.push(format!("{}:{}: {module} uses {name}", file.display(), number + 1));
                }
            }
        }
    }
    assert_eq!(modules, order.len(), "a module of the list has no file");
    assert!(
        upward.is_empty(),
        "these dependencies point up (the order is the list in src/lib.rs):\n{}",
        upward.join("\n")
    );
}

#[test]
fn the_command_line_alone_uses_clap() {
    for file in rust_files(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            module_of(&file) == "cli" || !text.contains("clap"),
            "{} uses clap",
            file.display()
        );
    }
}

/// `println!` panics where standard output is closed; `outln!` and its kin do not.
#[test]
fn nothing_is_printed_by_macros_that_panic() {
    for file in rust_files(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let printing = |line: &str| {
            let line = line.trim_start();
            let macros = ["println!(", "print!(", "eprintln!(", "eprint!("];
            // It would print control characters as they are.
            let directly = line.contains("stdout().write") || line.contains("stdout().lock()");
            if directly && !file.ends_with("cli/output.rs") {
                return true;
            }
            !line.starts_with("//")
                && macros
                    .iter()
                    .any(|name| line.starts_with(name) || line.contains(&format!(" {name}")))
        };
        let is_test = is_test(&file);
        if let Some((number, line)) = code.lines().enumerate().find(|(_, line)| !is_test && printing(line)) {
            panic!("{}:{}: {line}", file.display(), number + 1);
        }
    }
}

/// `files::open` refuses what is no regular file: opening a FIFO waits for ever, and a device may have no end.
#[test]
fn files_that_others_made_are_opened_in_one_place() {
    let opening = [
        " File::open(",
        "(File::open(",
        "fs::File::open(",
        "fs::read(",
        "fs::read_to_string(",
        "::from_path(",
        "ImageReader::open(",
    ];
    for file in rust_files(&root().join("src")) {
        let is_test = is_test(&file);
        if is_test || module_of(&file) == "files" || file.ends_with("recorded.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            // What the operating system says of itself is in files as well.
            let opens = opening.iter().any(|name| line.contains(name)) && !line.contains("\"/proc/");
            assert!(!opens, "{}:{}: use crate::files: {line}", file.display(), number + 1);
        }
    }
}

//! Names that others chose, as parts of paths.

use std::path::{Component, Path};

/// Whether a text can be a part of a file's name: it leads to no other folder, and a terminal does not obey it.
pub fn is_name(text: &str) -> bool {
    !text.contains(['/', '\\']) && text != ".." && !text.contains(char::is_control)
}

/// Whether a path leads to a file below the folder that it is relative to.
pub fn is_below(path: &str) -> bool {
    let is_name = |part: Component| matches!(part, Component::Normal(_));
    Path::new(path).components().all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere() {
        assert!(is_name("g") && is_name("F814W b..") && is_name("\u{3b8}"));
        for name in ["..", "../../home", "a/b", "a\\b", "a\u{1b}[2J"] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(is_below("{band}/{id}.fits"));
        assert!(!is_below("../{id}.fits") && !is_below("/home/{id}.fits") && !is_below("a/../../b"));
    }
}

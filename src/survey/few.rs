//! Lists in messages, which must not be as long as a folder.

use std::fmt::Display;

/// Names that a list shows.
const SHOWN: usize = 3;

/// The first names of a list, and how many more there are: `a, b, c and 4997 more`.
pub(crate) fn few<T: Display>(names: &[T]) -> String {
    first(names, SHOWN)
}

/// The same with as many names as `count`.
pub(crate) fn first<T: Display>(names: &[T], count: usize) -> String {
    let shown: Vec<String> = names.iter().take(count).map(ToString::to_string).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_ends_with_a_count() {
        assert_eq!(few::<&str>(&[]), "");
        assert_eq!(few(&["a", "b", "c"]), "a, b, c");
        let numbers: Vec<usize> = (0..5000).collect();
        assert_eq!(few(&numbers), "0, 1, 2 and 4997 more");
        assert_eq!(first(&numbers, 1), "0 and 4999 more");
    }
}

//! Lists in messages, which must not be as long as a folder.

use std::fmt::Display;

/// Names that a list shows.
pub(crate) const SHOWN: usize = 3;

/// The first names of a list, and how many more there are: `a, b, c and 4997 more`.
pub(crate) fn few<T: Display>(names: &[T]) -> String {
    first(names, SHOWN)
}

/// The same with as many names as `count`.
pub(crate) fn first<T: Display>(names: &[T], count: usize) -> String {
    listed(&names[..count.min(names.len())], names.len())
}

/// As [`few`], of `all` names of which the first ones are known.
pub(crate) fn few_of<T: Display>(names: &[T], all: usize) -> String {
    listed(&names[..SHOWN.min(names.len())], all)
}

fn listed<T: Display>(shown: &[T], all: usize) -> String {
    let names: Vec<String> = shown.iter().map(ToString::to_string).collect();
    match all - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
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
        assert_eq!(few_of(&numbers[..3], 5000), few(&numbers));
        assert_eq!(few_of(&["a"], 1), "a");
    }
}

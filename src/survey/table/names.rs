//! Names of columns that a format can hold.

use super::Column;
use std::collections::HashSet;
use unicode_normalization::UnicodeNormalization;

/// Longest name in FITS: what a header card holds.
const FITS_LENGTH: usize = 68;
/// Renamed columns that a warning lists.
const LISTED: usize = 20;

/// Names that FITS and its readers can hold: at most 68 characters of printable ASCII, unique if the case of letters is
/// ignored, without spaces at the ends.
pub(super) fn for_fits(columns: &[Column]) -> Vec<String> {
    let ascii = |column: &Column| {
        // The name that pandas gives to a column without one, such as its row numbers.
        if let Some(number) = column.name.strip_prefix("Unnamed: ") {
            return format!("unnamed_{}", number.trim());
        }
        let letters = column.name.nfkd().filter(|c| !('\u{300}'..='\u{36f}').contains(c));
        let ascii = letters.map(|c| if (' '..='~').contains(&c) { c } else { '_' });
        shortened(&ascii.collect::<String>(), FITS_LENGTH)
    };
    distinct(columns.iter().map(ascii), str::to_ascii_lowercase, FITS_LENGTH)
}

/// Names that are unique and not empty, as VOTable and Parquet need.
pub(super) fn unique(columns: &[Column]) -> Vec<String> {
    distinct(
        columns.iter().map(|column| column.name.clone()),
        str::to_string,
        usize::MAX,
    )
}

/// A warning that lists columns whose names are not those in the file; `None` if there are none.
pub(super) fn warning(format: &str, columns: &[Column], names: &[String]) -> Option<String> {
    let changed: Vec<_> = columns
        .iter()
        .zip(names)
        .filter(|(column, name)| column.name != **name)
        .collect();
    if changed.is_empty() {
        return None;
    }
    let mut list: Vec<String> = changed
        .iter()
        .take(LISTED)
        .map(|(c, name)| format!("'{}' -> '{name}'", c.name))
        .collect();
    if changed.len() > LISTED {
        list.push(format!("and {} more", changed.len() - LISTED));
    }
    Some(format!(
        "columns renamed, because {format} cannot hold their names: {}",
        list.join(", ")
    ))
}

/// An empty name becomes `column_N`, and a repeated one gets `_N` appended; N is the number of the column, from 1.
/// Names are equal if their keys are.
fn distinct(names: impl Iterator<Item = String>, key: fn(&str) -> String, longest: usize) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut unique = Vec::new();
    for (i, mut name) in names.enumerate() {
        if name.is_empty() {
            name = format!("column_{}", i + 1);
        }
        let suffix = format!("_{}", i + 1);
        while !taken.insert(key(&name)) {
            name = shortened(&name, longest - suffix.len()) + &suffix;
        }
        unique.push(name);
    }
    unique
}

/// The first characters of `name`, without spaces at the ends. A quote counts twice, as in a header card.
fn shortened(name: &str, longest: usize) -> String {
    let mut length = 0;
    let fits = |c: &char| {
        length += if *c == '\'' { 2 } else { 1 };
        length <= longest
    };
    name.trim()
        .chars()
        .take_while(fits)
        .collect::<String>()
        .trim_end()
        .into()
}

#[cfg(test)]
mod tests {
    use super::super::ColumnType;
    use super::*;

    fn columns(names: &[&str]) -> Vec<Column> {
        names
            .iter()
            .map(|name| Column::new(*name, ColumnType::F64, "", ""))
            .collect()
    }

    #[test]
    fn fits_names_are_ascii_short_and_unique_in_any_case() {
        let long = "a".repeat(70);
        let quotes = "'".repeat(40);
        let names = [
            "id",
            "θ_E",
            "φ_E",
            "naïve",
            "",
            "Unnamed: 0",
            "unnamed_0",
            "RA",
            "ra",
            " ra ",
            &long,
            &long,
            &quotes,
            "a.b (c)",
        ];
        let columns = columns(&names);
        let expected = [
            "id",
            "__E",
            "__E_3",
            "naive",
            "column_5",
            "unnamed_0",
            "unnamed_0_7",
            "RA",
            "ra_9",
            "ra_10",
            &"a".repeat(68),
            &("a".repeat(65) + "_12"),
            &"'".repeat(34),
            "a.b (c)",
        ];
        let fits = for_fits(&columns);
        assert_eq!(fits, expected);
        let warning = warning("FITS", &columns, &fits).unwrap();
        assert!(
            warning.contains("'Unnamed: 0' -> 'unnamed_0'") && warning.contains("'ra' -> 'ra_9'"),
            "{warning}"
        );
        assert!(!warning.contains("'id'"), "{warning}");
    }

    #[test]
    fn other_names_change_only_if_they_are_empty_or_repeated() {
        let columns = columns(&["θ_E", "", "a", "A", "a", "a_5", " "]);
        let unique = unique(&columns);
        assert_eq!(unique, ["θ_E", "column_2", "a", "A", "a_5", "a_5_6", " "]);
        assert_eq!(warning("Parquet", &columns[..1], &unique[..1]), None);
    }
}

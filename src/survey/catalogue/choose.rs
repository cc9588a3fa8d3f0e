//! Which of the tables in a file is the catalogue.

/// A table in a file, as far as it is known before it is decoded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    /// How the user may name it; may be empty.
    pub name: String,
    /// Its number in the file, which may also name it.
    pub number: usize,
    /// Its version, if several have one name (EXTVER).
    pub version: Option<i64>,
    pub columns: Vec<String>,
    pub rows: usize,
}

impl Candidate {
    /// As it is written in brackets behind the file's name.
    pub fn label(&self) -> String {
        match self.name.as_str() {
            "" => self.number.to_string(),
            name => name.into(),
        }
    }

    /// Whether `extension` is this table's name, its number, or `NAME,VERSION`.
    fn is(&self, extension: &str) -> bool {
        let same = |name: &str| !name.is_empty() && self.name.eq_ignore_ascii_case(name.trim());
        match extension.rsplit_once(',') {
            Some((name, version)) if same(name) => version.trim().parse().ok() == Some(self.version.unwrap_or(1)),
            _ => same(extension) || extension.parse() == Ok(self.number),
        }
    }
}

/// The place of the catalogue in `tables`, and a note for the user if it was not the only or the first one. `None` if
/// no table is the one named.
///
/// The table named by `extension` is taken; else the one with the most of the `wanted` columns and, if none has any, the
/// most rows.
pub(super) fn choose(
    tables: &[Candidate],
    wanted: &[&str],
    extension: Option<&str>,
    file: &str,
) -> Option<(usize, Option<String>)> {
    if let Some(extension) = extension {
        let place = tables.iter().position(|table| table.is(extension))?;
        return Some((place, None));
    }
    let found = |table: &Candidate| {
        let has = |name: &&&str| table.columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        wanted.iter().filter(has).count()
    };
    let most = tables.iter().map(found).max()?;
    // A table without rows is of no use, even if it has the columns.
    let filled = |table: &&(usize, &Candidate)| table.1.rows > 0;
    let with_columns: Vec<(usize, &Candidate)> = tables.iter().enumerate().filter(|(_, t)| found(t) == most).collect();
    let fitting: Vec<(usize, &Candidate)> = match with_columns.iter().any(|table| filled(&table)) {
        true => with_columns.into_iter().filter(|table| filled(&table)).collect(),
        false => with_columns,
    };
    let &(place, chosen) = match most {
        0 => fitting.iter().rev().max_by_key(|(_, table)| table.rows)?,
        _ => fitting.first()?,
    };
    let others: Vec<String> = fitting
        .iter()
        .filter(|(i, _)| *i != place)
        .map(|(_, table)| table.label())
        .collect();
    let mut note = format!("{file}: the table is extension {}", chosen.label());
    if !others.is_empty() {
        let why = if most == 0 { ", which has the most rows" } else { "" };
        let (shown, more) = others.split_at(others.len().min(5));
        let more = if more.is_empty() {
            String::new()
        } else {
            format!(" and {} more", more.len())
        };
        let others = shown.join(", ");
        note += &format!(
            "{why}; others are {others}{more}: choose one by its name, as in {file}[{}]",
            shown[0]
        );
    }
    let say = !others.is_empty() || place > 0;
    Some((place, say.then_some(note)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(number: usize, name: &str, columns: &[&str], rows: usize) -> Candidate {
        Candidate {
            name: name.into(),
            number,
            version: None,
            columns: columns.iter().map(|c| c.to_string()).collect(),
            rows,
        }
    }

    fn chosen(tables: &[Candidate], wanted: &[&str], extension: Option<&str>) -> Option<(usize, String)> {
        let (place, note) = choose(tables, wanted, extension, "a.fits")?;
        Some((place, note.unwrap_or_default()))
    }

    #[test]
    fn the_table_with_the_columns() {
        let header = table(1, "LDAC_IMHEAD", &["Field Header Card"], 9);
        let objects = table(2, "LDAC_OBJECTS", &["ID", "theta_e"], 3);
        let ldac = [header.clone(), objects.clone()];
        let (place, note) = chosen(&ldac, &["id"], None).unwrap();
        assert_eq!(
            (place, note.as_str()),
            (1, "a.fits: the table is extension LDAC_OBJECTS")
        );
        // None has the column: the table with the most rows.
        let (place, note) = chosen(&ldac, &["name"], None).unwrap();
        assert_eq!(place, 0);
        assert!(
            note.contains("LDAC_IMHEAD, which has the most rows") && note.contains("a.fits[LDAC_OBJECTS]"),
            "{note}"
        );
        // Several have it: the first that has rows.
        let several = [
            table(1, "", &["id"], 0),
            table(2, "", &["id"], 5),
            table(3, "B", &["id"], 9),
        ];
        let (place, note) = chosen(&several, &["id"], None).unwrap();
        assert_eq!(
            (place, note.as_str()),
            (
                1,
                "a.fits: the table is extension 2; others are B: choose one by its name, as in a.fits[B]"
            )
        );
        assert_eq!(chosen(&[objects], &[], None), Some((0, String::new())));
        assert_eq!(chosen(&[], &[], None), None);
    }

    #[test]
    fn the_table_that_is_named() {
        let mut tables = [
            table(1, "SCI", &["id"], 5),
            table(3, "SCI", &["id"], 5),
            table(4, "x,y", &["id"], 5),
        ];
        tables[1].version = Some(2);
        for (extension, place) in [("sci", 0), ("3", 1), ("SCI,2", 1), ("SCI, 1", 0), ("x,y", 2)] {
            assert_eq!(
                chosen(&tables, &["id"], Some(extension)),
                Some((place, String::new())),
                "{extension}"
            );
        }
        assert_eq!(chosen(&tables, &["id"], Some("2")), None);
    }
}

//! Numbers in messages.

/// The numbers of things, in ascending order, as the subject of a sentence: `member 5 is`, `members 3 and 4 are`,
/// `members 0 to 3, 7 and 9 are`.
pub fn listed(thing: &str, numbers: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let names = ranges.into_iter().flat_map(|(first, last)| match last - first {
        0 => vec![first.to_string()],
        1 => vec![first.to_string(), last.to_string()],
        _ => vec![format!("{first} to {last}")],
    });
    let names: Vec<String> = names.collect();
    match &names[..] {
        [] => format!("no {thing} is"),
        [one] if numbers.len() == 1 => format!("{thing} {one} is"),
        [one] => format!("{thing}s {one} are"),
        [others @ .., last] => format!("{thing}s {} and {last} are", others.join(", ")),
    }
}

/// How many there are of each kind, without those of which there are none: `3 flagged, 1 empty`; `none` if there are none
/// at all.
pub fn counted(kinds: &[(usize, &str)], none: &str) -> String {
    let some = kinds.iter().filter(|(count, _)| *count > 0);
    let texts: Vec<String> = some.map(|(count, kind)| format!("{count} {kind}")).collect();
    match texts.is_empty() {
        true => none.into(),
        false => texts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_without_members_are_not_counted() {
        let of = |counts: [usize; 3]| {
            let kinds = counts.into_iter().zip(["flagged", "empty", "lost"]);
            counted(&kinds.collect::<Vec<_>>(), "none left out")
        };
        assert_eq!(of([3, 0, 1]), "3 flagged, 1 lost");
        assert_eq!(of([0, 0, 0]), "none left out");
    }

    #[test]
    fn numbers_are_listed_as_one_would_say_it() {
        assert_eq!(listed("member", &[5]), "member 5 is");
        assert_eq!(listed("member", &[3, 4]), "members 3 and 4 are");
        assert_eq!(listed("shard", &[0, 1, 2, 3]), "shards 0 to 3 are");
        assert_eq!(listed("member", &[0, 1, 2, 3, 7, 9]), "members 0 to 3, 7 and 9 are");
        assert_eq!(listed("member", &[u32::MAX]), "member 4294967295 is");
    }
}

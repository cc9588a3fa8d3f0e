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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_listed_as_one_would_say_it() {
        assert_eq!(listed("member", &[5]), "member 5 is");
        assert_eq!(listed("member", &[3, 4]), "members 3 and 4 are");
        assert_eq!(listed("shard", &[0, 1, 2, 3]), "shards 0 to 3 are");
        assert_eq!(listed("member", &[0, 1, 2, 3, 7, 9]), "members 0 to 3, 7 and 9 are");
        assert_eq!(listed("member", &[u32::MAX]), "member 4294967295 is");
    }
}

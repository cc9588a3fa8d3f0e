//! Names of files from ids, which may be anything.

/// `ID.json`. Bytes that are no ASCII letters, digits, `-`, `_`, `+` or `.` are written as %41, and so is a dot at the
/// beginning: different ids have different names, none of which leads to another folder.
pub(super) fn of(id: &str) -> String {
    let mut name = String::with_capacity(id.len() + 5);
    for (i, byte) in id.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'+' => name.push(char::from(byte)),
            b'.' if i > 0 => name.push('.'),
            _ => name += &format!("%{byte:02X}"),
        }
    }
    name + ".json"
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn any_id_is_a_file_name() {
        assert_eq!(of("SDSSJ0946+1006"), "SDSSJ0946+1006.json");
        assert_eq!(of("J1.5-0.2"), "J1.5-0.2.json");
        assert_eq!(of("../a b"), "%2E.%2Fa%20b.json");
        assert_eq!(of("\u{3b8}%"), "%CE%B8%25.json");
    }
}

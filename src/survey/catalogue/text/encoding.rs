//! Bytes to text: UTF-8, UTF-16 with a byte order mark, or Windows-1252, which includes Latin-1.

/// A text, and what the user should know about its encoding.
pub(in super::super) struct Decoded {
    pub text: String,
    /// The encoding, if it is not UTF-8.
    pub note: Option<String>,
    /// The first line that is not UTF-8, counted from 1.
    pub not_utf8: Option<usize>,
}

/// Decodes a text file, without its byte order mark. Any bytes are a text: what is not UTF-8 is read as Windows-1252.
pub(in super::super) fn decode(bytes: Vec<u8>) -> Decoded {
    let utf8 = |text: String| Decoded {
        text,
        note: None,
        not_utf8: None,
    };
    if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        return decode(rest.to_vec());
    }
    for (mark, unit) in [
        (b"\xFF\xFE", u16::from_le_bytes as fn([u8; 2]) -> u16),
        (b"\xFE\xFF", u16::from_be_bytes),
    ] {
        if let Some(rest) = bytes.strip_prefix(mark) {
            let units: Vec<u16> = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
            return Decoded {
                note: Some("is UTF-16".into()),
                ..utf8(String::from_utf16_lossy(&units))
            };
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => utf8(text),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let line = bytes[..valid].iter().filter(|&&b| b == b'\n').count() + 1;
            Decoded {
                text: bytes.iter().map(|&b| windows_1252(b)).collect(),
                note: None,
                not_utf8: Some(line),
            }
        }
    }
}

/// Latin-1, with printable characters in place of its second block of control characters.
fn windows_1252(byte: u8) -> char {
    const SECOND_BLOCK: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => SECOND_BLOCK[usize::from(byte - 0x80)],
        _ => byte.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_8_utf_16_and_latin_1() {
        let text = |bytes: &[u8]| decode(bytes.to_vec()).text;
        assert_eq!(text("\u{feff}id,é".as_bytes()), "id,é");
        assert_eq!(text(b"\xFF\xFEi\0d\0\xE9\0"), "idé");
        assert_eq!(text(b"\xFE\xFF\0i\0d\0\xE9"), "idé");
        let latin = decode(b"id\n1\ncaf\xE9 \x80\n".to_vec());
        assert_eq!((latin.text.as_str(), latin.not_utf8), ("id\n1\ncafé €\n", Some(3)));
    }
}

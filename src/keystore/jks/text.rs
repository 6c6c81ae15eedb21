//! The modified UTF-8 of Java (`java.io.DataInput`): NUL is two bytes, and what is outside the basic plane is a pair of
//! surrogates of three bytes each.

/// Reads modified UTF-8; none where Java itself would not read it. Half a pair is shown as the replacement character.
pub(super) fn read(bytes: &[u8]) -> Option<String> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let (value, length) = match first {
            0x00..=0x7f => (u16::from(first), 0),
            0xc0..=0xdf => (u16::from(first & 0x1f), 1),
            0xe0..=0xef => (u16::from(first & 0x0f), 2),
            _ => return None,
        };
        let (tail, after) = after.split_at_checked(length)?;
        let mut unit = value;
        for byte in tail {
            if byte & 0xc0 != 0x80 {
                return None;
            }
            unit = unit << 6 | u16::from(byte & 0x3f);
        }
        units.push(unit);
        rest = after;
    }
    Some(String::from_utf16_lossy(&units))
}

/// Writes modified UTF-8.
pub(super) fn write(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        // The low byte of each is what is meant.
        let [high, low] = unit.to_be_bytes();
        let six = |shift: u16| 0x80 | (unit >> shift & 0x3f).to_be_bytes()[1];
        match unit {
            0x01..=0x7f => out.push(low),
            0x00 | 0x80..=0x7ff => out.extend([0xc0 | (unit >> 6).to_be_bytes()[1], six(0)]),
            _ => out.extend([0xe0 | high >> 4, six(6), six(0)]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plane_is_written_as_java_writes_it_and_read_again() {
        // As `DataOutputStream.writeUTF` of JDK 17 writes them, after the length.
        for (text, bytes) in [
            ("gw", &b"gw"[..]),
            ("\0", &[0xc0, 0x80]),
            ("é", &[0xc3, 0xa9]),
            ("шлюз", &[0xd1, 0x88, 0xd0, 0xbb, 0xd1, 0x8e, 0xd0, 0xb7]),
            ("€", &[0xe2, 0x82, 0xac]),
            ("😀", &[0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]),
        ] {
            assert_eq!(write(text), bytes, "{text:?}");
            assert_eq!(read(bytes).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_java_would_not_read_is_refused() {
        for bytes in [
            &[0x80][..],
            &[0xc3],
            &[0xe2, 0x82],
            &[0xc3, 0x29],
            &[0xf0, 0x9f, 0x98, 0x80],
        ] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
        assert_eq!(read(&[0xed, 0xa0, 0xbd]).as_deref(), Some("\u{fffd}"));
    }
}

//! PEM (RFC 7468) as people really have it: with text between blocks, other line ends, or no line ends at all.

use zeroize::Zeroizing;

/// Blocks that one input may hold; an identity has a handful.
const MOST_BLOCKS: usize = 1000;

/// One block, its body decoded.
pub(super) struct Block {
    /// Label of the `BEGIN` line.
    pub(super) label: String,
    /// Text between the block before and this one.
    pub(super) before: String,
    /// Line of its `BEGIN`, from 1.
    pub(super) line: usize,
    /// Whether it is encrypted as RFC 1421 has it (`Proc-Type: 4,ENCRYPTED`).
    pub(super) legacy_encrypted: bool,
    /// Decoded body; empty where it is encrypted in the old form.
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// What one input holds.
pub(super) struct Blocks {
    /// In order.
    pub(super) blocks: Vec<Block>,
    /// Text after the last one.
    pub(super) after: String,
}

/// Tells whether bytes look like PEM at all.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|w| w == b"-----BEGIN ")
}

/// Reads every block; the error says what is wrong and where, never what is in it.
pub(super) fn read(text: &str) -> Result<Blocks, String> {
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(begin) = text[at..].find("-----BEGIN ").map(|i| at + i) {
        let line = text[..begin].matches('\n').count() + 1;
        if blocks.len() == MOST_BLOCKS {
            return Err(format!("it holds more than {MOST_BLOCKS} blocks"));
        }
        let label_at = begin + "-----BEGIN ".len();
        let label_end = text[label_at..]
            .find("-----")
            .map(|i| label_at + i)
            .filter(|end| end - label_at <= 64)
            .ok_or_else(|| format!("the `BEGIN` in line {line} has no label"))?;
        let body_at = label_end + 5;
        let end = text[body_at..]
            .find("-----END ")
            .map(|i| body_at + i)
            .filter(|end| !text[body_at..*end].contains("-----BEGIN "))
            .ok_or_else(|| {
                format!("the block that begins in line {line} has no `END`: it is cut off")
            })?;
        let close = end + "-----END ".len();
        let past = text[close..]
            .find("-----")
            .map(|i| close + i + 5)
            .filter(|past| past - close <= 80)
            .ok_or_else(|| {
                format!("the block that begins in line {line} has half an `END`: it is cut off")
            })?;
        let body = &text[body_at..end];
        let legacy_encrypted = body.contains("Proc-Type:");
        let der = if legacy_encrypted {
            Zeroizing::new(Vec::new())
        } else {
            decode(body).map_err(|e| format!("the block that begins in line {line} {e}"))?
        };
        blocks.push(Block {
            label: text[label_at..label_end].trim().to_owned(),
            before: text[at..begin].to_owned(),
            line,
            legacy_encrypted,
            der,
        });
        at = past;
    }
    Ok(Blocks {
        blocks,
        after: text[at..].to_owned(),
    })
}

/// Decodes base64 (RFC 4648), whitespace anywhere; padding may be missing.
pub(crate) fn decode(body: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut out = Zeroizing::new(Vec::with_capacity(body.len() / 4 * 3 + 3));
    let (mut bits, mut count, mut padded) = (0_u32, 0_u8, false);
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        let value = match c {
            'A'..='Z' => c as u32 - 'A' as u32,
            'a'..='z' => c as u32 - 'a' as u32 + 26,
            '0'..='9' => c as u32 - '0' as u32 + 52,
            '+' => 62,
            '/' => 63,
            '=' => {
                padded = true;
                continue;
            }
            c if c.is_whitespace() => continue,
            // A PEM that went through JSON or an environment variable has its line breaks spelled out.
            '\\' if matches!(chars.peek(), Some('n' | 'r')) => {
                chars.next();
                continue;
            }
            '.' => return Err("is shortened with `...`: the whole of it is needed".to_owned()),
            _ => return Err("holds a character that is not base64".to_owned()),
        };
        if padded {
            return Err("goes on after its padding".to_owned());
        }
        bits = bits << 6 | value;
        count += 1;
        if count == 4 {
            let [_, a, b, c] = bits.to_be_bytes();
            out.extend_from_slice(&[a, b, c]);
            (bits, count) = (0, 0);
        }
    }
    match count {
        0 => {}
        2 => out.push(bits.to_be_bytes()[3] >> 4 | bits.to_be_bytes()[2] << 4),
        3 => {
            let [_, high, mid, low] = (bits << 6).to_be_bytes();
            let _ = low;
            out.extend_from_slice(&[high, mid]);
        }
        _ => return Err("is cut off inside its base64".to_owned()),
    }
    Ok(out)
}

/// Encodes base64 with padding, no line breaks.
pub(crate) fn base64(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_usize, |n, b| n << 8 | usize::from(*b)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                out.push(char::from(DIGITS[word >> (18 - 6 * place) & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// Writes one block: lines of 64, line feeds alone.
pub(super) fn write(out: &mut Zeroizing<String>, label: &str, der: &[u8]) {
    let body = base64(der);
    let mut rest: &str = &body;
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
}

/// Returns how much room [`write()`] needs, so that a key is never copied by growth.
pub(super) fn room(der: &[u8]) -> usize {
    der.len().div_ceil(48) * 65 + 128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for length in 0..200 {
            let der: Vec<u8> = (0..length).collect();
            let mut text = Zeroizing::new(String::with_capacity(room(&der)));
            let before = text.capacity();
            write(&mut text, "CERTIFICATE", &der);
            assert_eq!(text.capacity(), before, "grew at {length}");
            let read = read(&text).unwrap();
            assert_eq!(*read.blocks[0].der, der, "{length}");
        }
    }

    #[test]
    fn line_ends_do_not_matter() {
        let pem = "-----BEGIN X-----\nAAEC\nAwQ=\n-----END X-----\n";
        for (name, text) in [
            ("crlf", pem.replace('\n', "\r\n")),
            ("spaces", pem.replace('\n', " ")),
            ("spelled out", pem.replace('\n', "\\n")),
            ("unpadded", pem.replace('=', "")),
        ] {
            assert_eq!(
                *read(&text).unwrap().blocks[0].der,
                [0, 1, 2, 3, 4],
                "{name}"
            );
        }
    }

    #[test]
    fn damage_is_named_with_its_line_and_without_its_content() {
        for (text, want) in [
            ("a\n-----BEGIN X-----\nAAEC", "line 2 has no `END`"),
            ("-----BEGIN X-----\nAA ... BB\n-----END X-----", "shortened"),
            ("-----BEGIN X-----\nAA?A\n-----END X-----", "not base64"),
            (
                "-----BEGIN X-----\nAA=A\n-----END X-----",
                "after its padding",
            ),
            (
                "-----BEGIN X-----\nAAAAA\n-----END X-----",
                "cut off inside",
            ),
            ("-----BEGIN X-----\nAAAA\n-----END X", "half an `END`"),
        ] {
            let error = read(text).err().unwrap();
            assert!(error.contains(want), "{error}");
        }
    }
}

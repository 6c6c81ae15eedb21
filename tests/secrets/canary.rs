//! A secret that can be told in whatever form it may have leaked.

use std::collections::HashSet;

/// Bytes in a row that are no coincidence.
const WINDOW: usize = 12;

/// A private key's secret numbers and a password.
#[derive(Debug)]
pub(crate) struct Canary {
    raw: HashSet<Vec<u8>>,
    base64: HashSet<Vec<u8>>,
    hex: HashSet<Vec<u8>>,
    password: String,
}

impl Canary {
    /// Every window of a secret: base64 of each start covers all three alignments, and is shorter than a line of PEM.
    pub(crate) fn new(secret: &[u8], password: &str) -> Self {
        assert!(secret.len() >= 32, "{} bytes", secret.len());
        let windows = || secret.windows(WINDOW);
        Self {
            raw: windows().map(<[u8]>::to_vec).collect(),
            base64: windows()
                .map(|window| base64(window).into_bytes())
                .collect(),
            hex: windows().map(|window| hex(window).into_bytes()).collect(),
            password: password.to_owned(),
        }
    }

    /// Says in which form the key is in some bytes.
    pub(crate) fn key_in(&self, bytes: &[u8]) -> Option<&'static str> {
        let has = |text: &[u8], set: &HashSet<Vec<u8>>, width| {
            text.windows(width).any(|window| set.contains(window))
        };
        let digits: Vec<u8> = bytes
            .iter()
            .filter(|byte| byte.is_ascii_hexdigit())
            .map(u8::to_ascii_lowercase)
            .collect();
        // As `Debug` and JSON show bytes: decimal numbers.
        let numbers: Vec<u8> = bytes
            .split(|byte| !byte.is_ascii_digit())
            .filter_map(|run| std::str::from_utf8(run).ok()?.parse().ok())
            .collect();
        if has(bytes, &self.raw, WINDOW) {
            Some("raw")
        } else if has(bytes, &self.base64, WINDOW / 3 * 4) {
            Some("base64")
        } else if has(&digits, &self.hex, WINDOW * 2) {
            Some("hex")
        } else if has(&numbers, &self.raw, WINDOW) {
            Some("numbers")
        } else {
            None
        }
    }

    /// Asserts that neither key nor password is in some bytes.
    #[track_caller]
    pub(crate) fn is_not_in(&self, bytes: &[u8], place: &str) {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(self.key_in(bytes), None, "the key is in {place}:\n{text}");
        assert!(
            !text.contains(&self.password),
            "the password is in {place}:\n{text}"
        );
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap();
    let both = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    both.map(digit).collect()
}

/// Base64 of a multiple of three bytes (RFC 4648 section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks_exact(3) {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(DIGITS[(bits >> shift & 63) as usize]));
        }
    }
    text
}

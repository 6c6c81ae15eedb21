//! Distinguished names as text, and texts that claim to be one.

use std::collections::BTreeMap;

use x509_parser::{
    prelude::FromDer as _,
    x509::{AttributeTypeAndValue, X509Name},
};

/// Attribute types and their short names (RFC 4514 section 3, and what openssl prints for the rest).
const SHORT: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "GN"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// Writes a name in the order of its encoding: `C=US, O=Example, CN=www.example.org`.
pub(super) fn text(name: &X509Name<'_>) -> String {
    let rdns = name.iter_rdn().map(|rdn| {
        let parts: Vec<String> = rdn
            .iter()
            .map(|part| format!("{}={}", kind(part), escape(&value(part))))
            .collect();
        parts.join(" + ")
    });
    rdns.collect::<Vec<_>>().join(", ")
}

/// Writes a DER name; none where it is none.
pub(super) fn from_der(der: &[u8]) -> Option<String> {
    let (rest, name) = X509Name::from_der(der).ok()?;
    rest.is_empty().then(|| text(&name))
}

/// Returns the last CN, which is the most specific one.
pub(super) fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().last().map(value)
}

fn kind(part: &AttributeTypeAndValue<'_>) -> String {
    let oid = part.attr_type().to_id_string();
    SHORT
        .iter()
        .find(|(known, _)| *known == oid)
        .map_or(oid, |(_, short)| (*short).to_owned())
}

fn value(part: &AttributeTypeAndValue<'_>) -> String {
    let bytes = part.as_slice();
    // BMPString and UniversalString (X.690 section 8.23) are UTF-16 and UTF-32.
    match part.attr_value().tag().0 {
        30 => {
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .map(|c| u16::from_be_bytes([c[0], c[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        28 => bytes
            .chunks_exact(4)
            .map(|c| {
                char::from_u32(u32::from_be_bytes([c[0], c[1], c[2], c[3]])).unwrap_or('\u{fffd}')
            })
            .collect(),
        // TeletexString is Latin-1 in practice.
        20 => bytes.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Escapes what RFC 4514 section 2.4 names, and everything that could move a terminal's cursor.
pub(super) fn escape(value: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(value.len());
    for (at, c) in value.char_indices() {
        let edge =
            (at == 0 && matches!(c, ' ' | '#')) || (at + c.len_utf8() == value.len() && c == ' ');
        if c.is_control() || is_invisible(c) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "\\{byte:02X}");
            }
        } else {
            if edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
                out.push('\\');
            }
            out.push(c);
        }
    }
    out
}

/// Tells whether a character turns the direction of text or takes no room: names that look like others are made of them.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Tells whether a `subject=` or `issuer=` line of any openssl release contradicts a name written by [`text`].
///
/// The line may be `/C=US/CN=x`, `C = US, CN = x`, `CN=x,C=US`; order and spaces do not count. Where an escape makes the
/// comparison uncertain it is not called a contradiction.
pub(super) fn contradicts(line: &str, name: &str) -> bool {
    if line.contains('\\') || name.contains('\\') || !line.is_ascii() || !name.is_ascii() {
        return false;
    }
    parts(line) != parts(name)
}

fn parts(text: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for part in text.split(['/', ',', '+']) {
        let squeezed: String = part
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '"')
            .collect();
        if squeezed.is_empty() {
            continue;
        }
        let part = match squeezed.split_once('=') {
            Some(("E" | "email" | "Email" | "emailAddress", value)) => {
                format!("emailAddress={value}")
            }
            Some(("S", value)) => format!("ST={value}"),
            _ => squeezed,
        };
        *found.entry(part).or_insert(0) += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_so_that_they_cannot_pose_as_others() {
        for (value, want) in [
            ("a, b", "a\\, b"),
            (" a ", "\\ a\\ "),
            ("\u{1b}[31mred", "\\1B[31mred"),
            ("a\u{202e}b", "a\\E2\\80\\AEb"),
            ("Société", "Société"),
        ] {
            assert_eq!(escape(value), want);
        }
    }

    #[test]
    fn a_subject_line_of_any_openssl_agrees_with_its_certificate() {
        let name = "C=US, O=Let's Encrypt, CN=R3";
        for line in [
            "/C=US/O=Let's Encrypt/CN=R3",
            "C = US, O = Let's Encrypt, CN = R3",
            " CN=R3,O=Let's Encrypt,C=US",
        ] {
            assert!(!contradicts(line, name), "{line}");
        }
        for line in ["/C=US/O=Let's Encrypt/CN=R10", "CN=R3", ""] {
            assert!(contradicts(line, name), "{line}");
        }
    }
}

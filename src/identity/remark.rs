//! Text that stands between blocks: shown, because people keep notes there, but never a secret that ended up in it.

use serde::Serialize;

use super::{Input, dn};

/// Remarks kept of one stretch of text.
const MOST_LINES: usize = 20;
/// Characters kept of one line.
const MOST_CHARACTERS: usize = 200;
/// Where a text without line ends is cut into lines: what openssl and Windows write before blocks.
const STARTS: &[&str] = &[
    "Bag Attributes",
    "Key Attributes",
    "localKeyID:",
    "friendlyName:",
    "Microsoft CSP Name:",
    "subject=",
    "issuer=",
    "date=",
];

/// A line between blocks, or the name of a bag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The input it stands in.
    pub input: String,
    /// What it stands before, as in "certificate `CN=www.example.org`"; "end" after the last.
    pub before: String,
    /// The text, control characters escaped, secrets left out.
    pub text: String,
}

/// What a text claims about the certificate after it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// After `subject=`.
    pub(super) subject: Option<String>,
    /// After `issuer=`.
    pub(super) issuer: Option<String>,
}

/// Returns what a text claims.
pub(super) fn claims(text: &str) -> Claims {
    let mut claims = Claims::default();
    if may_be_key(text) {
        return claims;
    }
    for line in lines(text) {
        if let Some(subject) = line.strip_prefix("subject=") {
            claims.subject = Some(subject.trim().to_owned());
        } else if let Some(issuer) = line.strip_prefix("issuer=") {
            claims.issuer = Some(issuer.trim().to_owned());
        }
    }
    claims
}

/// Returns the remarks in a text.
pub(super) fn of(input: &Input, text: &str, before: &str) -> Vec<Remark> {
    let lines = if may_be_key(text) {
        vec!["(text that may hold a private key is not shown)".to_owned()]
    } else {
        lines(text)
    };
    lines
        .into_iter()
        .filter(|line| !line.is_empty())
        .take(MOST_LINES)
        .map(|line| Remark {
            input: input.name.clone(),
            before: before.to_owned(),
            text: shown(&line),
        })
        .collect()
}

/// Tells whether a text may be a key: a block whose first line is damaged is text like any other.
fn may_be_key(text: &str) -> bool {
    text.contains("PRIVATE KEY")
}

fn lines(text: &str) -> Vec<String> {
    let mut text = text.replace("\\n", "\n").replace('\r', "\n");
    for start in STARTS {
        text = text.replace(&format!(" {start}"), &format!("\n{start}"));
    }
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// Returns a line as it may be shown: what could be a piece of a key or a password is left out.
pub(super) fn shown(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    if ["pass", "secret", "token", "pin=", "pin:"]
        .iter()
        .any(|word| lower.contains(word))
    {
        return "(a line that may hold a password is not shown)".to_owned();
    }
    // A piece of a key is one with a damaged character in it, too.
    let digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let is_base64 = |word: &str| {
        word.as_bytes()
            .split(|b| !digit(b))
            .any(|run| run.len() >= 20)
    };
    let kept: Vec<&str> = line
        .split_whitespace()
        .map(|word| if is_base64(word) { "(...)" } else { word })
        .collect();
    let kept: String = kept.join(" ").chars().take(MOST_CHARACTERS).collect();
    // Commas and the like are plain text here; only what moves a cursor is escaped.
    kept.chars()
        .map(|c| {
            if c.is_control() || dn::is_invisible(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_on_one_line_are_told_apart() {
        let text = "Bag Attributes localKeyID: 01 00 friendlyName: [IIS] era, (any host) @ 2021.4.6 subject=/CN=a.example issuer=/C=US/O=Let's Encrypt/CN=R3 ";
        let claims = claims(text);
        assert_eq!(claims.subject.as_deref(), Some("/CN=a.example"));
        assert_eq!(
            claims.issuer.as_deref(),
            Some("/C=US/O=Let's Encrypt/CN=R3")
        );
    }

    #[test]
    fn a_stray_piece_of_a_key_or_a_password_is_not_shown() {
        for line in [
            "MIIEvgIBADANBgkqhkiG9w0BAQEFAASC",
            "password: hunter2",
            "x MIIEvgIBADANBgkqhkiG9w0BAQEFAASC",
            "MIIEvgIBADAN?gkqhkiG9w0BAQEFAASCBKg",
        ] {
            let shown = shown(line);
            assert!(
                !shown.contains("MIIE") && !shown.contains("hunter2"),
                "{shown}"
            );
        }
        assert_eq!(shown("date=2023-11-29"), "date=2023-11-29");
        assert_eq!(shown("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }
}

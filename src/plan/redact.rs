//! Diffs of documents that may hold a password: the line is shown, what it holds is not.

use similar::{ChangeTag, TextDiff};

/// Words in the name of a value that say that it is nobody's business.
const SECRET: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "api_key",
    "apikey",
    "private_key",
    "auth_key",
];

/// What stands for what is not shown.
const HIDDEN: &str = "[not shown]";

/// Returns the lines of a unified diff, without what passwords, tokens and PEM blocks but certificates hold.
pub(super) fn unified(diff: &TextDiff<'_, '_, str>, old: &str, new: &str) -> Vec<String> {
    let secret_old = blocks(diff.iter_old_slices());
    let secret_new = blocks(diff.iter_new_slices());
    let mut unified = diff.unified_diff();
    let mut lines = vec![format!("--- {old}"), format!("+++ {new}")];
    for hunk in unified.header(old, new).iter_hunks() {
        lines.push(hunk.header().to_string());
        for change in hunk.iter_changes() {
            let in_block = |index: Option<usize>, blocks: &[bool]| {
                index.is_some_and(|n| blocks.get(n) == Some(&true))
            };
            let text = change.value().trim_end_matches(['\r', '\n']);
            let text = if in_block(change.old_index(), &secret_old)
                || in_block(change.new_index(), &secret_new)
            {
                HIDDEN.to_owned()
            } else {
                line(text)
            };
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            lines.push(format!("{sign}{text}"));
            if change.missing_newline() {
                lines.push("\\ No newline at end of file".to_owned());
            }
        }
    }
    lines
}

/// Tells of every line whether it is in a PEM block (RFC 7468) that is neither a certificate nor public.
fn blocks<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<bool> {
    let mut inside = false;
    let mut told = Vec::new();
    for text in lines {
        let label = text.split_once("-----BEGIN ").map(|(_, label)| label);
        inside |= label.is_some_and(|l| !l.contains("CERTIFICATE") && !l.contains("PUBLIC"));
        told.push(inside);
        inside &= !text.contains("-----END ");
    }
    told
}

/// Returns a line without the value of what is named like a password, or the password of a URL.
fn line(text: &str) -> String {
    // In ASCII, so that places in one are places in the other.
    let small = text.to_ascii_lowercase();
    let named = SECRET
        .iter()
        .filter_map(|word| Some(small.find(word)? + word.len()));
    // What separates a name from its value, in YAML, JSON, TOML, INI, shell, and files of words.
    let value = named.min().and_then(|end| {
        let rest = &text[end..];
        let sign = rest.find([':', '=', '>', ' ', '\t'])?;
        let gap = rest[sign..].find(|c: char| !" \t:=>\"'".contains(c))?;
        Some(end + sign + gap)
    });
    if let Some(at) = value {
        return format!("{}{HIDDEN}", &text[..at]);
    }
    // `scheme://user:password@host` (RFC 3986 section 3.2.1).
    let Some((head, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', ' ', '"', '\'']).unwrap_or(rest.len());
    let password = rest[..end]
        .rfind('@')
        .and_then(|at| Some((rest[..at].find(':')?, at)));
    match password {
        Some((colon, at)) => format!("{head}://{}:{HIDDEN}{}", &rest[..colon], &rest[at..]),
        None => text.to_owned(),
    }
}

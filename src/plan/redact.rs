//! Diffs of documents that may hold a password: the line is shown, what it holds is not.

use std::ops::Range;

use similar::{ChangeTag, TextDiff};

use crate::document;

/// Words in the name of a value that say that it is nobody's business.
const SECRET: [&str; 11] = [
    "password",
    "pwd",
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
            lines.push(format!("{}{text}", sign(change.tag())));
            if change.missing_newline() {
                lines.push("\\ No newline at end of file".to_owned());
            }
        }
    }
    lines
}

/// Returns the lines of a unified diff of a document that others made: by its structure, whatever it is written in.
pub(super) fn document(before: &str, after: &str, old: &str, new: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(before, after);
    let shown_old = readable(before, diff.iter_old_slices());
    let shown_new = readable(after, diff.iter_new_slices());
    let mut unified = diff.unified_diff();
    let mut lines = vec![format!("--- {old}"), format!("+++ {new}")];
    for hunk in unified.header(old, new).iter_hunks() {
        lines.push(hunk.header().to_string());
        let text = |of: &[String], n: Option<usize>| n.and_then(|n| of.get(n)).cloned();
        let mut shown: Vec<(ChangeTag, String, bool)> = Vec::new();
        for change in hunk.iter_changes() {
            let text = match change.tag() {
                ChangeTag::Insert => text(&shown_new, change.new_index()),
                ChangeTag::Equal | ChangeTag::Delete => text(&shown_old, change.old_index()),
            };
            shown.push((
                change.tag(),
                text.unwrap_or_default(),
                change.missing_newline(),
            ));
        }
        shorten(&mut shown);
        for (tag, text, unended) in shown {
            lines.push(format!("{}{text}", sign(tag)));
            if unended {
                lines.push("\\ No newline at end of file".to_owned());
            }
        }
    }
    lines
}

fn sign(tag: ChangeTag) -> char {
    match tag {
        ChangeTag::Equal => ' ',
        ChangeTag::Delete => '-',
        ChangeTag::Insert => '+',
    }
}

/// Returns the lines of a document without its secrets; of one that cannot be read, nothing.
fn readable<'l>(text: &str, slices: impl Iterator<Item = &'l str>) -> Vec<String> {
    let Some(mut secrets) = document::secrets(text, is_secret, is_private) else {
        return slices.map(|_| HIDDEN.to_owned()).collect();
    };
    secrets.sort_by_key(|range| range.start);
    let (mut at, mut lines) = (0, Vec::new());
    for slice in slices {
        let end = at + slice.trim_end_matches(['\r', '\n']).len();
        lines.push(line(&without(text, at..end, &secrets)));
        at += slice.len();
    }
    lines
}

/// Returns a line with every secret in it replaced.
fn without(text: &str, line: Range<usize>, secrets: &[Range<usize>]) -> String {
    let (mut at, mut shown) = (line.start, String::new());
    let first = secrets.partition_point(|s| s.end <= line.start);
    for secret in &secrets[first..] {
        if secret.start >= line.end {
            break;
        }
        if !secret.is_empty() && secret.end > at {
            shown += text.get(at..secret.start.max(at)).unwrap_or_default();
            shown += HIDDEN;
            at = secret.end.min(line.end);
        }
    }
    shown + text.get(at..line.end).unwrap_or_default()
}

/// Tells whether a name says that what it names is nobody's business.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    SECRET.iter().any(|word| name.contains(word)) || name.ends_with("pass")
}

/// Tells whether a text is a PEM block that is neither a certificate nor public.
fn is_private(text: &str) -> bool {
    let mut labels = text.split("-----BEGIN ").skip(1);
    labels.any(|label| {
        let label = label.split("-----").next().unwrap_or_default();
        !label.contains("CERTIFICATE") && !label.contains("PUBLIC")
    })
}

/// The most characters of a line that are shown whole.
const LONGEST: usize = 200;

/// How many characters are shown around what is changed in a longer one.
const AROUND: usize = 60;

/// Cuts long lines down to what is changed in them: a document may be one line.
fn shorten(lines: &mut [(ChangeTag, String, bool)]) {
    let of = |lines: &[(ChangeTag, String, bool)], tag| -> Vec<usize> {
        let all = (0..lines.len()).filter(|n| lines[*n].0 == tag);
        all.collect()
    };
    let deleted = of(lines, ChangeTag::Delete);
    let inserted = of(lines, ChangeTag::Insert);
    for (old, new) in deleted.iter().zip(&inserted) {
        let chars = |n: usize| lines[n].1.chars().collect::<Vec<char>>();
        let (a, b) = (chars(*old), chars(*new));
        if a.len().max(b.len()) <= LONGEST {
            continue;
        }
        let same = |pairs: &mut dyn Iterator<Item = (&char, &char)>| {
            pairs.take_while(|(a, b)| a == b).count()
        };
        let head = same(&mut a.iter().zip(&b)).saturating_sub(AROUND);
        let tail = same(&mut a.iter().rev().zip(b.iter().rev())).saturating_sub(AROUND);
        for (n, chars) in [(*old, a), (*new, b)] {
            let end = chars.len().saturating_sub(tail).max(head);
            let middle: String = chars[head.min(chars.len())..end].iter().collect();
            let left = if head > 0 { "…" } else { "" };
            let right = if tail > 0 { "…" } else { "" };
            lines[n].1 = format!("{left}{middle}{right}");
        }
    }
    for (_, text, _) in lines {
        if text.chars().count() > 2 * LONGEST {
            *text = text.chars().take(LONGEST).collect::<String>() + "…";
        }
    }
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

/// Returns a line without the value of what is named like a password, and without the passwords of URLs.
fn line(text: &str) -> String {
    // In ASCII, so that places in one are places in the other.
    let small = text.to_ascii_lowercase();
    let mut from = 0;
    while let Some(end) = named(&small, from) {
        // What separates a name from its value, in YAML, JSON, TOML, INI, shell, and files of words.
        let rest = &text[end..];
        let sign = rest.find([':', '=', '>', ' ', '\t']);
        let value = sign.and_then(|sign| {
            let gap = rest[sign..].find(|c: char| !" \t:=>\"'".contains(c))?;
            Some(end + sign + gap)
        });
        match value {
            // It is not shown already, and more may follow on its line.
            Some(at) if text[at..].starts_with(HIDDEN) => from = at + HIDDEN.len(),
            Some(at) => return urls(&text[..at]) + HIDDEN,
            None => break,
        }
    }
    urls(text)
}

/// Returns where the first name of something secret ends, from a place on.
fn named(small: &str, from: usize) -> Option<usize> {
    let rest = &small[from..];
    let words = SECRET
        .iter()
        .filter_map(|word| Some(rest.find(word)? + word.len()));
    // As the end of a name (`DB_PASS=`), or an option's (`--pass x`); `proxy_pass http://...` names no password.
    let ends = rest.match_indices("pass").filter_map(|(at, word)| {
        let (head, tail) = (&rest[..at], &rest[at + word.len()..]);
        let name = head.rfind(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        let is_option = head[name.map_or(0, |n| n + 1)..].starts_with('-');
        let assigned = tail.trim_start_matches(['"', '\'', ' ', '\t']);
        let is =
            assigned.starts_with(['=', ':']) || is_option && tail.starts_with([' ', '\t', '"']);
        is.then_some(at + word.len())
    });
    words.chain(ends).min().map(|end| from + end)
}

/// Returns a line without the passwords of its URLs: `scheme://user:password@host` (RFC 3986 section 3.2.1).
fn urls(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((head, tail)) = rest.split_once("://") {
        shown = shown + head + "://";
        rest = tail;
        let end = tail.find(['/', ' ', '"', '\'']).unwrap_or(tail.len());
        let at = tail[..end].rfind('@');
        if let Some((at, colon)) = at.and_then(|at| Some((at, tail[..at].find(':')?))) {
            shown = shown + &tail[..colon] + ":" + HIDDEN;
            rest = &tail[at..];
        }
    }
    shown + rest
}

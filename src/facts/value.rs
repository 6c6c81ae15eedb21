//! One value out of line-based configuration, whatever the dialect: enough to see where a daemon was told to look.

use crate::{
    error::Result,
    host::{EntryKind, Tree},
    state::HostPath,
};

/// Returns what the last line with a key sets it to, over some files in order; empty text where none does. The last
/// component of a path may be a pattern, as in `/etc/stunnel/*.conf`.
pub(super) fn last(tree: &dyn Tree, key: &str, files: &[HostPath]) -> Result<String> {
    let mut found = String::new();
    for path in files.iter().map(|path| named(tree, path)) {
        for path in path? {
            let text = tree.text(&path)?.unwrap_or_default();
            for value in text.lines().filter_map(|line| value(line, key)) {
                value.clone_into(&mut found);
            }
        }
    }
    Ok(found)
}

/// Returns the files that a path names, in the order of their names.
fn named(tree: &dyn Tree, path: &HostPath) -> Result<Vec<HostPath>> {
    let Some(dir) = path.parent().filter(|_| path.as_str().contains('*')) else {
        return Ok(vec![path.clone()]);
    };
    let mut files: Vec<HostPath> = tree
        .list(&dir)?
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.kind != EntryKind::Dir)
        .map(|entry| dir.join(&entry.name))
        .filter(|file| fast_glob::glob_match(path.as_str(), file.as_str()))
        .collect();
    files.sort();
    Ok(files)
}

/// Takes `key value`, `key = value`, `key: value`, `key=value;`, `key = <value` or `<key>value</key>` apart, quotes taken
/// off. A key is compared as most daemons do: in any case.
fn value<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    let line = line.trim_start();
    let line = line.strip_prefix('<').unwrap_or(line);
    let (head, rest) = line.split_at_checked(key.len())?;
    let parted = rest.starts_with([' ', '\t', '=', ':', '>']);
    if !head.eq_ignore_ascii_case(key) || !parted {
        return None;
    }
    let rest = rest.trim_start_matches([' ', '\t', '=', ':', '>', '<']);
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest.get(1..)?.split(quote).next(),
        _ => rest
            .split(|c: char| c.is_whitespace() || matches!(c, ';' | ',' | '<' | '}'))
            .next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_every_dialect_and_comments_are_not() {
        for (line, want) in [
            ("smtpd_tls_cert_file=/etc/a.pem", Some("/etc/a.pem")),
            (
                "  smtpd_tls_cert_file = /etc/a.pem  # ours",
                Some("/etc/a.pem"),
            ),
            ("SMTPD_TLS_CERT_FILE /etc/a.pem", Some("/etc/a.pem")),
            (
                "smtpd_tls_cert_file: \"/etc/a b.pem\"",
                Some("/etc/a b.pem"),
            ),
            ("smtpd_tls_cert_file = '/etc/a.pem'", Some("/etc/a.pem")),
            ("smtpd_tls_cert_file \"/etc/a.pem\";", Some("/etc/a.pem")),
            ("smtpd_tls_cert_file = </etc/a.pem", Some("/etc/a.pem")),
            (
                "<smtpd_tls_cert_file>/etc/a.pem</smtpd_tls_cert_file>",
                Some("/etc/a.pem"),
            ),
            ("smtpd_tls_cert_file /etc/a.pem;", Some("/etc/a.pem")),
            ("smtpd_tls_cert_file =", Some("")),
            ("#smtpd_tls_cert_file = /etc/a.pem", None),
            ("<!-- <smtpd_tls_cert_file>/etc/a.pem -->", None),
            ("smtpd_tls_cert_files = /etc/a.pem", None),
            ("", None),
        ] {
            assert_eq!(value(line, "smtpd_tls_cert_file"), want, "{line}");
        }
    }
}

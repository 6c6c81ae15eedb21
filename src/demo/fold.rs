//! Long runs of lines of one sort, shown by the first two: a screen of a plan instead of eight.

use std::fmt::Write as _;

/// The fewest lines of one sort that are folded.
const FEWEST: usize = 4;

/// Folds runs of lines of one sort, and says how many were left out.
pub(super) fn fold(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for run in lines.chunk_by(|a, b| sort(a).is_some() && sort(a) == sort(b)) {
        let shown = if run.len() < FEWEST || run.first().and_then(|l| sort(l)).is_none() {
            run.len()
        } else {
            2
        };
        for line in run.iter().take(shown) {
            out.push_str(line);
            out.push('\n');
        }
        if shown < run.len() {
            let indent = run
                .first()
                .map_or(0, |line| line.len() - line.trim_start().len());
            let rest = run.len() - shown;
            // A `String` takes whatever is written.
            let _ = writeln!(out, "{:indent$}  ... {rest} more like these", "");
        }
    }
    out
}

/// Tells of which sort a line is, where its like may come in dozens.
fn sort(line: &str) -> Option<&'static str> {
    let plain = anstream::adapter::strip_str(line).to_string();
    let bare = plain.trim_start();
    let body = bare.trim_start_matches(['+', '-']);
    let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    match bare.chars().next()? {
        '-' if body.len() >= 16 && body.chars().all(base64) => Some("encoded, before"),
        '+' if body.len() >= 16 && body.chars().all(base64) => Some("encoded, after"),
        '+' if bare.contains(" (link) ") => Some("link"),
        _ if bare.starts_with("systemctl restart ") => Some("restart"),
        _ if bare.contains(" presents another leaf") => Some("other leaf"),
        _ if bare.contains(": TLS at ") => Some("endpoint"),
        '/' if plain.starts_with("  /etc/") => Some("consumer"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_sort_are_folded_and_counted() {
        let links = ["+ /etc/a (link) -> x\n", "+ /etc/b (link) -> x\n"].concat();
        let run = links.clone() + &links + &links;
        let text = format!("a\n{run}b\n");
        let folded = format!("a\n{links}  ... 4 more like these\nb\n");
        assert_eq!(fold(&text), folded);
    }

    #[test]
    fn lines_of_no_known_sort_and_short_runs_stay() {
        let text = "same\nsame\nsame\nsame\nsame\n  systemctl restart a\n  systemctl restart b\n";
        assert_eq!(fold(text), text);
    }
}

//! What people are told of an answer: nothing of what was sent in secret.

use zeroize::Zeroizing;

use crate::state::Bytes;

/// The most that is told of an answer, in characters.
const MOST_TOLD: usize = 200;

/// So many bytes in a row of a secret are too much of it.
const TELLING: usize = 16;

/// Texts that no answer may repeat where people read it.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrets(Vec<Bytes>);

impl Secrets {
    /// Adds a secret: each of its lines, as it is and as it stands in JSON.
    pub(super) fn add(&mut self, secret: &Bytes) {
        for line in secret.reveal().split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            self.0.push(line.to_vec().into());
            let text = String::from_utf8_lossy(line);
            let quoted = Zeroizing::new(serde_json::to_string(&text).unwrap_or_default());
            let quoted = quoted.trim_matches('"').as_bytes();
            if quoted != line {
                self.0.push(quoted.to_vec().into());
            }
        }
    }

    /// Returns the beginning of an answer in one line, after a colon; unless it holds something of what was sent.
    pub(super) fn told(&self, answer: &str) -> String {
        let beginning: String = answer.chars().take(MOST_TOLD + TELLING).collect();
        if answer.contains("PRIVATE KEY") || self.0.iter().any(|s| holds(answer, &beginning, s)) {
            return ", with a text that holds what was sent and is not shown".to_owned();
        }
        let plain = beginning.chars().take(MOST_TOLD);
        let plain: String = plain
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        match plain.trim() {
            "" => String::new(),
            text => format!(": {text}"),
        }
    }
}

/// Tells whether an answer holds a secret, or its beginning a part of one.
fn holds(answer: &str, beginning: &str, secret: &Bytes) -> bool {
    let secret = secret.reveal();
    let mut parts = beginning.as_bytes().windows(TELLING);
    answer
        .as_bytes()
        .windows(secret.len())
        .any(|text| text == secret)
        || parts.any(|part| secret.windows(TELLING).any(|of_it| of_it == part))
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    /// A made-up key: what no answer may show, not even sixteen bytes of.
    const KEY: &str =
        "-----BEGIN X-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\r\nBKcwggSjAgEAAoIBAQDc0ffee\n";

    fn told(answer: &str) -> String {
        let mut secrets = Secrets::default();
        secrets.add(&KEY.to_owned().into());
        secrets.add(&"pass\"word".to_owned().into());
        secrets.told(answer)
    }

    #[test]
    fn an_answer_that_holds_a_line_of_a_secret_or_a_part_of_one_is_not_shown() {
        for answer in [
            "cannot decode line 2: MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
            "{\"value\": \"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\nBKcw\"}",
            "near `ANBgkqhkiG9w0BAQE`",
            "who is admin:pass\"word?",
            "{\"login\": \"admin:pass\\\"word\"}",
            "a PRIVATE KEY of somebody's",
        ] {
            let told = told(answer);
            assert!(told.ends_with("is not shown"), "{answer}: {told}");
        }
    }

    #[test]
    fn what_holds_none_is_shown_in_one_line_and_cut() {
        assert_eq!(
            told("no such\n\u{1b}setting ADANBgkq"),
            ": no such  setting ADANBgkq"
        );
        assert_eq!(told(" \n"), "");
        assert_eq!(told(&"é".repeat(1000)).chars().count(), 202);
    }
}

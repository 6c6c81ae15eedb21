//! A PEM file of many certificates, each with what stands before it, so that all that is not ours stays byte for byte.

use crate::{
    identity::{Certificate, Input, certificate_pem},
    rotation::label,
};

/// One block, or the text behind the last one.
#[derive(Debug)]
pub(super) struct Block {
    /// What stands between the block before and this one.
    pub(super) before: String,
    /// From `BEGIN` to the end of the line of `END`; empty behind the last one.
    pub(super) pem: String,
    /// Fingerprint of the certificate (SHA-256, lower hex); empty where it is none.
    pub(super) sha256: String,
}

impl Block {
    /// Returns the comment right above it, where that is all of its line.
    pub(super) fn label(&self) -> Option<&str> {
        let line = self.before.strip_suffix('\n')?;
        let line = line.rsplit('\n').next()?;
        line.strip_prefix("# ").map(str::trim_end)
    }

    /// Takes the certificate and its label out, and leaves whatever else stands before it.
    pub(super) fn strip(&mut self, is_label: impl Fn(&str) -> bool) {
        if self.label().is_some_and(is_label) {
            let line = self.before.trim_end_matches('\n').rfind('\n');
            self.before.truncate(line.map_or(0, |at| at + 1));
        }
        self.pem.clear();
        self.sha256.clear();
    }
}

/// Splits a file into its blocks.
///
/// # Errors
/// What is wrong with it, in words that follow its name.
pub(super) fn read(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find("-----BEGIN ") {
        let end = rest[begin..]
            .find("-----END ")
            .map(|i| begin + i + "-----END ".len())
            .ok_or_else(|| "is cut off: a block has no `END`".to_owned())?;
        let close = rest[end..]
            .find("-----")
            .map(|i| end + i + "-----".len())
            .ok_or_else(|| "is cut off: a block has half an `END`".to_owned())?;
        // With its line end, where nothing else is in the line.
        let behind = &rest[close..];
        let line = ["\r\n", "\n"]
            .into_iter()
            .find(|end| behind.starts_with(end));
        let past = close + line.map_or(0, str::len);
        let pem = &rest[begin..past];
        blocks.push(Block {
            before: rest[..begin].to_owned(),
            pem: pem.to_owned(),
            sha256: fingerprint(pem)?,
        });
        rest = &rest[past..];
    }
    if !rest.is_empty() {
        blocks.push(Block {
            before: rest.to_owned(),
            pem: String::new(),
            sha256: String::new(),
        });
    }
    Ok(blocks)
}

fn fingerprint(pem: &str) -> Result<String, String> {
    if pem.contains("PRIVATE KEY-----") {
        return Err("holds a private key: it is no file of trusted certificates".to_owned());
    }
    if !pem.starts_with("-----BEGIN CERTIFICATE-----") {
        return Ok(String::new());
    }
    let input = Input {
        name: "a trusted certificate".to_owned(),
        bytes: pem.to_owned().into(),
    };
    let read = input
        .certificates()
        .map_err(|error| format!("holds a block that is no certificate: {error}"))?;
    Ok(read
        .into_iter()
        .map(|c| c.sha256)
        .next()
        .unwrap_or_default())
}

/// Adds a labelled certificate at the end.
pub(super) fn add(blocks: &mut Vec<Block>, name: &str, certificate: &Certificate) {
    let ends = blocks
        .last()
        .is_none_or(|last| format!("{}{}", last.before, last.pem).ends_with('\n'));
    let line = if ends { "" } else { "\n" };
    blocks.push(Block {
        before: format!("{line}# {}\n", label(name, &certificate.sha256)),
        pem: certificate_pem(&certificate.der),
        sha256: certificate.sha256.clone(),
    });
}

#[cfg(test)]
mod tests {
    use super::{Block, read};

    #[test]
    fn what_is_read_is_written_back_byte_for_byte() {
        let crl = "-----BEGIN X509 CRL-----\r\nAAAA\r\n-----END X509 CRL-----";
        for text in [
            String::new(),
            "# nothing yet".to_owned(),
            format!("a\n\n{crl}\r\nb\n# c\n{crl}"),
            format!("{crl}{crl}\n\n\n"),
        ] {
            let blocks = read(&text).unwrap();
            let again: String = blocks.iter().flat_map(|b| [&*b.before, &*b.pem]).collect();
            assert_eq!(again, text);
        }
        for (text, why) in [
            ("-----BEGIN X509 CRL-----\nAAAA\n", "is cut off"),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "holds a private key",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "holds a block that is no certificate",
            ),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(why), "{found}");
        }
    }

    #[test]
    fn a_label_is_the_whole_line_above_a_block_and_goes_with_it_alone() {
        let block = |before: &str| Block {
            before: before.to_owned(),
            pem: "PEM".to_owned(),
            sha256: "ab".to_owned(),
        };
        for (before, label, left) in [
            ("# a\n", Some("a"), ""),
            ("text\n# a\r\n", Some("a"), "text\n"),
            ("# b\n\n", None, "# b\n\n"),
            ("x # a\n", None, "x # a\n"),
            ("# a", None, "# a"),
            ("# b\n", Some("b"), "# b\n"),
        ] {
            let mut one = block(before);
            assert_eq!(one.label(), label, "{before:?}");
            one.strip(|label| label == "a");
            assert_eq!(one.before, left, "{before:?}");
            assert!(one.pem.is_empty() && one.sha256.is_empty());
        }
    }
}

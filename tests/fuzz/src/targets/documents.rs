//! Documents in JSON, TOML, XML and YAML: a line with the edit (`set WAY = TEXT`, `remove WAY`), then the document.

use certroll::document::{Act, Edit, Edits, Format, Hop, Scalar, Wanted};

/// A password of the seeds, which no refusal may hold.
const CANARY: &str = "CanaryOfAPassword";

pub(super) fn json(data: &[u8]) {
    check(Format::Json, data);
}

pub(super) fn toml(data: &[u8]) {
    check(Format::Toml, data);
}

pub(super) fn xml(data: &[u8]) {
    check(Format::Xml, data);
}

pub(super) fn yaml(data: &[u8]) {
    check(Format::Yaml, data);
}

/// What is done is done once, and again with everything else; what is refused is refused at a place that exists.
fn check(format: Format, data: &[u8]) {
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (line, document) = data.split_at(end);
    let document = document.get(1..).unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let edit = edit(&line);
    let is_removal = edit.act == Act::Remove;
    let edits = Edits {
        format,
        create: None,
        edits: vec![edit],
    };
    match edits.apply(document) {
        Ok(done) => {
            // Of several that are chosen, each may be another.
            assert_eq!(edits.apply(&done).as_ref(), Ok(&done), "a second time");
            if is_removal {
                assert!(done.len() <= document.len(), "removal adds");
            }
            let mark = |bytes: &[u8]| bytes.starts_with(b"\xef\xbb\xbf");
            assert_eq!(mark(&done), mark(document), "the byte order mark");
        }
        Err(fault) => {
            let lines = document.split(|b| *b == b'\n').count() as u64;
            assert!((1..=lines).contains(&fault.line), "{fault} of {lines}");
            assert!(fault.column > 0 && !fault.message.is_empty(), "{fault}");
            let told = fault.message.contains(CANARY) && !line.contains(CANARY);
            assert!(!told, "a password in: {fault}");
        }
    }
}

fn edit(line: &str) -> Edit {
    let (way, act) = if let Some(way) = line.strip_prefix("remove ") {
        (way, Act::Remove)
    } else {
        let (way, text) = line.split_once(" = ").unwrap_or((line, "new"));
        let scalar = match Scalar::number(text) {
            Some(number) if text.len() < 9 => number,
            _ => Scalar::Text(text.to_owned()),
        };
        let way = way.strip_prefix("set ").unwrap_or(way);
        (way, Act::Set(Wanted::Scalar(scalar)))
    };
    let hops = way.split('/').take(20).map(|part| {
        let (name, member) = part.split_once('[').unwrap_or((part, ""));
        let pair = member.trim_end_matches(']').split_once('=');
        Hop {
            name: Some(name.to_owned()),
            member: pair
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
        }
    });
    Edit {
        at: hops.collect(),
        act,
        every: false,
    }
}

//! Random documents and random edits: everything outside of the edit is identical, and a second time changes nothing.

use std::fmt::Write as _;

use proptest::{collection::vec, prelude::*};

use super::{Format, apply, every, number, remove, set, text};
use certroll::document::{Act, Edit, Hop, Scalar, Wanted};

/// A value that is written in every format, with its layout decided by dice.
#[derive(Debug, Clone)]
enum Plant {
    Text(String),
    Number(i32),
    Flag(bool),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

const NAMES: [&str; 8] = ["a", "b", "key", "x-y", "host_name", "zeta", "n7", "Q"];

fn plants() -> impl Strategy<Value = Plant> {
    let leaf = prop_oneof![
        "[ -~é€]{0,12}".prop_map(Plant::Text),
        any::<i32>().prop_map(Plant::Number),
        any::<bool>().prop_map(Plant::Flag),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Plant::List),
            members(inner).prop_map(Plant::Map),
        ]
    })
}

fn members(inner: impl Strategy<Value = Plant>) -> impl Strategy<Value = Vec<(String, Plant)>> {
    vec((0..NAMES.len(), inner), 1..5).prop_map(|all| {
        let mut members: Vec<(String, Plant)> = Vec::new();
        for (n, value) in all {
            if members.iter().all(|(name, _)| name != NAMES[n]) {
                members.push((NAMES[n].to_owned(), value));
            }
        }
        members
    })
}

/// Bits that decide how something is written.
struct Dice(u64);

impl Dice {
    fn of<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let n = usize::try_from(self.0 >> 8).unwrap();
        choices[n % choices.len()]
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn number_in(n: i32, format: Format, dice: &mut Dice) -> String {
    match (format, dice.of(&["plain", "other"])) {
        (Format::Json, "other") => format!("{n}.0e0"),
        (Format::Toml | Format::Yaml, "other") if n > 0 => format!("0x{n:x}"),
        _ => n.to_string(),
    }
}

/// Writes between brackets, with white space, and comments where there are any.
fn flow(value: &Plant, format: Format, dice: &mut Dice) -> String {
    let blanks: &[&str] = match format {
        Format::Json => &["", " ", "\n", "\r\n\t", "  "],
        _ => &["", " ", "  "],
    };
    match value {
        Plant::Text(text) => quoted(text),
        Plant::Number(n) => number_in(*n, format, dice),
        Plant::Flag(is) => is.to_string(),
        Plant::List(items) => {
            let items: Vec<String> = items.iter().map(|i| flow(i, format, dice)).collect();
            let (a, b) = (dice.of(blanks), dice.of(blanks));
            format!("[{a}{}{b}]", items.join(&format!("{a},{b}")))
        }
        Plant::Map(members) => {
            let sign = match format {
                Format::Json => dice.of(&[":", ": ", " :  "]),
                Format::Toml => dice.of(&["=", " = ", " =  "]),
                _ => dice.of(&[": ", ":  "]),
            };
            let key = |name: &str| match format {
                Format::Json => quoted(name),
                _ => name.to_owned(),
            };
            let all = members
                .iter()
                .map(|(name, value)| format!("{}{sign}{}", key(name), flow(value, format, dice)));
            let all: Vec<String> = all.collect();
            let (a, b) = (dice.of(blanks), dice.of(blanks));
            let gap = if format == Format::Yaml { " " } else { b };
            format!("{{{a}{}{b}}}", all.join(&format!("{a},{gap}")))
        }
    }
}

fn block_yaml(members: &[(String, Plant)], indent: usize, dice: &mut Dice, out: &mut String) {
    for (name, value) in members {
        *out += dice.of(&["", "", "\n", "# top\n"]);
        *out += &" ".repeat(indent);
        *out += name;
        *out += ":";
        match value {
            Plant::Map(inner) if dice.of(&["block", "flow"]) == "block" => {
                *out += dice.of(&["\n", " # what\n"]);
                block_yaml(inner, indent + 2, dice, out);
            }
            Plant::List(items) if !items.is_empty() && dice.of(&["block", "flow"]) == "block" => {
                *out += "\n";
                let dash = indent
                    + if dice.of(&["in", "out"]) == "in" {
                        2
                    } else {
                        0
                    };
                for item in items {
                    writeln!(
                        out,
                        "{}- {}",
                        " ".repeat(dash),
                        flow(item, Format::Yaml, dice)
                    )
                    .unwrap();
                }
            }
            value => {
                let gap = dice.of(&[" ", "   "]);
                let end = dice.of(&["\n", " # why\n", "\n\n"]);
                write!(out, "{gap}{}{end}", flow(value, Format::Yaml, dice)).unwrap();
            }
        }
    }
}

fn block_toml(members: &[(String, Plant)], header: &str, dice: &mut Dice, out: &mut String) {
    let is_table = |value: &Plant, dice: &mut Dice| {
        matches!(value, Plant::Map(_)) && dice.of(&["table", "line"]) == "table"
    };
    let mut tables = Vec::new();
    for (name, value) in members {
        if is_table(value, dice) {
            tables.push((name, value));
            continue;
        }
        let (lead, sign) = (dice.of(&["", "  ", "# top\n"]), dice.of(&["=", " = "]));
        let end = dice.of(&["\n", " # why\n", "\n\n"]);
        write!(
            out,
            "{lead}{name}{sign}{}{end}",
            flow(value, Format::Toml, dice)
        )
        .unwrap();
    }
    for (name, value) in tables {
        let name = format!("{header}{name}");
        write!(out, "[{name}]{}", dice.of(&["\n", " # t\n"])).unwrap();
        if let Plant::Map(inner) = value {
            block_toml(inner, &format!("{name}."), dice, out);
        }
    }
}

fn tags(members: &[(String, Plant)], indent: usize, dice: &mut Dice, out: &mut String) {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&#60;")
            .replace('>', "&gt;")
    };
    for (name, value) in members {
        let lead = "\n".to_owned() + &" ".repeat(indent);
        let attribute = dice.of(&["", " id='1'", "  id = \"&quot;\""]);
        *out += dice.of(&["", "<!-- c -->", "<?pi x?>"]);
        *out += &lead;
        match value {
            Plant::Map(inner) => {
                write!(out, "<{name}{attribute}>").unwrap();
                tags(inner, indent + 2, dice, out);
                write!(out, "{lead}</{name}{}>", dice.of(&["", " "])).unwrap();
            }
            Plant::List(_) => write!(out, "<{name}{attribute}{}/>", dice.of(&["", " "])).unwrap(),
            Plant::Text(text)
                if dice.of(&["cdata", "plain"]) == "cdata" && !text.contains("]]>") =>
            {
                write!(out, "<{name}{attribute}><![CDATA[{text}]]></{name}>").unwrap();
            }
            Plant::Text(text) => {
                write!(out, "<{name}{attribute}>{}</{name}>", escape(text)).unwrap();
            }
            Plant::Number(n) => write!(out, "<{name}{attribute}>{n}</{name}>").unwrap(),
            Plant::Flag(is) => write!(out, "<{name}{attribute}>{is}</{name}>").unwrap(),
        }
    }
}

fn written(format: Format, members: &[(String, Plant)], seed: u64) -> String {
    let mut dice = Dice(seed | 1);
    let mut out = dice.of(&["", "", "\u{feff}"]).to_owned();
    match format {
        Format::Json => out += &flow(&Plant::Map(members.to_vec()), format, &mut dice),
        Format::Toml => block_toml(members, "", &mut dice, &mut out),
        Format::Yaml => block_yaml(members, 0, &mut dice, &mut out),
        Format::Xml => {
            out += dice.of(&["", "<?xml version='1.0'?>\n", "<!-- c -->"]);
            out += "<root>";
            tags(members, 2, &mut dice, &mut out);
            out += "\n</root>";
        }
    }
    if format != Format::Json && dice.of(&["lf", "crlf"]) == "crlf" {
        out = out.replace('\n', "\r\n");
    }
    match dice.of(&["as is", "without"]) {
        "without" => out.trim_end().to_owned(),
        _ => out,
    }
}

/// Returns every way to a value without parts, and every way to a mapping.
fn ways(value: &Plant, way: &[&str], leaves: &mut Vec<Vec<String>>, maps: &mut Vec<Vec<String>>) {
    let own = || way.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    match value {
        Plant::Map(members) => {
            maps.push(own());
            for (name, value) in members {
                ways(value, &[way, &[name]].concat(), leaves, maps);
            }
        }
        Plant::List(_) => {}
        Plant::Text(_) | Plant::Number(_) | Plant::Flag(_) => leaves.push(own()),
    }
}

fn hops(format: Format, way: &[String]) -> Vec<Hop> {
    let root = (format == Format::Xml).then(|| "root".to_owned());
    let names = root.into_iter().chain(way.iter().cloned());
    let hop = |name| Hop {
        name: Some(name),
        member: Vec::new(),
    };
    names.map(hop).collect()
}

/// Asserts that what was taken out and put in is all that differs: one run of bytes.
fn one_place(before: &str, after: &str) -> (String, String) {
    let (a, b) = (before.as_bytes(), after.as_bytes());
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let rest = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take(rest);
    let tail = tail.take_while(|(x, y)| x == y).count();
    let part = |s: &[u8]| String::from_utf8_lossy(&s[head..s.len() - tail]).into_owned();
    (part(a), part(b))
}

fn cases() -> impl Strategy<Value = (Vec<(String, Plant)>, u64, usize, String)> {
    (
        members(plants()),
        any::<u64>(),
        any::<usize>(),
        "[ -~é€]{0,10}",
    )
}

fn edited(format: Format, before: &str, edit: &Edit) -> Result<String, TestCaseError> {
    let edits = [edit.clone()];
    let after = apply(format, before, &edits)
        .map_err(|fault| TestCaseError::fail(format!("{fault}\n{before}")))?;
    let again = apply(format, &after, &edits);
    prop_assert_eq!(again.as_ref(), Ok(&after), "a second time");
    Ok(after)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_that_is_set_is_all_that_differs((members, seed, which, new) in cases()) {
        for (_, format) in Format::NAMES {
            let before = written(format, &members, seed);
            let (mut leaves, mut maps) = (Vec::new(), Vec::new());
            ways(&Plant::Map(members.clone()), &[], &mut leaves, &mut maps);
            let Some(way) = leaves.get(which % leaves.len().max(1)) else { continue };
            let edit = Edit { at: hops(format, way), act: Act::Set(text(&new)), every: false };
            let after = edited(format, &before, &edit)?;
            let (out, put) = one_place(&before, &after);
            // Not a byte of a neighbour: what went is a part of one value, what came a part of the new one.
            prop_assert!(!put.contains('\n') && put.chars().count() <= 6 * new.chars().count() + 30, "{before}\n{after}");
            prop_assert!(out.len() <= 120, "{before}\n{after}");
        }
    }

    #[test]
    fn a_member_that_is_added_and_taken_out_leaves_the_document_as_it_was((members, seed, which, new) in cases()) {
        for (_, format) in Format::NAMES {
            let before = written(format, &members, seed);
            let (mut leaves, mut maps) = (Vec::new(), Vec::new());
            ways(&Plant::Map(members.clone()), &[], &mut leaves, &mut maps);
            let map = &maps[which % maps.len()];
            let at = [hops(format, map), hops(Format::Json, &["added".to_owned()])].concat();
            let edit = Edit { at: at.clone(), act: Act::Set(text(&new)), every: false };
            let after = edited(format, &before, &edit)?;
            let (out, put) = one_place(&before, &after);
            prop_assert!(out.is_empty(), "took {out:?}\n{before}\n{after}");
            prop_assert!(put.contains("added"), "{before}\n{after}");
            let back = Edit { at, act: Act::Remove, every: false };
            // A header of its own that was added stays, and so do the line ends of what had none.
            let plain = |s: &str| s.trim_end().to_owned();
            if !put.contains('[') {
                let again = edited(format, &after, &back)?;
                prop_assert_eq!(plain(&again), plain(&before), "{}", after);
            }
        }
    }

    #[test]
    fn any_bytes_are_edited_with_the_rest_kept_or_refused(junk in "[\\[\\]{}<>/:=,&*\"'a1 #|\n-]{0,40}", new in "[ -~]{0,6}") {
        for (_, format) in Format::NAMES {
            for edit in [set("a", text(&new)), set("a/b", number("1")), every(set("a[a=1]/a", text(&new))), remove("a")] {
                if let Ok(after) = apply(format, &junk, std::slice::from_ref(&edit)) {
                    prop_assert_eq!(apply(format, &after, &[edit]), Ok(after));
                }
            }
        }
    }
}

#[test]
fn numbers_and_flags_are_set_by_their_type() {
    let flag = Wanted::Scalar(Scalar::Bool(true));
    for (format, before, after) in [
        (Format::Json, "{\"a\":\"x\"}", "{\"a\":true}"),
        (Format::Toml, "a = 'x'\n", "a = true\n"),
        (Format::Yaml, "a: 'x'\n", "a: true\n"),
        (Format::Xml, "<a>x</a>", "<a>true</a>"),
    ] {
        assert_eq!(
            apply(format, before, &[set("a", flag.clone())]).unwrap(),
            after
        );
    }
}

//! Documents made to exhaust or to lead astray: an error or an answer, at once.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use super::{Format, apply, number, set};

/// Judges hostile documents in a thread with a stack as small as that of any thread of the program.
fn quickly(format: Format, document: String, is_taken: bool) {
    let start = Instant::now();
    let name: String = document.chars().take(40).collect();
    let run = move || apply(format, &document, &[set("zz", number("1"))]);
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let done = thread.spawn(run).unwrap().join().unwrap();
    assert_eq!(done.is_ok(), is_taken, "{name}: {:?}", done.err());
    let time = start.elapsed();
    assert!(time < Duration::from_secs(30), "{name}: {time:?}");
}

#[test]
fn depth_is_bounded_in_every_format() {
    let deep = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    quickly(Format::Json, deep("[", "]"), false);
    quickly(Format::Json, deep("{\"a\":", "}"), false);
    quickly(Format::Yaml, deep("[", "]"), false);
    quickly(Format::Yaml, deep("{a: ", "}"), false);
    quickly(Format::Yaml, "- ".repeat(100_000), false);
    quickly(
        Format::Yaml,
        (0..1_000).fold(String::new(), |all, n| all + &" ".repeat(n) + "a:\n"),
        false,
    );
    quickly(Format::Toml, format!("a = {}", deep("[", "]")), false);
    quickly(Format::Toml, format!("a = {}", deep("{a=", "}")), false);
    quickly(
        Format::Toml,
        format!("a{} = 1", ".a".repeat(100_000)),
        false,
    );
    quickly(Format::Toml, format!("[a{}]", ".a".repeat(100_000)), false);
    quickly(Format::Xml, deep("<a>", "</a>"), false);
}

#[test]
fn bombs_of_aliases_and_entities_stand_for_nothing() {
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let alias = format!("*a{}", n - 1);
        writeln!(yaml, "a{n}: &a{n} [{}]", vec![alias; 10].join(", ")).unwrap();
    }
    quickly(Format::Yaml, yaml, false);
    let mut xml = "<!DOCTYPE b [<!ENTITY a0 \"ha\">".to_owned();
    for n in 1..30 {
        let entity = format!("&a{};", n - 1);
        write!(xml, "<!ENTITY a{n} \"{entity}{entity}\">").unwrap();
    }
    quickly(Format::Xml, xml + "]><b>&a29;</b>", false);
    let outside = "<!DOCTYPE b SYSTEM \"file:///etc/passwd\"><b>&x;</b>";
    quickly(Format::Xml, outside.to_owned(), false);
}

#[test]
fn width_is_bounded_and_costs_no_more_than_it_is_long() {
    let many = |piece: &str, n: usize| piece.repeat(n);
    quickly(
        Format::Json,
        format!("{{\"a\":[{}0]}}", many("0,", 100_000)),
        true,
    );
    quickly(
        Format::Json,
        format!("{{\"a\":[{}0]}}", many("0,", 900_000)),
        false,
    );
    quickly(
        Format::Json,
        format!("{{\"a\": \"{}\"}}", many("x", 2_000_000)),
        true,
    );
    quickly(
        Format::Json,
        format!("{{\"a\": {}}}", many("9", 2_000_000)),
        false,
    );
    quickly(
        Format::Toml,
        format!("a = [{}]\n", many("0,", 100_000)),
        true,
    );
    quickly(Format::Toml, many("[[a]]\n", 100_000), true);
    quickly(Format::Toml, many("[[a]]\n", 340_000), false);
    let keys = (0..100_000).fold(String::new(), |all, n| all + &format!("k{n} = 1\n"));
    quickly(Format::Toml, keys, true);
    quickly(
        Format::Yaml,
        format!("a: [{}0]\n", many("0,", 40_000)),
        true,
    );
    quickly(Format::Yaml, many("- 0\n", 500_000), false);
    let keys = (0..20_000).fold(String::new(), |all, n| all + &format!("k{n}: 1\n"));
    quickly(Format::Yaml, keys, true);
    quickly(Format::Yaml, many("#", 1_000_000) + "\na: 1\n", true);
    // Elements at the top stand in one, which `zz` is not.
    quickly(
        Format::Xml,
        format!("<a>{}</a>", many("<b/>", 400_000)),
        false,
    );
    let attributes = (0..50_000).fold(String::new(), |all, n| all + &format!(" k{n}='1'"));
    quickly(Format::Xml, format!("<a{attributes}/>"), false);
    quickly(
        Format::Xml,
        format!("<zz>{}</zz>", many("&amp;", 400_000)),
        true,
    );
    quickly(
        Format::Xml,
        format!("<zz>{}</zz>", many("x<!---->", 200_000)),
        false,
    );
}

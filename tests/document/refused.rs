//! What cannot be done for certain is refused at its place, and never says what the document holds.

use super::{Format, apply, every, map, number, remove, set, text, way};
use certroll::document::{Act, Edit, Edits, Wanted};

type Case = (Format, &'static str, Edit, &'static str);

/// Asserts that each edit is refused with these words; all that are not are shown at once.
#[track_caller]
fn refused(cases: Vec<Case>) {
    let wrong = cases
        .into_iter()
        .filter_map(|(format, document, edit, said)| {
            let found = match apply(format, document, &[edit]) {
                Ok(done) => format!("becomes {done:?}"),
                Err(fault) => fault.to_string(),
            };
            (found != said).then(|| format!("{document:?}: {found}\nwant {said}"))
        });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[expect(clippy::too_many_lines, reason = "one table of cases")]
#[test]
fn a_document_that_does_not_parse_is_refused_at_its_place_without_what_it_holds() {
    let set = || set("a", number("2"));
    let cases = [
        (Format::Json, "", "1:1: document ends before its value"),
        (Format::Json, "{\"a\": 1", "1:8: want `,` or `}`"),
        (
            Format::Json,
            "{\n  \"a\": 1,\n}",
            "3:1: want a name in quotes",
        ),
        (
            Format::Json,
            "{\n  // c\n  \"a\": 1}",
            "2:3: JSON has no comments",
        ),
        (Format::Json, "{\"a\": 01}", "1:7: number that is none"),
        (
            Format::Json,
            "{\"a\": \"\t\"}",
            "1:8: control character in a text",
        ),
        (
            Format::Json,
            "{\"a\": \"\\ud800\"}",
            "1:7: text with an escape that is none",
        ),
        (Format::Json, "{\"a\": secret}", "1:7: want a value"),
        (
            Format::Json,
            "{\"a\": 1} {}",
            "1:10: more stands behind the document",
        ),
        (
            Format::Json,
            "{\"a\": 1,\n\"\\u0061\": 2}",
            "2:1: duplicate key",
        ),
        (
            Format::Toml,
            "a = 1\na = 2\n",
            "2:1: is not TOML: duplicate key",
        ),
        (
            Format::Toml,
            "[t]\nk = secret\n",
            "2:5: is not TOML: string values must be quoted",
        ),
        (
            Format::Toml,
            "a = \"secret\n",
            "1:12: is not TOML: invalid basic string",
        ),
        (
            Format::Yaml,
            "a: 1\na: 2\n",
            "2:1: is not YAML: duplicate mapping key",
        ),
        (
            Format::Yaml,
            "a: 1\n---\nb: 1\n",
            "3:1: more than one document: want one",
        ),
        (
            Format::Yaml,
            "a: [secret\n",
            "1:4: is not YAML: unclosed bracket",
        ),
        (
            Format::Yaml,
            "d: &d {k: 1}\na:\n  <<: *d\n",
            "3:3: `a` has a merge key: what it holds is elsewhere too",
        ),
        (Format::Xml, "", "1:1: document has no element"),
        (Format::Xml, "<a>\n  <b></a>", "2:6: is not well-formed XML"),
        (Format::Xml, "<a><b>", "1:4: element has no end"),
        (Format::Xml, "<a/><b/>", "1:5: more than one element"),
        (
            Format::Xml,
            "<a/>secret",
            "1:5: text outside of the document's element",
        ),
        (
            Format::Xml,
            "<a b='1' b='2'/>",
            "1:9: attribute twice, or not well-formed",
        ),
        (
            Format::Xml,
            "<a b='<'/>",
            "1:3: attribute that is not well-formed",
        ),
        (
            Format::Xml,
            "<a b=1/>",
            "1:3: attribute twice, or not well-formed",
        ),
        (
            Format::Xml,
            "<a>&secret;</a>",
            "1:4: entity that is none of XML's own",
        ),
        (
            Format::Xml,
            "<!DOCTYPE a [<!ENTITY s 'x'>]><a/>",
            "1:1: has a document type of its own",
        ),
        (
            Format::Xml,
            "<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
            "1:1: declares an encoding that is not UTF-8",
        ),
    ];
    let cases = cases.map(|(format, document, said)| {
        assert!(!said.contains("secret"));
        (format, document, set(), said)
    });
    refused(cases.to_vec());
}

#[expect(clippy::too_many_lines, reason = "one table of cases")]
#[test]
fn an_ambiguous_way_and_one_through_a_value_are_refused() {
    let roles = "{\"roles\": [{\"t\": \"ws\"},\n {\"t\": \"ws\"}]}";
    refused(vec![
        (
            Format::Json,
            roles,
            set("roles[t=ws]/x", number("1")),
            "2:2: `roles[t=ws]` is here 2 times: want one",
        ),
        (
            Format::Json,
            roles,
            set("roles/x", number("1")),
            "1:11: `roles` is a list: want a mapping",
        ),
        (
            Format::Json,
            roles,
            set("roles", number("1")),
            "1:11: `roles` is a list: want a value",
        ),
        (
            Format::Json,
            roles,
            set("roles[t=ws]/t/x", number("1")),
            "2:2: `roles[t=ws]` is here 2 times: want one",
        ),
        (
            Format::Json,
            "{\"a\": 1}",
            set("a/b", number("1")),
            "1:7: `a` is a number: want a mapping",
        ),
        (
            Format::Json,
            "{\"a\": {}}",
            set("a[b=c]/d", number("1")),
            "1:7: `a` is a mapping: want a list",
        ),
        (
            Format::Json,
            "{\"a\": []}",
            set("a[b=c]", number("1")),
            "1:7: `a[b=c]` is not there, and a value alone does not make it",
        ),
        (
            Format::Xml,
            "<p>\n<s>1</s>\n<s>2</s></p>",
            set("p/s", text("3")),
            "3:4: `p.s` is here 2 times: want one",
        ),
        (
            Format::Xml,
            "<p>text</p>",
            set("p/s", text("3")),
            "1:4: `s` cannot be added beside text",
        ),
        (
            Format::Xml,
            "<p><s/></p>",
            set("p", text("3")),
            "1:4: `p` is a mapping: want a value",
        ),
        (
            Format::Xml,
            "<p>a<!-- c -->b</p>",
            set("p", text("3")),
            "1:4: `p` has a comment or an instruction in it",
        ),
        (
            Format::Xml,
            "<p/>",
            set("p", text("\u{1}")),
            "1:3: `p` would hold a character that XML has no way to write",
        ),
        (
            Format::Xml,
            "<p/>",
            set("p/a b", text("x")),
            "1:3: `a b` has a name that XML does not have",
        ),
        (
            Format::Yaml,
            "a: &x 1\nb: *x\n",
            set("a", number("2")),
            "1:7: `a` has an anchor: aliases elsewhere would change with it",
        ),
        (
            Format::Yaml,
            "a: &x 1\nb: *x\n",
            set("b", number("2")),
            "2:4: `b` is an alias: what it stands for is elsewhere",
        ),
        (
            Format::Yaml,
            "a: !!str 1\n",
            set("a", text("2")),
            "1:10: `a` has a tag",
        ),
        (
            Format::Yaml,
            "a: | # c\n  x\n",
            set("a", text("2")),
            "1:4: `a` is a block of text with more in its first line",
        ),
        (
            Format::Toml,
            "[[a]]\nn = 1\n[[a.b]]\n",
            set("a[n=1]/b[x=y]/z", number("1")),
            "3:1: `b[x=y].z` cannot be added where it belongs",
        ),
    ]);
}

#[test]
fn what_shares_its_bytes_with_something_else_is_not_taken_out() {
    refused(vec![
        (
            Format::Yaml,
            "l:\n- a: 1\n  b: 2\n",
            remove("l[b=2]/a"),
            "2:6: `l[b=2].a` shares a line with something else",
        ),
        (
            Format::Yaml,
            "a:\n  b: 1\n",
            remove("a/b"),
            "2:1: `a.b` cannot be changed for certain as this is written: change it by hand",
        ),
        (
            Format::Toml,
            "[a]\nb = 1\n",
            remove("a"),
            "1:1: `a` has no lines of its own",
        ),
        (
            Format::Toml,
            "a = [\n  { k = 1 }, # one\n  { k = 2 },\n]\n",
            remove("a[k=2]"),
            "3:3: `a[k=2]` has a comment beside it",
        ),
        (
            Format::Xml,
            "<a/>",
            remove("a"),
            "1:3: `a` cannot be taken out as it is written",
        ),
    ]);
}

#[test]
fn size_and_encoding_are_refused_by_name() {
    let edits = |format| Edits {
        format,
        create: None,
        edits: vec![set("a", number("1"))],
    };
    let latin = edits(Format::Json)
        .apply(b"{\n\"a\": \"caf\xe9\"}")
        .unwrap_err();
    assert_eq!(latin.to_string(), "2:10: document is not UTF-8");
    let large = vec![b' '; 100 << 20];
    for (_, format) in Format::NAMES {
        let fault = edits(format).apply(&large).unwrap_err();
        let said = "1:1: document has 104857600 bytes: want 2 MiB at most";
        assert_eq!(fault.to_string(), said);
    }
    let twice = [set("a", number("1")), set("a", number("2"))];
    let fault = apply(Format::Json, "{}", &twice).unwrap_err();
    assert_eq!(fault.to_string(), "1:1: `a` is edited twice, differently");
    // A mapping without members asks for nothing, and every member of a list that has none is none.
    let nothing = Edit {
        at: way("a"),
        act: Act::Set(Wanted::Map(Vec::new())),
        every: false,
    };
    assert_eq!(apply(Format::Json, "{}", &[nothing]).unwrap(), "{}");
    let all = every(set("a[b=c]", map(&[("d", number("1"))])));
    assert_eq!(
        apply(Format::Json, "{\"a\": []}", &[all]).unwrap(),
        "{\"a\": []}"
    );
}

use super::*;

#[test]
fn every_value_carries_its_position() {
    let doc = parse("f", "a: 1\nb:\n  c: [x, 'y']\n  d: True\n", Dialect::PyYaml).unwrap();
    let c = doc.at("b.c").unwrap();
    assert_eq!((c.line, c.column), (3, 6));
    assert_eq!(c.items()[1].value, Value::Text("y".to_owned()));
    assert_eq!((c.items()[1].line, c.items()[1].column), (3, 10));
    assert_eq!(doc.at("b.d").unwrap().value, Value::Bool(true));
    assert_eq!(doc.entries()[1].0.line, 2);
}

#[test]
fn values_are_those_that_the_daemons_reader_sees() {
    for (text, want) in [
        ("on", Value::Bool(true)),
        ("no", Value::Bool(false)),
        ("True", Value::Bool(true)),
        ("'True'", Value::Text("True".to_owned())),
        ("1.5", Value::Float(1.5)),
        ("9497", Value::Int(9497)),
        ("~", Value::Null),
        ("", Value::Null),
        ("10.0.0.1", Value::Text("10.0.0.1".to_owned())),
    ] {
        let doc = parse("f", &format!("k: {text}\n"), Dialect::PyYaml).unwrap();
        assert_eq!(doc.get("k").unwrap().value, want, "{text}");
    }
    let twice = parse("f", "k: 1\nk: 2\n", Dialect::PyYaml).unwrap();
    assert_eq!(twice.get("k").unwrap().value, Value::Int(2));
    let exec = parse("f", "!exec\ncommand: x\n", Dialect::PyYaml).unwrap();
    assert_eq!(exec.get("command").unwrap().scalar().unwrap(), "x");
}

#[test]
fn what_neither_reader_takes_is_an_error_with_its_position() {
    for text in [
        "a: b: c\n",
        "a:\n\t- b\n",
        "k: !unknown x\n",
        "a: 1\n---\nb: 2\n",
        "host: *.example.com\n",
    ] {
        assert!(
            matches!(parse("f", text, Dialect::PyYaml), Err(Error::Parse { .. })),
            "{text}"
        );
    }
    let twice = parse("f", "k: 1\nk: 2\n", Dialect::Strict).unwrap_err();
    assert!(twice.to_string().starts_with("f:2:1: "), "{twice}");
}

#[test]
fn a_bomb_is_refused_at_once() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..10 {
        let refs = vec![format!("*a{}", n - 1); 9].join(",");
        bomb = format!("{bomb}a{n}: &a{n} [{refs}]\n");
    }
    assert!(parse("bomb", &bomb, Dialect::Strict).is_err());
    assert!(parse("deep", &"[".repeat(100_000), Dialect::Strict).is_err());
}

#[test]
fn what_is_said_of_a_daemons_configuration_holds_nothing_of_it() {
    for value in [
        "!hunter2 x",
        "*hunter2",
        "!!int hunter2",
        "\"hunter2\\q\"",
        "@hunter2",
        "{hunter2",
        "!<hunter2 x",
    ] {
        let text = format!("user: x\npassword: {value}\n");
        if let Err(error) = parse("x.yml", &text, Dialect::PyYaml) {
            let said = error.to_string();
            assert!(!said.contains("hunter2"), "{said}");
            assert!(said.len() > "x.yml:1:1: ".len(), "{said}");
        }
    }
}

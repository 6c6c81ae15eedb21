use super::*;

fn expr(text: &str) -> Expr {
    Expr {
        path: "p/profile.yaml".to_owned(),
        line: 7,
        column: 11,
        text: text.to_owned(),
        condition: false,
    }
}

fn names() -> Names {
    Names {
        settings: vec!["host".to_owned()],
        facts: vec!["pair".to_owned()],
    }
}

fn compile(exprs: &[Expr]) -> Result<Renderer> {
    Renderer::new("p", &BTreeMap::new(), exprs, &names())
}

#[test]
fn undefined_names_are_found_before_anything_is_rendered_with_their_place() {
    for (text, want) in [
        (
            "{{ set.hots }}",
            "p/profile.yaml:7:14: undefined setting `set.hots`",
        ),
        (
            "{{ facts.x | trim }}",
            "p/profile.yaml:7:14: undefined fact `facts.x`",
        ),
        (
            "a{% if identity.nam %}b{% endif %}",
            "p/profile.yaml:7:18: undefined value of the identity `identity.nam`",
        ),
        ("{{ hots }}", "p/profile.yaml:7:14: undefined name `hots`"),
        ("{{ set.host | nofilter }}", "p/profile.yaml:7:2"),
        ("{{ set.host ", "p/profile.yaml:7:"),
    ] {
        let error = compile(&[expr(text)]).unwrap_err().to_string();
        assert!(error.starts_with(want), "{text}: {error}");
    }
    assert!(compile(&[expr("{{ 'set.hots' }} {# set.x #} set.y")]).is_ok());
    let mut condition = expr("set.hots == 'x'");
    condition.condition = true;
    let error = compile(&[condition]).unwrap_err().to_string();
    assert!(error.starts_with("p/profile.yaml:7:11: "), "{error}");
}

#[test]
fn expressions_and_conditions_see_their_scope() {
    let text = expr("{{ set.host | yaml }}");
    let mut condition = expr("set.host == 'a\"b'");
    condition.condition = true;
    let renderer = compile(&[text.clone(), condition.clone()]).unwrap();
    let mut scope = Scope::default();
    scope.set("set", &serde_json::json!({"host": "a\"b"}));
    assert_eq!(renderer.text(&text, &scope).unwrap(), r#""a\"b""#);
    assert!(renderer.holds(Some(&condition), &scope).unwrap());
    assert!(renderer.holds(None, &scope).unwrap());
}

#[test]
fn quoting_leaves_nothing_to_interpret() {
    assert_eq!(quoted("yes"), "\"yes\"");
    assert_eq!(quoted("*.x: {\n"), "\"*.x: {\\n\"");
    assert_eq!(shell_word("a b'c"), r"'a b'\''c'");
    assert_eq!(shell_word("wazo.example.com"), "wazo.example.com");
}

#[test]
fn a_hosts_line_is_added_once() {
    let stock = "127.0.0.1\tlocalhost\n127.0.0.1\t#H#.#D#\n\n::1 ip6\n";
    let once = with_hosts_line(stock, "127.0.0.1", "wazo.example.com");
    assert_eq!(
        once,
        "127.0.0.1\tlocalhost\n127.0.0.1\t#H#.#D#\n127.0.0.1\twazo.example.com\n\n::1 ip6\n"
    );
    assert_eq!(
        with_hosts_line(&once, "127.0.0.1", "wazo.example.com"),
        once
    );
}

#[test]
fn text_without_end_is_refused_before_memory_is() {
    let endless = expr(
        "{% for i in range(end=30000) %}{% for j in range(end=30000) %}{{ i }}{% endfor %}{% endfor %}",
    );
    let renderer = compile(std::slice::from_ref(&endless)).unwrap();
    let error = renderer.text(&endless, &Scope::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("7:11: gives more than 16 MiB of text"),
        "{error}"
    );
}

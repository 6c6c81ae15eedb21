use super::*;

fn leaf(byte: u8) -> Leaf {
    Leaf::of(&[byte; 8])
}

fn pins() -> Pins {
    let mut pins = Pins::default();
    for name in ["192.0.2.10:443", "[2001:db8::1]:4434"] {
        let pin = Pin {
            leaf: leaf(1),
            first_seen: 5,
            source: Source::Manual,
            next: None,
        };
        pins.hosts.insert(name.to_owned(), pin);
    }
    pins
}

fn moved(before: u8, after: u8) -> Move {
    Move {
        peer: "192.0.2.10:443".to_owned(),
        before: leaf(before),
        after: leaf(after),
    }
}

#[test]
fn a_next_leaf_is_accepted_until_it_is_promoted_or_dropped() {
    let name = "192.0.2.10:443";
    let (old, new) = (leaf(1).sha256, leaf(2).sha256);
    let mut pins = pins();
    pins.expect(&moved(1, 2));
    assert_eq!(pins.get(name).unwrap().accepted(), [old, new]);
    let mut back = pins.clone();
    back.drop_next(&moved(1, 2));
    assert_eq!(back.get(name).unwrap().accepted(), [old]);
    pins.promote(&moved(1, 2), 9);
    let pin = pins.get(name).unwrap();
    assert_eq!(
        (pin.accepted(), pin.source, pin.first_seen),
        (vec![new], Source::Rollout, 9)
    );
    // A second time, and for a leaf that is not expected, there is nothing to promote or drop.
    let settled = pins.clone();
    pins.promote(&moved(1, 2), 10);
    pins.promote(&moved(2, 3), 10);
    pins.drop_next(&moved(1, 2));
    assert_eq!(pins, settled);
    // Of a pin that is gone there is nothing to move.
    pins.hosts.clear();
    pins.expect(&moved(1, 2));
    assert_eq!(pins, Pins::default());
}

#[test]
fn a_peer_has_one_name_however_it_is_typed() {
    for (target, want) in [
        ("MGMT1", "mgmt1:443"),
        ("mgmt1.example.com.:4434", "mgmt1.example.com:4434"),
        ("https://192.0.2.10/web_api/", "192.0.2.10:443"),
        ("[2001:DB8:0:0::1]:443", "[2001:db8::1]:443"),
        ("smtp://MX.example.com", "smtp://mx.example.com:25"),
    ] {
        assert_eq!(key(target).unwrap().0, want);
        assert_eq!(key(want).unwrap().0, want);
    }
    for target in ["a\"b:443", "a$(id):443", "-o:443", "a;b", "a'b", ".", "a`b"] {
        assert!(key(target).is_err(), "{target}");
    }
}

#[test]
fn the_store_reads_what_it_writes_and_refuses_what_it_did_not() {
    let mut all = pins();
    all.expect(&moved(1, 2));
    let text = serde_json::to_string(&all).unwrap();
    assert_eq!(Pins::parse(text.as_bytes()).unwrap(), all);
    let strong = leaf(1).sha256.to_string();
    for (from, to, want) in [
        ("certroll/pins/1", "certroll/pins/9", "certroll/pins/9"),
        ("192.0.2.10:443", "192.0.2.10", "which is no peer"),
        (strong.as_str(), "abcd", "is malformed"),
        (strong.as_str(), &strong.to_uppercase(), "is malformed"),
        (
            strong.as_str(),
            &leaf(1).sha1.to_string(),
            "of another kind",
        ),
        ("\"next\":", "\"next\"", "is malformed"),
    ] {
        let error = Pins::parse(text.replace(from, to).as_bytes()).unwrap_err();
        assert!(error.contains(want), "{to}: {error}");
    }
}

#[test]
fn the_file_of_the_sdk_is_read_in_any_form_and_written_in_its_own() {
    let sha1 = leaf(1).sha1;
    let theirs = format!(
        "{{\n    \"192.0.2.9\": \"{}\",\n    \"MGMT1\": \"AB\"\n}}",
        sha1.colons()
    );
    let merged = merge("f", theirs.as_bytes(), &[("mgmt1".to_owned(), sha1)]).unwrap();
    let upper = sha1.to_string().to_uppercase();
    let want = format!(
        "{{\n    \"192.0.2.9\": \"{}\",\n    \"mgmt1\": \"{upper}\"\n}}",
        sha1.colons()
    );
    assert_eq!(String::from_utf8(merged.clone()).unwrap(), want);
    let read = parse_cpapi("f", &merged).unwrap();
    assert_eq!(
        read,
        [("192.0.2.9".to_owned(), sha1), ("mgmt1".to_owned(), sha1)]
    );
    for text in ["[]", "{", "{\"a\": 1}", "{\"a\": \"zz\"}"] {
        assert!(parse_cpapi("f", text.as_bytes()).is_err(), "{text}");
    }
    assert!(merge("f", b"{", &[]).is_err());
}

#[test]
fn programs_have_both_pins_while_a_next_leaf_is_set_and_nothing_left_to_fill_in() {
    let mut all = pins();
    for (language, _) in LANGUAGES {
        let name = "192.0.2.10:443";
        let pin = all.hosts.get_mut(name).unwrap();
        pin.leaf.public_key = Some("QUJD".to_owned());
        pin.next = None;
        let next = Leaf {
            public_key: Some("REVG".to_owned()),
            ..leaf(2)
        };
        let one = snippet(language, name, pin).unwrap();
        pin.next = Some(next.clone());
        let two = snippet(language, name, pin).unwrap();
        let marks = if *language == "curl" {
            ["sha256//QUJD".to_owned(), "sha256//REVG".to_owned()]
        } else {
            [leaf(1).sha256.to_string(), next.sha256.to_string()]
        };
        assert!(one.contains(&marks[0]) && !one.contains(&marks[1]), "{one}");
        assert!(two.contains(&marks[0]) && two.contains(&marks[1]), "{two}");
        assert!(two.contains("192.0.2.10"), "{two}");
        let unfilled = |line: &&str| {
            line.split('@')
                .any(|w| w.len() > 2 && w.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        };
        assert_eq!(two.lines().find(unfilled), None);
    }
    assert!(
        snippet(
            "cobol",
            "192.0.2.10:443",
            all.get("192.0.2.10:443").unwrap()
        )
        .is_err()
    );
    assert!(snippet("go", "smtp://mx:25", all.get("192.0.2.10:443").unwrap()).is_err());
}

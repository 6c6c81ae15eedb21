//! Names that are covered, and the names that findings and forms go by.

use super::*;

#[test]
fn names_are_covered_as_rfc_9525_has_it() {
    let root = ca("Root", None, |_| {});
    let (_, pem) = leaf(&root, |p| {
        p.distinguished_name
            .push(DnType::CommonName, "cn.example.org");
    });
    let (identity, _) = assembled(&[&pem]);
    for (name, want) in [
        ("www.example.org", true),
        ("WWW.Example.ORG.", true),
        ("a.example.net", true),
        ("a.b.example.net", false),
        ("example.net", false),
        ("*.example.net", false),
        ("cn.example.org", false),
        ("192.0.2.7", true),
        ("192.0.2.8", false),
        ("", false),
        ("www.example.org\n", false),
    ] {
        assert_eq!(identity.leaf.covers(name), want, "{name}");
    }
}

#[test]
fn needed_names_that_are_not_covered_are_all_reported() {
    let root = ca("Root", None, |_| {});
    let (key, leaf) = leaf(&root, |_| {});
    let (identity, _) = assembled(&[&key, &leaf]);
    let needed = ["www.example.org", "a.example.com", "10.0.0.1"].map(str::to_owned);
    let checks = Checks {
        now: NOW,
        warn_days: 14,
        anchors: &[root.der],
        names: &needed,
    };
    let found = identity.findings(&checks);
    assert_eq!(names(&found), ["name-uncovered", "name-uncovered"]);
    assert!(
        found[0].message.contains("`a.example.com`"),
        "{}",
        found[0].message
    );
}

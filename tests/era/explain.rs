//! `sni explain`: the walk, what wins over what was rolled out, and what is wrong with it.

use serde_json::Value;

use crate::common::Scratch;
use crate::{DOMAINS, EXPORTED, minted, tree};

/// What answers for a name: `domain D`, `directory`, `builtin` or `role`, and the leaf's subject.
fn answers(scratch: &Scratch, name: &str, more: &str) -> Vec<(String, String)> {
    let line = format!("sni explain {name} --tree tree.json {more} --json");
    let run = scratch.certroll(&line);
    assert!([0, 5].contains(&run.code), "{run:#?}");
    let names = run.json();
    let answers = names["names"][0]["answers"].as_array().unwrap();
    let from = |answer: &Value| {
        let origin = &answer["from"];
        let from = match origin.as_object() {
            Some(map) if map.contains_key("domain") => {
                format!("domain {}", origin["domain"].as_str().unwrap())
            }
            Some(map) => map.keys().next().unwrap().clone(),
            None => origin.as_str().unwrap().to_owned(),
        };
        let subject = answer["subject"].as_str().unwrap_or("-").to_owned();
        (from, subject)
    };
    answers.iter().map(from).collect()
}

#[test]
fn the_truth_table_of_the_worked_example_holds() {
    let scratch = minted();
    scratch.file(
        "exported.json",
        EXPORTED.replace(
            "\"aliases\": { }",
            "\"aliases\": {\"paths\": [{\"alias\": \"default_certdir\", \"value\": \"/in/cert\"}]}",
        ),
    );
    let unset = |name: &str| -> Vec<(&str, &str)> {
        let keep = |(d, p): (&'static str, &'static str)| (d, if d == name { "" } else { p });
        DOMAINS.into_iter().map(keep).collect()
    };
    for (name, master, want) in [
        ("b.corp.example.com", true, "domain b.corp.example.com"),
        ("a.corp.example.com", true, "domain corp.example.com"),
        ("x.b.corp.example.com", true, "domain b.corp.example.com"),
        ("x.a.corp.example.com", true, "domain corp.example.com"),
        ("y.corp.example.com", true, "domain corp.example.com"),
        ("corp.example.com.", true, "domain corp.example.com"),
        ("notcorp.example.com", true, "domain era.local"),
        ("other.org", true, "domain era.local"),
        ("sub.other.org", true, "domain era.local"),
        ("nowhere.net", true, "domain era.local"),
        ("era.local", true, "domain era.local"),
        ("x.era.local", true, "domain era.local"),
        ("B.CORP.EXAMPLE.COM", true, "domain b.corp.example.com"),
        ("192.0.2.7", true, "role"),
        ("2001:db8::7", true, "role"),
        ("other.org", false, "role"),
        ("nowhere.net", false, "role"),
        ("era.local", false, "role"),
        ("y.corp.example.com", false, "domain corp.example.com"),
    ] {
        let domains = if master {
            DOMAINS.to_vec()
        } else {
            unset("era.local")
        };
        tree(&scratch, &domains);
        let found = answers(&scratch, name, "");
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0].0, want, "{name}, master {master}");
        // With a configuration, what the role decides is said for each role that is on and serves TLS.
        if want == "role" {
            let found = answers(&scratch, name, "--config exported.json");
            let from: Vec<&str> = found.iter().map(|(from, _)| from.as_str()).collect();
            assert_eq!(from, ["builtin", "directory", "builtin"], "{name}");
        }
    }
}

#[test]
fn a_directory_answers_only_where_its_pair_is_whole_and_a_domain_even_where_it_is_broken() {
    let scratch = minted();
    tree(&scratch, &[("era.local", "blank")]);
    scratch.file(
        "exported.json",
        EXPORTED.replace(
            "\"aliases\": { }",
            "\"aliases\": [{\"alias\": \"default_certdir\", \"value\": \"/in/cert\"}]",
        ),
    );
    scratch.dir("cert");
    let looked = "--config exported.json --dir /in/cert=cert";
    let of_sg1 = |want: &str| {
        let found = answers(&scratch, "era.local", looked);
        assert_eq!(found[1].0, want, "{found:?}");
        found[1].1.clone()
    };
    of_sg1("builtin");
    scratch.file("cert/server.crt", scratch.read("m.pem"));
    of_sg1("builtin");
    scratch.file("cert/server.key", scratch.read("c.key"));
    of_sg1("builtin");
    scratch.file("cert/server.key", scratch.read("m.key"));
    assert!(of_sg1("directory").contains("era.local"));
    // An expired one is whole.
    scratch.file("cert/server.crt", scratch.read("b.pem"));
    scratch.file("cert/server.key", scratch.read("b.key"));
    of_sg1("directory");
    tree(&scratch, &[("era.local", "broken")]);
    assert_eq!(
        answers(&scratch, "era.local", looked),
        [("domain era.local".to_owned(), "-".to_owned())]
    );
    let run = scratch
        .certroll("sni explain era.local --tree tree.json")
        .exits(5);
    assert!(run.out.contains("[value-unfit]"), "{run:#?}");
}

#[test]
fn what_wins_over_the_certificate_that_was_rolled_out_is_said_step_by_step() {
    let scratch = minted();
    scratch.mint("new", "a.corp.example.com");
    tree(&scratch, &DOMAINS);
    scratch.file(
        "exported.json",
        EXPORTED.replace(
            "\"aliases\": { }",
            "\"aliases\": {\"paths\": [{\"alias\": \"default_certdir\", \"value\": \"/in/cert\"}]}",
        ),
    );
    scratch.file("cert/server.crt", scratch.read("new.pem"));
    scratch.file("cert/server.key", scratch.read("new.key"));
    let line = "sni explain a.corp.example.com --tree tree.json --config exported.json --dir /in/cert=cert --cert new.pem";
    let run = scratch.certroll(line).exits(5);
    for text in [
        "  1. domain a.corp.example.com: not set\n  2. domain corp.example.com: ",
        "answers: the certificate of domain `corp.example.com`: ",
        "that of `new.pem` lies in /in/cert [shadowed]",
        "does not name `a.corp.example.com` (it names corp.example.com)",
    ] {
        assert!(run.out.contains(text), "{text}: {run:#?}");
    }
    let run = scratch
        .certroll("sni explain b.corp.example.com --tree tree.json")
        .exits(5);
    assert!(
        run.out.contains("although it ended") && run.out.contains("[expired]"),
        "{run:#?}"
    );
    scratch
        .certroll("sni explain corp.example.com --tree tree.json --cert c.pem")
        .exits(0);
    scratch
        .certroll("sni explain corp.example.com --tree tree.json --cert m.pem")
        .exits(5);
}

#[test]
fn all_names_at_once_are_a_table_that_holds_no_byte_of_a_key() {
    let scratch = minted();
    tree(&scratch, &DOMAINS);
    let run = scratch.certroll("sni explain --tree tree.json").exits(5);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 7, "{run:#?}");
    assert!(lines[0].starts_with("name ") && lines[0].contains("findings"));
    let of = |name: &str| lines.iter().find(|l| l.starts_with(name)).unwrap();
    assert!(of("a.corp.example.com").contains("domain corp.example.com"));
    assert!(of("b.corp.example.com").ends_with("expired"));
    assert!(of("(no name)").contains("role"));
    let json = scratch
        .certroll("sni explain --tree tree.json --json")
        .exits(5);
    assert_eq!(json.json()["format"], "certroll/sni/1");
    for name in ["m", "c", "b"] {
        let key = scratch.read(&format!("{name}.key"));
        for line in key.lines().filter(|l| !l.starts_with('-')) {
            assert!(!run.out.contains(line) && !json.out.contains(line));
        }
    }
}

#[test]
fn a_tree_that_cannot_be_is_refused_without_a_word_of_its_content() {
    let scratch = minted();
    for (document, want) in [
        (
            "{\"master\": \"a\", \"domains\": [{\"name\": \"b\"}]}",
            "its master domain `a` is not among its domains",
        ),
        (
            "{\"master\": \"a\", \"domains\": [{\"name\": \"a\"}, {\"name\": \"A.\"}]}",
            "it has the domain `a` twice",
        ),
        (
            "{\"master\": \"a\", \"domains\": \"-----BEGIN SECRET\"}",
            "is not the document that it should be: line 1",
        ),
        ("[", "is not the document that it should be: line 1"),
    ] {
        scratch.file("tree.json", document);
        let run = scratch.certroll("sni explain a --tree tree.json").exits(2);
        assert!(run.err.contains(want), "{run:#?}");
        assert!(!run.err.contains("SECRET"), "{run:#?}");
    }
    tree(&scratch, &DOMAINS);
    scratch.file("exported.json", "{\"content\": {}}");
    scratch
        .certroll("sni explain a --tree tree.json --config exported.json")
        .exits(2)
        .complains("error: `exported.json`: it has no list `content.roles`\nhost: unchanged\n");
    scratch
        .certroll("sni explain a --tree tree.json --profile nginx")
        .exits(2)
        .complains("error: profile `nginx` has no section `sni`\nhint: certroll sni explain --profile era\nhost: unchanged\n");
}

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::*;
use crate::preflight::Severity;

mod covered;
mod junk;

/// 2026-11-21 00:00 UTC.
const NOW: i64 = 1_795_219_200;

struct Ca {
    pem: String,
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str, sans: &[&str]) -> CertificateParams {
    let sans: Vec<String> = sans.iter().map(|s| (*s).to_owned()).collect();
    let mut params = CertificateParams::new(sans).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 12, 31);
    params
}

fn ca(name: &str, by: Option<&Ca>, change: impl Fn(&mut CertificateParams)) -> Ca {
    let mut params = params(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = match by {
        Some(by) => params.signed_by(&key, &by.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    Ca {
        pem: certificate.pem(),
        der: certificate.der().to_vec(),
        issuer: Issuer::new(params, key),
    }
}

/// Returns key and leaf as PEM.
fn leaf(by: &Ca, change: impl Fn(&mut CertificateParams)) -> (String, String) {
    let mut params = params(
        "www.example.org",
        &["www.example.org", "*.example.net", "192.0.2.7"],
    );
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &by.issuer).unwrap();
    (key.serialize_pem(), certificate.pem())
}

fn input(name: &str, text: impl Into<Vec<u8>>) -> Input {
    Input {
        name: name.to_owned(),
        bytes: Bytes::from(text.into()),
    }
}

fn assembled(parts: &[&str]) -> (Identity, Vec<Finding>) {
    Identity::assemble(&[input("site.pem", parts.concat())], None).unwrap()
}

fn names(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|f| f.name).collect()
}

fn judged(identity: &Identity, anchors: &[Vec<u8>], now: i64) -> Vec<(&'static str, Severity)> {
    let checks = Checks {
        now,
        warn_days: 14,
        anchors,
        names: &[],
    };
    identity
        .findings(&checks)
        .into_iter()
        .map(|f| (f.name, f.severity))
        .collect()
}

#[test]
fn a_good_identity_under_a_known_root_has_no_findings() {
    let root = ca("Root", None, |_| {});
    let link = ca("Link", Some(&root), |_| {});
    let (key, leaf) = leaf(&link, |_| {});
    let (identity, findings) = assembled(&[&key, &leaf, &link.pem]);
    assert_eq!(names(&findings), [""; 0]);
    assert_eq!(judged(&identity, std::slice::from_ref(&root.der), NOW), []);
    assert_eq!(identity.trust(&[root.der], NOW), Trust::Trusted);
    assert_eq!(identity.name(), "www.example.org");
    assert_eq!(identity.chain[0].cn.as_deref(), Some("Link"));
}

#[test]
fn any_order_gives_the_same_identity_and_says_what_was_repaired() {
    let root = ca("Root", None, |_| {});
    let upper = ca("Upper", Some(&root), |_| {});
    let lower = ca("Lower", Some(&upper), |_| {});
    let (key, leaf) = leaf(&lower, |_| {});
    let (want, _) = assembled(&[&key, &leaf, &lower.pem, &upper.pem, &root.pem]);
    let parts = [&key, &leaf, &lower.pem, &upper.pem, &root.pem];
    // Every rotation, and its reverse: leaf and links in each place.
    for turn in 0..5 {
        let mut order: Vec<&str> = (0..5).map(|at| parts[(at + turn) % 5].as_str()).collect();
        for _ in 0..2 {
            let (identity, findings) = assembled(&order);
            assert_eq!(
                identity.form(Form::Bundle),
                want.form(Form::Bundle),
                "{turn}"
            );
            assert_eq!(
                identity.form(Form::Anchor),
                want.form(Form::Anchor),
                "{turn}"
            );
            assert!(names(&findings).contains(&"root-dropped"));
            let at = |pem: &str| order.iter().position(|p| *p == pem).unwrap();
            let in_order = at(&leaf) < at(&lower.pem) && at(&lower.pem) < at(&upper.pem);
            assert_eq!(
                names(&findings).contains(&"order-repaired"),
                !in_order,
                "{turn}"
            );
            order.reverse();
        }
    }
    let apart: Vec<Input> = parts
        .iter()
        .rev()
        .map(|p| input("part", p.as_bytes()))
        .collect();
    let (identity, findings) = Identity::assemble(&apart, None).unwrap();
    assert_eq!(identity.form(Form::Bundle), want.form(Form::Bundle));
    assert_eq!(
        names(&findings),
        ["root-dropped"],
        "the order of files means nothing"
    );
}

#[test]
fn each_fault_has_its_finding_and_severity() {
    use Severity::{Fatal, Note, Warning};
    type Change = fn(&mut CertificateParams);
    let root = ca("Root", None, |_| {});
    let cases: [(&str, Severity, Change); 9] = [
        ("expired", Fatal, |p| {
            p.not_after = date_time_ymd(2026, 11, 20);
        }),
        ("not-yet-valid", Fatal, |p| {
            p.not_before = date_time_ymd(2026, 11, 22);
        }),
        ("expires-soon", Warning, |p| {
            p.not_after = date_time_ymd(2026, 12, 1);
        }),
        ("no-san", Fatal, |p| p.subject_alt_names.clear()),
        ("wrong-usage", Fatal, |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }),
        ("wrong-usage", Fatal, |p| {
            p.key_usages = vec![KeyUsagePurpose::CrlSign];
        }),
        ("ca-leaf", Warning, |p| {
            p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }),
        ("cn-not-san", Note, |p| {
            p.distinguished_name
                .push(DnType::CommonName, "other.example.org");
        }),
        ("no-trust-path", Warning, |p| {
            p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }),
    ];
    for (name, severity, change) in cases {
        let (key, leaf) = leaf(&root, change);
        let (identity, _) = assembled(&[&key, &leaf]);
        let found = judged(&identity, std::slice::from_ref(&root.der), NOW);
        assert!(found.contains(&(name, severity)), "{name}: {found:?}");
    }
}

#[test]
fn the_limits_of_the_validity_are_the_seconds_themselves() {
    let root = ca("Root", None, |_| {});
    let (key, leaf) = leaf(&root, |_| {});
    let (identity, _) = assembled(&[&key, &leaf]);
    let (from, to) = (identity.leaf.not_before, identity.leaf.not_after);
    for (now, want) in [
        (from - 1, Some("not-yet-valid")),
        (from, None),
        (to - 14 * 86_400, None),
        (to, Some("expires-soon")),
        (to + 1, Some("expired")),
    ] {
        let found = judged(&identity, &[], now);
        let validity = found
            .iter()
            .map(|f| f.0)
            .find(|n| ["expired", "not-yet-valid", "expires-soon"].contains(n));
        assert_eq!(validity, want, "{now}");
    }
}

#[test]
fn what_is_missing_on_the_way_up_is_named() {
    let root = ca("Root", None, |_| {});
    let link = ca("Link", Some(&root), |_| {});
    let other = ca("Other", None, |_| {});
    let (key, leaf) = leaf(&link, |_| {});

    let (alone, _) = assembled(&[&key, &leaf]);
    let checks = Checks {
        now: NOW,
        warn_days: 14,
        anchors: std::slice::from_ref(&root.der),
        names: &[],
    };
    let found = alone.findings(&checks);
    assert_eq!(names(&found), ["chain-incomplete", "no-trust-path"]);
    assert!(
        found[0].message.contains("`CN=Link`"),
        "{}",
        found[0].message
    );

    let (private, _) = assembled(&[&key, &leaf, &link.pem, &root.pem]);
    assert_eq!(private.trust(&[other.der], NOW), Trust::PrivateCa);
    assert_eq!(
        judged(&private, &[], NOW),
        [("no-trust-path", Severity::Warning)]
    );

    let (mixed, findings) = assembled(&[&key, &leaf, &link.pem, &other.pem]);
    assert_eq!(names(&findings), ["chain-foreign"]);
    assert!(findings[0].message.contains("`CN=Other`"));
    assert_eq!(mixed.chain.len(), 1);
}

#[test]
fn a_key_of_another_leaf_is_fatal_and_both_are_named() {
    let root = ca("Root", None, |_| {});
    let (_, first) = leaf(&root, |_| {});
    let (other, _) = leaf(&root, |_| {});
    let inputs = [input("site.pem", first), input("site.key", other)];
    let (identity, findings) = Identity::assemble(&inputs, None).unwrap();
    assert_eq!(
        (findings[0].name, findings[0].severity),
        ("key-mismatch", Severity::Fatal)
    );
    let message = &findings[0].message;
    assert!(
        message.contains("`site.key`") && message.contains("`site.pem`"),
        "{message}"
    );
    assert!(message.contains(&identity.leaf.pin()[..12]), "{message}");
}

#[test]
fn the_key_of_a_ca_is_not_taken_for_the_leafs_and_a_spare_key_is_left_out() {
    let root = ca("Root", None, |_| {});
    let (key, leaf) = leaf(&root, |_| {});
    let (spare, _) = self::leaf(&root, |_| {});
    let (identity, findings) = assembled(&[&root.issuer.key().serialize_pem(), &leaf, &root.pem]);
    assert_eq!(identity.name(), "www.example.org");
    assert_eq!(names(&findings), ["key-mismatch", "root-dropped"]);
    assert!(
        findings[0].message.contains("it belongs to `CN=Root`"),
        "{}",
        findings[0].message
    );

    let (identity, findings) = assembled(&[&spare, &key, &leaf]);
    assert_eq!(
        (findings[0].name, findings[0].severity),
        ("key-foreign", Severity::Warning)
    );
    assert_eq!(identity.key.unwrap().pin(), identity.leaf.pin());
}

#[test]
fn the_key_decides_among_leaves_and_without_one_two_are_too_many() {
    let root = ca("Root", None, |_| {});
    let (key, first) = leaf(&root, |_| {});
    let (_, second) = leaf(&root, |_| {});
    let (identity, findings) = assembled(&[&second, &first, &key]);
    assert_eq!(names(&findings), ["chain-foreign"]);
    assert_eq!(identity.leaf.der, assembled(&[&first]).0.leaf.der);

    let (_, findings) = assembled(&[&first, &second]);
    assert_eq!(
        (findings[0].name, findings[0].severity),
        ("two-leaves", Severity::Fatal)
    );
}

#[test]
fn a_self_signed_ca_leaf_is_normal_and_vouches_only_for_itself() {
    let own = ca("box.example.org", None, |p| {
        p.subject_alt_names.push(rcgen::SanType::DnsName(
            "box.example.org".try_into().unwrap(),
        ));
    });
    let (identity, findings) = assembled(&[&own.pem]);
    assert_eq!(names(&findings), [""; 0]);
    assert_eq!(
        judged(&identity, &[], NOW),
        [("self-signed", Severity::Note)]
    );
    assert_eq!(identity.trust(&[], NOW), Trust::SelfSigned);
    assert!(identity.verifies_with(own.pem.as_bytes(), NOW));
    assert!(!identity.verifies_with(own.pem.as_bytes(), identity.leaf.not_after + 1));
    assert!(!identity.verifies_with(ca("box.example.org", None, |_| {}).pem.as_bytes(), NOW));
}

#[test]
fn a_client_with_given_anchors_accepts_what_leads_to_a_root_among_them() {
    let root = ca("Root", None, |_| {});
    let link = ca("Link", Some(&root), |_| {});
    let (key, leaf) = leaf(&link, |_| {});
    let (whole, _) = assembled(&[&key, &leaf, &link.pem]);
    let (alone, _) = assembled(&[&key, &leaf]);
    assert!(whole.verifies_with(root.pem.as_bytes(), NOW));
    assert!(!alone.verifies_with(root.pem.as_bytes(), NOW));
    assert!(alone.verifies_with(
        [root.pem.clone(), link.pem.clone()].concat().as_bytes(),
        NOW
    ));
    assert!(
        !whole.verifies_with(link.pem.as_bytes(), NOW),
        "an intermediate alone is no trust anchor"
    );
    assert!(!whole.verifies_with(b"junk", NOW));
}

#[test]
fn an_expired_cross_signed_intermediate_is_shown_with_and_without() {
    let old = ca("Old Root", None, |p| {
        p.not_after = date_time_ymd(2026, 6, 1);
    });
    let new = ca("New Root", None, |_| {});
    // New Root, cross-signed by Old Root: same name and key.
    let (key, mut cross_params) = (new.issuer.key(), params("New Root", &[]));
    cross_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    cross_params.not_after = date_time_ymd(2026, 6, 1);
    let cross = cross_params.signed_by(key, &old.issuer).unwrap().pem();
    let link = ca("Link", Some(&new), |_| {});
    let (key, leaf) = leaf(&link, |_| {});
    let (identity, findings) = assembled(&[&key, &leaf, &link.pem, &cross]);
    assert_eq!(names(&findings), [""; 0]);
    let found = judged(&identity, std::slice::from_ref(&new.der), NOW);
    assert_eq!(found, [("chain-expired", Severity::Warning)]);
    let report = report(&identity, Vec::new(), Trust::Trusted, NOW);
    assert_eq!(report.chain.len(), 2);
    assert_eq!(
        report.chain_without_expired.as_deref(),
        Some(&["CN=Link".to_owned()][..])
    );
}

#[test]
fn text_between_blocks_is_shown_and_a_contradicting_subject_is_a_warning() {
    let root = ca("Root", None, |_| {});
    let (key, leaf) = leaf(&root, |_| {});
    let (identity, findings) = assembled(&[
        "date=2023-11-29 ",
        &key,
        "subject=/CN=www.example.org\nissuer=/CN=Root\n",
        &leaf,
    ]);
    assert_eq!(names(&findings), [""; 0]);
    assert_eq!(identity.remarks[0].text, "date=2023-11-29");
    assert_eq!(identity.remarks.len(), 3);

    let (_, findings) = assembled(&[&key, "subject=CN = shop.example.org\n", &leaf]);
    assert_eq!(
        (findings[0].name, findings[0].severity),
        ("metadata-contradicts", Severity::Warning)
    );
    assert!(
        findings[0].message.contains("shop.example.org")
            && findings[0].message.contains("www.example.org")
    );
}

#[test]
fn every_finding_has_a_published_name() {
    assert!(NAMES.is_sorted());
    let (_, after_the_list) = include_str!("findings.rs").split_once("];").unwrap();
    let sources = [
        include_str!("assemble.rs"),
        include_str!("read.rs"),
        after_the_list,
    ]
    .concat();
    for name in NAMES {
        assert!(
            sources.contains(&format!("\"{name}\"")),
            "{name} is published and never found"
        );
    }
    let used = sources.match_indices("Severity::").filter_map(|(at, _)| {
        let (argument, rest) = sources[at..].split_once(',')?;
        let name = rest.trim_start().strip_prefix('"')?.split('"').next()?;
        argument
            .chars()
            .skip(10)
            .all(char::is_alphabetic)
            .then_some(name)
    });
    let used: Vec<&str> = used.collect();
    assert!(used.len() > 10, "{used:?}");
    for name in used {
        assert!(NAMES.contains(&name), "{name} is found and not published");
    }
}

#[test]
fn forms_go_by_their_names_and_what_is_missing_is_none() {
    for (name, form) in Form::NAMES {
        assert_eq!(name.parse::<Form>().unwrap(), *form);
        assert_eq!(form.to_string(), *name);
    }
    assert!("pem".parse::<Form>().is_err());
    let root = ca("Root", None, |_| {});
    let (_, leaf) = leaf(&root, |_| {});
    let (identity, _) = assembled(&[&leaf]);
    for form in [Form::Key, Form::Chain, Form::Bundle, Form::Anchor] {
        assert!(identity.form(form).is_none(), "{form}");
    }
    assert_eq!(identity.form(Form::Fullchain), identity.form(Form::Leaf));
}

#[test]
fn templates_get_no_byte_of_the_key() {
    let root = ca("Root", None, |_| {});
    let (key, leaf) = leaf(&root, |_| {});
    let (identity, _) = assembled(&[&key, &leaf]);
    let context = identity.context(Trust::Trusted).to_string();
    let debug = format!("{identity:?}");
    let body = key.lines().nth(1).unwrap();
    for shown in [&context, &debug] {
        assert!(!shown.contains(body));
    }
    let bytes = format!("{:?}", &identity.key.as_ref().unwrap().reveal()[30..60]);
    assert!(!debug.contains(bytes.trim_matches(['[', ']'])));
    assert!(context.contains("\"trust\":\"trusted\""), "{context}");
}

#[test]
fn what_never_ends_has_a_date_and_what_has_none_its_second() {
    assert_eq!(date(0), "1970-01-01 00:00 UTC");
    assert_eq!(date(-86_401), "1969-12-30 23:59 UTC");
    assert_eq!(date(253_402_300_799), "9999-12-31 23:59 UTC");
    assert_eq!(date(i64::MAX), format!("second {} of the epoch", i64::MAX));
}

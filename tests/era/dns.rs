//! The four cases of the document, told from DNS answers.

use std::{net::IpAddr, rc::Rc};

use certroll::{
    host::fake::{FakeHost, World},
    probe::dns,
};

use crate::site::Site;

/// Says where a name leads for a host whose resolver gives these addresses.
fn leads(found: &[&str], here: &[&str]) -> &'static str {
    let parsed = |all: &[&str]| -> Vec<IpAddr> { all.iter().map(|a| a.parse().unwrap()).collect() };
    let mut world = World::default();
    world
        .names
        .insert("pbx.example.com".to_owned(), parsed(found));
    let host = FakeHost::new(world, Rc::new(|_, _| panic!("no command runs")));
    let (told, _) = dns::look(&host, "pbx.example.com", &parsed(here));
    told
}

#[test]
fn where_a_name_leads_is_told_for_each_case_behind_a_router_and_with_split_dns() {
    let servers = ["192.0.2.11", "192.0.2.12"];
    for (found, here, want) in [
        // Cases 1 and 2: the addresses of the platform, all or some of them.
        (&["192.0.2.11"][..], &servers[..], "here"),
        (&["192.0.2.12", "192.0.2.11"], &servers, "here"),
        (&["::ffff:192.0.2.11"], &servers, "here"),
        (&["2001:db8::11"], &["2001:db8:0::11"], "here"),
        // Behind a router: its public address leads here where it is given, and elsewhere where it is not.
        (&["203.0.113.9"], &["10.0.0.11", "203.0.113.9"], "here"),
        (&["203.0.113.9"], &["10.0.0.11"], "elsewhere"),
        // Split DNS: inside, the same name leads to the private address.
        (&["10.0.0.11"], &["10.0.0.11", "203.0.113.9"], "here"),
        (&["10.0.0.99"], &["10.0.0.11", "203.0.113.9"], "private"),
        (&["192.0.2.11", "203.0.113.9"], &servers, "split"),
        // Case 3.
        (&["203.0.113.9"], &servers, "elsewhere"),
        (&["10.0.0.99", "203.0.113.9"], &servers, "elsewhere"),
        (&["2001:db8::99"], &servers, "elsewhere"),
        // Case 4, or nobody knows.
        (&["127.0.1.1"], &servers, "private"),
        (&["100.64.1.1"], &servers, "private"),
        (&["fd00::1", "fe80::1"], &servers, "private"),
        (&[], &servers, "unresolved"),
        (&["192.0.2.11"], &[], "untold"),
    ] {
        assert_eq!(leads(found, here), want, "{found:?} {here:?}");
    }
}

#[test]
fn the_plan_says_which_case_a_domain_is_and_which_methods_fit() {
    let site = Site::new();
    // Addresses stand for names here: the resolver gives them as they are.
    for (domain, more, want) in [
        ("127.0.0.1", "", "case 1 of the document (127.0.0.1)"),
        (
            "127.0.0.1",
            "--set master=era.local",
            "case 2 of the document (127.0.0.1)",
        ),
        (
            "203.0.113.9",
            "",
            "leads elsewhere: case 3 of the document (203.0.113.9)",
        ),
        (
            "203.0.113.9",
            "--set public_address=203.0.113.9",
            "case 1 of the document",
        ),
        (
            "nowhere.invalid",
            "",
            "leads nowhere, as this host's resolver sees it",
        ),
    ] {
        let run = site.rolls(
            "plan -v",
            &format!("--set method=paste --set domain={domain} {more}"),
        );
        let said = run.out.clone() + &run.err;
        assert!(
            said.contains(want) && said.contains("[dns-case]"),
            "{domain}: {run:#?}"
        );
        assert!(said.contains("method=acme"), "{domain}: {run:#?}");
    }
}

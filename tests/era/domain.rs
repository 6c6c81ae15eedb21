//! A domain's certificate by the settings API: proved on every server, put back to the byte.

use certroll::demo::era::Fault;

use crate::{
    common::Run,
    site::{DOMAIN, Site},
};

#[test]
fn a_domains_certificate_is_set_proved_on_every_server_and_put_back_to_the_byte() {
    let site = Site::new();
    // Somebody's own text, notations and all.
    let before = format!("\n{}\n\n", site.value("old").replace('\n', "\r\n"));
    site.platform.set(DOMAIN, &before);
    let plan = site.rolls("plan", "--set method=domain").exits(5);
    for line in [
        "> PATCH https://127.0.0.1:",
        "{\"key\":\"certificate_pem\"}, value: not shown",
        "undo: with the very value of before: PATCH https://127.0.0.1:",
    ] {
        assert!(plan.out.contains(line), "{line}: {plan:#?}");
    }
    assert_eq!(site.changes(), [""; 0]);
    let run = site.rolls("apply --yes", "--set method=domain").exits(0);
    assert!(run.last().starts_with("committed: "), "{run:#?}");
    site.serves(DOMAIN, "site");
    site.serves("a.corp.example.com", "site");
    assert_eq!(site.platform.value(DOMAIN), site.value("site"));
    site.run("apply --yes").exits(0).says("converged");
    assert_eq!(site.changes(), ["PATCH 200"]);
    site.run("rollback --yes").exits(0);
    assert_eq!(site.platform.value(DOMAIN), before);
    site.serves(DOMAIN, "old");
    site.run("rollback 1 --yes").exits(0);
    assert_eq!(site.platform.value(DOMAIN), site.value("site"));
    site.serves(DOMAIN, "site");
    // Neither key nor token is in anything that is kept in the open.
    let kept = "-not -path '*/far/*' -not -path '*/identity/*'";
    let text = site
        .scratch
        .sh(&format!("find S -type f {kept} -exec cat {{}} +"));
    assert!(text.contains("certificate_pem"), "the journal is among it");
    assert!(!text.contains("PRIVATE KEY") && !text.contains("a-token"));
}

#[test]
fn a_domain_without_a_certificate_has_none_again_after_a_rollback() {
    let site = Site::new();
    site.rolls("apply --yes", "--set method=domain").exits(0);
    site.serves(DOMAIN, "site");
    site.run("rollback --yes").exits(0);
    assert_eq!(site.platform.value(DOMAIN), "");
    site.serves(DOMAIN, "builtin");
}

#[test]
fn a_certificate_that_the_platform_renews_is_taken_over_by_choice_alone_and_comes_back_with_its_header()
 {
    let site = Site::new();
    let issued = format!("date=2023-11-29\n{}", site.value("old")).replace('\n', " ");
    site.platform.set(DOMAIN, &issued);
    let run = site.rolls("apply --yes", "--set method=domain").exits(2);
    let said = run.err.clone() + &run.out;
    assert!(
        said.contains("[acme-managed]") && said.contains("take_over_acme=yes"),
        "{run:#?}"
    );
    assert_eq!(site.changes(), [""; 0]);
    site.serves(DOMAIN, "old");
    site.rolls(
        "apply --yes",
        "--set method=domain --set take_over_acme=yes",
    )
    .exits(0);
    site.serves(DOMAIN, "site");
    assert_eq!(site.platform.value(DOMAIN), site.value("site"));
    site.run("rollback --yes").exits(0);
    assert_eq!(site.platform.value(DOMAIN), issued);
}

/// Rolls out to a platform that does something wrong, which ends with everything as it was.
fn fails_with(fault: Fault) -> (Site, Run) {
    let site = Site::new();
    site.platform.set(DOMAIN, &site.value("old"));
    site.platform.fault(fault);
    let run = site.rolls("apply --yes", "--set method=domain").exits(3);
    assert!(run.last().starts_with("rolled back: "), "{run:#?}");
    assert_eq!(site.platform.value(DOMAIN), site.value("old"));
    site.platform.fault(Fault::None);
    site.serves(DOMAIN, "old");
    let key = site.scratch.sh("find S -name 'new-*value.json'");
    assert_eq!(key, "", "what was taken back is not kept");
    (site, run)
}

#[test]
fn a_platform_that_keeps_what_it_had_is_taken_back() {
    fails_with(Fault::KeepsOld);
}

#[test]
fn a_server_that_never_gets_the_certificate_takes_all_of_them_back() {
    fails_with(Fault::NeverSyncs);
}

#[test]
fn a_setting_that_is_refused_leaves_everything_as_it_was() {
    let (site, run) = fails_with(Fault::Refuses);
    let said = run.out + &run.err + &site.scratch.sh("cat S/generations/*/receipt.json");
    assert!(
        said.contains("answered 400, with a text that holds what was sent and is not shown"),
        "{said}"
    );
    for line in site
        .scratch
        .read("site.key")
        .lines()
        .filter(|l| !l.starts_with('-'))
    {
        assert!(!said.contains(line), "{line} in {said}");
    }
}

#[test]
fn a_monitor_that_complains_of_the_domain_takes_the_certificate_back() {
    fails_with(Fault::Complains);
}

#[test]
fn what_could_not_be_proved_or_put_back_is_refused_before_anything_is_sent() {
    for (fault, more, finding) in [
        (Fault::TellsNothing, "", "[value-unread]"),
        (Fault::MonitorDown, "", "[monitor-silent]"),
    ] {
        let site = Site::new();
        site.platform.set(DOMAIN, &site.value("old"));
        site.platform.fault(fault);
        let run = site
            .rolls("apply --yes", &format!("--set method=domain {more}"))
            .exits(1);
        let said = run.err.clone() + &run.out;
        assert!(said.contains(finding), "{run:#?}");
        assert_eq!(site.changes(), [""; 0]);
    }
    let site = Site::new();
    site.scratch.file("token", "another\n");
    site.rolls("plan", "--set method=domain").exits(1);
    site.platform.fault(Fault::MonitorDown);
    site.scratch.file("token", "a-token-of-the-site\n");
    site.rolls("apply --yes", "--set method=domain --set monitor=no")
        .exits(0);
    site.serves(DOMAIN, "site");
}

//! On the double of an Era platform.

use certroll::demo::era::Fault;

use crate::{
    common::Run,
    era_site::{DOMAIN, Site},
    is_clean, run,
};

/// Plans a domain's certificate as `script`, from files that hold anywhere.
#[track_caller]
fn emit(site: &Site, more: &str) -> Run {
    let (cert, key) = (site.scratch.text("site.pem"), site.scratch.text("site.key"));
    let more = format!("--set method=domain --emit-script script {more}");
    site.rolls_from("plan", &cert, &key, &more).exits(5)
}

#[test]
fn a_script_sets_a_domains_certificate_as_apply_does_and_holds_neither_key_nor_token() {
    let by = |script: bool| {
        let site = Site::new();
        let before = site.value("old").replace('\n', "\r\n");
        site.platform.set(DOMAIN, &before);
        if script {
            emit(&site, "");
            let (key, old) = (site.scratch.read("site.key"), site.scratch.read("old.key"));
            is_clean(&site.scratch, "script", &[&key, &old, "a-token-of"]);
            let ran = run(&site.scratch, "script").exits(0);
            let last = ran.err.lines().last();
            assert_eq!(last, Some("done: everything is in force and proved"));
        } else {
            site.rolls("apply --yes", "--set method=domain").exits(0);
        }
        site.serves(DOMAIN, "site");
        assert_eq!(site.platform.value(DOMAIN), site.value("site"));
        site.changes()
    };
    assert_eq!(by(true), by(false));
}

#[test]
fn a_script_puts_the_very_value_of_before_back_where_its_platform_fails() {
    for fault in [Fault::Complains, Fault::Refuses] {
        let site = Site::new();
        // Somebody's own text, notations and all.
        let before = format!(
            "\"head\\er\"\n{}\t\n",
            site.value("old").replace('\n', "\r\n")
        );
        site.platform.set(DOMAIN, &before);
        emit(&site, "--set take_over_acme=yes");
        site.platform.fault(fault);
        let ran = run(&site.scratch, "script").exits(3);
        assert_eq!(site.platform.value(DOMAIN), before, "{ran:#?}");
        site.platform.fault(Fault::None);
        site.serves(DOMAIN, "old");
    }
}

#[test]
fn a_script_changes_nothing_where_what_it_replaces_cannot_be_read() {
    let site = Site::new();
    site.platform.set(DOMAIN, &site.value("old"));
    emit(&site, "--set monitor=no");
    site.platform.fault(Fault::TellsNothing);
    let ran = run(&site.scratch, "script").exits(1);
    assert!(ran.err.contains("it could not be put back"), "{ran:#?}");
    assert_eq!(site.changes(), [""; 0]);
    assert_eq!(site.platform.value(DOMAIN), site.value("old"));
}

#[test]
fn a_script_that_cannot_put_the_value_back_leaves_it_with_its_operator() {
    let site = Site::new();
    site.platform.set(DOMAIN, &site.value("old"));
    emit(&site, "");
    site.platform.fault(Fault::KeepsOld);
    // From the second change on the platform wants nothing more.
    let curl = "curl() { case $* in *PATCH*) if [ -e once ]; then echo 400; return; fi; : >once ;; esac; command curl \"$@\"; }";
    let script = site.scratch.read("script");
    site.scratch.file(
        "script",
        script.replace("\nset -u\n", &format!("\nset -u\n{curl}\n")),
    );
    let ran = run(&site.scratch, "script").exits(4);
    let (_, said) = ran.err.split_once("what was there before is in ").unwrap();
    let (left, _) = said.split_once(", a key too").unwrap();
    let json = site.scratch.sh(&format!("cat {left}/was1"));
    let value: String = serde_json::from_str(&json).unwrap();
    assert_eq!(value, site.value("old"));
    let files = site.scratch.sh(&format!("ls {left}; rm -r {left}"));
    assert!(
        !files.contains("login") && !files.contains("body"),
        "{files}"
    );
}

//! The platform's own ACME as a method: both settings, what the platform makes of them, and all of it put back.

use std::{thread, time::Duration};

use certroll::demo::era::{Fault, Request};

use crate::{
    common::{Run, Running},
    site::{DOMAIN, Site},
};

/// How long the platform takes.
const TAKES: Duration = Duration::from_millis(400);

/// A domain that leads to the platform: its servers are on loopback.
const HERE: &str = "localhost";

const EMAIL: &str = "admin@example.com";

impl Site {
    /// The value that the platform makes of a pair that it got.
    fn issued(&self, pair: &str) -> String {
        format!("date=2026-11-21\n{}", self.value(pair))
    }

    /// The words of a rollout by the method, for a domain, with more settings.
    fn line(&self, command: &str, domain: &str, more: &str) -> Vec<String> {
        let line = format!(
            "{command} --profile era --set method=acme --set domain={domain} --set api={} --set port={} --set token_file={} \
             --set settle=1 --set public_address=::1 {more}",
            self.platform.api(),
            self.platform.port,
            self.scratch.text("token"),
        );
        let servers = format!("servers={}", self.platform.servers());
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        words.extend(["--set".to_owned(), servers]);
        words
    }

    #[track_caller]
    fn acme(&self, command: &str, domain: &str, more: &str) -> Run {
        let words = self.line(command, domain, more);
        Running::start(&mut self.command(&words)).end()
    }
}

#[test]
fn the_platform_gets_a_certificate_by_itself_is_proved_and_a_rollback_puts_all_of_it_back() {
    let site = Site::of(HERE);
    site.platform.issues(&site.issued("site"), TAKES);
    let before = site.value("old");
    site.platform.set(HERE, &before);
    site.platform.set_acme("former@example.com", false);
    let email = format!("--set email={EMAIL}");
    let plan = site.acme("plan -v", HERE, &email).exits(5);
    let said = plan.out.clone() + &plan.err;
    for line in [
        "case 1 of the document",
        "not checkable from here",
        "> PATCH https://127.0.0.1:",
        "/rest/v1/domain/settings/acme_enabled",
        "/rest/v1/domain/settings/acme_account_email",
        "without the platform's text above it",
        "undo: with the very value of before: PATCH https://127.0.0.1:",
    ] {
        assert!(said.contains(line), "{line}: {plan:#?}");
    }
    assert_eq!(site.changes(), [""; 0]);
    let run = site.acme("apply --yes", HERE, &email).exits(0);
    assert!(run.last().starts_with("committed: "), "{run:#?}");
    assert_eq!(site.platform.acme(), (EMAIL.to_owned(), true));
    assert_eq!(site.platform.value(HERE), site.issued("site"));
    site.serves(HERE, "site");
    // As wanted: nothing is asked for twice, and what looks on is content.
    site.run("apply --yes").exits(0).says("converged");
    site.run("status").exits(0).says("as wanted");
    site.run("history").exits(0).says("era");
    let doctor = site.run("doctor").exits(2);
    assert!(doctor.err.contains("has no identity"), "{doctor:#?}");
    assert_eq!(site.changes(), ["PATCH 200", "PATCH 200"]);
    site.run("rollback --yes").exits(0);
    assert_eq!(
        site.platform.acme(),
        ("former@example.com".to_owned(), false)
    );
    assert_eq!(site.platform.value(HERE), before);
    site.serves(HERE, "old");
    // Nothing has the platform get that very one again.
    let run = site.run("rollback 1 --yes").exits(1);
    let said = run.out.clone() + &run.err;
    assert!(said.contains("has it make another"), "{run:#?}");
    // Neither key nor token is in anything that is kept in the open.
    let kept = "-not -path '*/far/*' -not -path '*/identity/*'";
    let text = site
        .scratch
        .sh(&format!("find S -type f {kept} -exec cat {{}} +"));
    assert!(text.contains("acme_enabled"), "the journal is among it");
    assert!(!text.contains("PRIVATE KEY") && !text.contains("a-token"));
}

/// Rolls out in vain, which ends with everything as it was; returns what was said.
fn in_vain(site: &Site) -> String {
    site.platform.set(HERE, &site.value("old"));
    let email = format!("--set email={EMAIL} --set wait=2");
    let run = site.acme("apply --yes", HERE, &email).exits(3);
    assert!(run.last().starts_with("rolled back: "), "{run:#?}");
    assert_eq!(site.platform.acme(), (String::new(), false));
    assert_eq!(site.platform.value(HERE), site.value("old"));
    site.platform.fault(Fault::None);
    site.serves(HERE, "old");
    run.out + &run.err
}

#[test]
fn a_platform_that_gets_none_in_time_has_its_settings_back_and_the_log_is_named() {
    let said = in_vain(&Site::of(HERE));
    assert!(
        said.contains("the log of the mware microservice, below /var/log/era"),
        "{said}"
    );
}

#[test]
fn a_certificate_that_does_not_verify_or_cover_the_name_is_taken_back() {
    let site = Site::of(HERE);
    site.scratch.mint("private", HERE);
    site.platform.issues(&site.issued("private"), TAKES);
    let said = in_vain(&site);
    assert!(said.contains("no trust anchor of this host"), "{said}");
    let site = Site::of(HERE);
    site.platform.issues(&site.issued("builtin"), TAKES);
    let said = in_vain(&site);
    assert!(said.contains("does not cover localhost"), "{said}");
}

#[test]
fn a_server_that_never_serves_what_was_issued_takes_it_back() {
    let site = Site::of(HERE);
    site.platform.issues(&site.issued("site"), TAKES);
    site.platform.fault(Fault::NeverSyncs);
    let said = in_vain(&site);
    assert!(said.contains("; 127.0.0.2:"), "{said}");
}

#[test]
fn a_monitor_that_complains_takes_what_was_issued_back() {
    let site = Site::of(HERE);
    site.platform.issues(&site.issued("site"), TAKES);
    site.platform.fault(Fault::Complains);
    let said = in_vain(&site);
    assert!(said.contains("names it among its complaints"), "{said}");
}

#[test]
fn a_setting_that_is_refused_leaves_everything_as_it_was() {
    let site = Site::of(HERE);
    site.platform.issues(&site.issued("site"), TAKES);
    site.platform.fault(Fault::Refuses);
    let email = format!("--set email={EMAIL}");
    site.platform.set(HERE, &site.value("old"));
    site.acme("apply --yes", HERE, &email).exits(3);
    assert_eq!(site.platform.acme(), (String::new(), false));
    assert_eq!(site.changes(), ["PATCH 400"]);
}

#[test]
fn what_cannot_come_to_something_is_refused_before_anything_is_sent() {
    let site = Site::new();
    site.platform.issues(&site.issued("site"), TAKES);
    let email = format!("--set email={EMAIL}");
    for (domain, more, code, said) in [
        // Addresses stand for names here: the resolver gives them as they are.
        ("203.0.113.9", email.as_str(), 1, "case 3 of the document"),
        ("10.0.0.99", &email, 1, "case 4 of the document"),
        (HERE, "", 2, "--set email=ADDRESS"),
        (
            HERE,
            "--cert site.pem --key site.key --set email=a@b.example",
            2,
            "no identity is taken",
        ),
    ] {
        let run = site.acme("apply --yes", domain, more).exits(code);
        let told = run.out.clone() + &run.err;
        assert!(told.contains(said), "{domain} {more}: {run:#?}");
    }
    let by_name = format!("{email} --set api={DOMAIN}:443");
    let run = site.acme("apply --yes", HERE, &by_name).exits(2);
    assert!(run.err.contains("[api-by-name]"), "{run:#?}");
    let bare = "plan --profile era --set method=acme --set api=127.0.0.1:1 --set email=a@b.example";
    let run = site.run(bare).exits(2);
    assert!(run.out.contains("--set domain=NAME"), "{run:#?}");
    assert_eq!(site.changes(), [""; 0]);
    assert_eq!(site.platform.acme(), (String::new(), false));
    // Where no method says that the platform gets one by itself, an identity is asked for as ever.
    let run = site
        .run("plan --profile era --set domain=pbx.example.com")
        .exits(2);
    assert!(run.err.contains("--cert FILE --key FILE"), "{run:#?}");
}

#[test]
fn a_name_that_leads_nowhere_is_said_to_be_unknown_and_is_no_obstacle() {
    let site = Site::new();
    let email = format!("--set email={EMAIL}");
    let run = site.acme("plan", "nowhere.invalid", &email).exits(5);
    let said = run.out.clone() + &run.err;
    assert!(
        said.contains("which of them is unknown; ACME needs a public name"),
        "{run:#?}"
    );
}

#[test]
fn a_certificate_that_the_platform_should_have_renewed_is_a_warning() {
    let site = Site::of(HERE);
    // It is ten years long, and began long ago.
    site.scratch.mint_between("site", HERE, 2020, 2040);
    site.platform.set(HERE, &site.issued("site"));
    site.platform.set_acme(EMAIL, true);
    let email = format!("--set email={EMAIL}");
    let run = site.acme("plan", HERE, &email).exits(0);
    let said = run.out.clone() + &run.err;
    assert!(
        said.contains("[acme-late]") && said.contains("/var/log/era"),
        "{run:#?}"
    );
    assert_eq!(site.changes(), [""; 0]);
    // Another address of the account is all that is sent then.
    let run = site.acme("apply --yes", HERE, "--set email=new@example.com");
    assert!(run.exits(0).out.contains("[acme-late]"));
    assert_eq!(site.changes(), ["PATCH 200"]);
    assert_eq!(site.platform.acme(), ("new@example.com".to_owned(), true));
}

#[test]
fn a_run_that_dies_while_it_waits_is_recovered_with_both_settings_and_the_value_of_before() {
    let site = Site::of(HERE);
    site.platform.set(HERE, &site.value("old"));
    let mut command = site.command(&site.line(
        "apply --yes",
        HERE,
        "--set email=a@example.com --set wait=5",
    ));
    let run = Running::start(&mut command);
    let sent = |r: &Request| r.method == "PATCH" && r.path.ends_with("acme_enabled");
    while !site.platform.requests().iter().any(sent) {
        thread::sleep(Duration::from_millis(20));
    }
    // It comes in the end, to nobody who waits for it.
    site.platform.set(HERE, &site.issued("site"));
    run.signal("KILL");
    run.end();
    site.run("recover").exits(0);
    assert_eq!(site.platform.acme(), (String::new(), false));
    assert_eq!(site.platform.value(HERE), site.value("old"));
    site.serves(HERE, "old");
}

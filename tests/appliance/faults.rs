//! What an appliance can do wrong, each with what comes of it.

use std::time::Duration;

use certroll::demo::appliance::{Api, Fault};

use crate::{
    common::{Running, moment, until},
    site::{DELAY, Site},
};

const UPLOAD: &str = "POST /v1/security/sslcertificate";

/// Applies with a fault, and returns the run and what changed the appliance.
fn with(fault: Fault, code: i32) -> (Site, crate::common::Run, Vec<String>) {
    let site = Site::new(Api::V1);
    site.appliance.fault(fault);
    let run = site.apply("site", Site::DEFAULT).exits(code);
    site.nothing_in_the_clear();
    let changes = site.changes();
    (site, run, changes)
}

#[test]
fn a_pair_that_never_shows_is_rolled_back_by_the_one_from_before() {
    let (site, run, changes) = with(Fault::NeverSwitches, 3);
    assert!(run.out.contains("presents another leaf"), "{run:#?}");
    assert_eq!(changes, [format!("{UPLOAD} 200"), format!("{UPLOAD} 200")]);
    site.serves("default");
}

#[test]
fn another_pair_than_the_one_sent_is_rolled_back() {
    let (site, run, _) = with(Fault::SwitchesToAnother, 3);
    assert!(run.last().starts_with("rolled back"), "{run:#?}");
    site.serves("default");
}

#[test]
fn a_success_that_is_denied_in_the_body_is_a_refusal() {
    let (site, run, changes) = with(Fault::DeniesSuccess, 3);
    assert!(
        run.out.contains(r#"answered 200: {"success": false"#),
        "{run:#?}"
    );
    assert_eq!(
        changes,
        [format!("{UPLOAD} 200")],
        "a refusal needs no way back"
    );
    site.serves("default");
}

#[test]
fn an_answer_that_never_comes_is_looked_for_and_found() {
    let (site, run, changes) = with(Fault::ResetsAfterBody, 0);
    assert!(run.last().starts_with("committed"), "{run:#?}");
    assert_eq!(changes, [format!("{UPLOAD} 0")]);
    site.serves("site");
}

#[test]
fn a_refusal_says_what_the_appliance_said() {
    let (site, run, _) = with(Fault::Refuses, 3);
    assert!(
        run.out.contains("answered 400") && run.out.contains("not today"),
        "{run:#?}"
    );
    site.serves("default");
}

#[test]
fn a_refusal_that_repeats_the_key_is_not_shown() {
    let (site, run, _) = with(Fault::Echoes, 3);
    assert!(run.out.contains("is not shown"), "{run:#?}");
    let state = site
        .scratch
        .sh("grep -rl 'not shown' S; cat S/generations/*/*.json*");
    let key = site.scratch.read("site.key");
    for line in key.lines().filter(|line| line.len() > 30) {
        assert!(!run.out.contains(line) && !run.err.contains(line) && !state.contains(line));
    }
}

#[test]
fn a_refusal_that_repeats_the_login_is_not_shown_however_short_the_password() {
    for api in [Api::V1, Api::V2] {
        let site = Site::new(api);
        site.appliance.set_password(Some("x7"));
        site.appliance.fault(Fault::EchoesLogin);
        let file = site.password("admin.pw", "x7");
        let more = format!("{} --set current_password_file={file}", Site::DEFAULT);
        let run = site.apply("site", &more).exits(3);
        assert!(run.out.contains("is not shown"), "{run:#?}");
        let kept = site.scratch.sh("cat S/generations/*/*.json*");
        for told in [&run.out, &run.err, &kept] {
            let leak = told.contains("admin:x7") || told.contains("YWRtaW46eDc=");
            assert!(!leak, "{told}");
        }
    }
}

#[test]
fn a_server_that_is_restarting_is_tried_again() {
    let (site, _, changes) = with(Fault::Busy(2), 0);
    let busy = format!("{UPLOAD} 503");
    assert_eq!(changes, [busy.clone(), busy, format!("{UPLOAD} 200")]);
    site.serves("site");
}

#[test]
fn a_redirection_is_never_followed() {
    let (site, run, changes) = with(Fault::Redirects, 3);
    assert!(run.out.contains("answered 307"), "{run:#?}");
    assert_eq!(changes, [format!("{UPLOAD} 307")]);
    site.serves("default");
}

#[test]
fn an_api_that_answered_before_and_does_not_after_takes_the_pair_back() {
    let (site, run, _) = with(Fault::LosesMonitoring, 4);
    assert!(run.out.contains("/monitor/api/3/mem"), "{run:#?}");
    // The pair is back; that API is not, and that is for a person.
    site.serves("default");
}

#[test]
fn no_tls_or_an_old_one_is_refused_and_no_key_is_sent() {
    for fault in [Fault::NoTls, Fault::OldTls] {
        let site = Site::unpinned(Api::V1);
        site.appliance.fault(fault);
        let run = site.apply("site", Site::DEFAULT).exits(1);
        assert!(run.err.contains("no key is sent but over TLS"), "{run:#?}");
        assert!(
            site.appliance
                .requests()
                .iter()
                .all(|r| !r.tls && r.method == "GET")
        );
        site.nothing_in_the_clear();
    }
}

#[test]
fn a_slow_appliance_is_waited_for() {
    let site = Site::new(Api::V1);
    site.appliance.delay(Duration::from_secs(4));
    site.apply("site", Site::DEFAULT).exits(0);
    site.serves("site");
}

/// How long an appliance takes for an upload after which the run is killed: it dies long before there is anything to prove.
const LONG: Duration = Duration::from_secs(4);

/// A run that was killed when its upload was answered, and before the appliance switched.
fn killed_after_upload() -> Site {
    let site = Site::new(Api::V1);
    site.appliance.delay(LONG);
    let words = site.words("apply --yes", "site", Site::DEFAULT);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = Running::start(&mut site.command(&words));
    until("the upload", || !site.changes().is_empty());
    run.signal("KILL");
    run.end().exits(137);
    assert_eq!(site.changes(), [format!("{UPLOAD} 200")]);
    site.run(&["status"]).exits(4);
    site
}

/// Asserts that it is served what it was, by a second upload, and that its pin is the one of before.
#[track_caller]
fn is_as_before(site: &Site) {
    assert_eq!(
        site.changes(),
        [format!("{UPLOAD} 200"), format!("{UPLOAD} 200")]
    );
    site.serves("default");
    site.run(&["pin", "check"]).exits(0);
    let pins = site.run(&["pin", "list"]).exits(0);
    assert!(!pins.out.contains("next"), "{pins:#?}");
    site.nothing_in_the_clear();
}

#[test]
fn a_run_that_was_killed_between_upload_and_proof_recovers_to_the_pair_of_before() {
    let site = killed_after_upload();
    let sent = site.scratch.read("site.pem");
    until("the switch", || site.appliance.state().0 == sent);
    site.appliance.delay(DELAY);
    let back = site.run(&["recover"]).exits(0);
    assert!(back.last().starts_with("rolled back"), "{back:#?}");
    is_as_before(&site);
    site.apply("site", Site::DEFAULT).exits(0);
    site.serves("site");
}

#[test]
fn an_upload_that_has_not_taken_effect_when_the_run_is_recovered_is_followed_by_the_pair_of_before()
{
    let site = killed_after_upload();
    site.run(&["recover"]).exits(0);
    // Nobody can see that a switch is yet to come; both come, in the order they were sent.
    moment(u64::try_from(LONG.as_millis()).unwrap() + 100);
    is_as_before(&site);
}

#[test]
fn a_peer_that_is_not_the_pinned_one_gets_nothing() {
    let site = Site::unpinned(Api::V1);
    let peer = site.appliance.peer();
    // The pin of the right machine, and a machine in the middle in its place.
    let right = site.scratch.fingerprint("default.pem");
    site.run(&["pin", "add", &peer, "--fingerprint", &right])
        .exits(0);
    let other = site.scratch.fingerprint("renewed.pem");
    let pins = site.scratch.read("S/pins.json").replace(&right, &other);
    site.scratch.file("S/pins.json", pins);
    for command in ["plan", "apply --yes"] {
        let run = site.rolls(command, "site", Site::DEFAULT).exits(8);
        assert!(run.err.contains("nothing was sent to it"), "{run:#?}");
    }
    assert!(
        site.appliance.requests().iter().all(|r| !r.tls),
        "{:?}",
        site.appliance.requests()
    );
}

#[test]
fn a_peer_that_nobody_vouches_for_gets_nothing() {
    let site = Site::unpinned(Api::V1);
    let run = site.apply("site", Site::DEFAULT).exits(1);
    assert!(
        run.err.contains("[peer-unknown]") && run.err.contains("certroll pin add"),
        "{run:#?}"
    );
    assert!(site.appliance.requests().iter().all(|r| !r.tls));
}

#[test]
fn a_key_that_is_encrypted_or_foreign_is_refused_before_anything_is_asked() {
    let site = Site::new(Api::V1);
    site.scratch.sh(
        "openssl pkcs8 -topk8 -in site.key -passout pass:x -out locked.key; cp site.pem locked.pem",
    );
    site.scratch
        .sh("cp site.pem foreign.pem; cp renewed.key foreign.key");
    let asked = site.appliance.requests().len();
    for name in ["locked", "foreign"] {
        site.apply(name, Site::DEFAULT).exits(2);
    }
    assert_eq!(site.appliance.requests().len(), asked);
}

#[test]
fn keys_of_every_form_are_sent_as_unencrypted_pkcs8() {
    let site = Site::new(Api::V1);
    site.scratch
        .sh("openssl rsa -traditional -in site.key -out old.key; cp site.pem old.pem");
    assert!(
        site.scratch
            .read("old.key")
            .contains("BEGIN RSA PRIVATE KEY")
    );
    site.apply("old", Site::DEFAULT).exits(0);
    let sent = site.appliance.requests();
    let sent: Vec<_> = sent.iter().filter_map(|r| r.key.as_deref()).collect();
    assert_eq!(sent, ["PRIVATE KEY"]);
}

#[test]
fn an_elliptic_key_is_warned_of_and_not_refused() {
    let site = Site::new(Api::V1);
    site.scratch.mint("ec", "localhost");
    let plan = site.plan("ec", Site::DEFAULT).exits(5);
    assert!(plan.out.contains("[no-strong-suite]"), "{plan:#?}");
    let plan = site.plan("site", Site::DEFAULT).exits(5);
    assert!(!plan.out.contains("[no-strong-suite]"), "{plan:#?}");
}

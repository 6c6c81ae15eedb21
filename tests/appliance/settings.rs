//! Plain HTTP and the admin password: in the safe order, each proved, and taken back.

use certroll::demo::appliance::{Api, Fault};

use crate::site::Site;

fn state(site: &Site) -> (bool, bool) {
    let (_, open, password) = site.appliance.state();
    (open, password)
}

#[test]
fn http_is_closed_only_after_the_pair_is_proved_and_the_password_comes_last() {
    let site = Site::new(Api::V1);
    let new = site.password("new.pw", "correct horse");
    let more = format!(
        "{} --set http=disabled --set admin_password_file={new}",
        Site::DEFAULT
    );
    // Nothing takes a first password of v1 away again.
    let refused = site.apply("site", &more).exits(2);
    assert!(refused.err.contains("[irreversible]"), "{refused:#?}");
    assert_eq!(site.changes(), Vec::<String>::new());
    let plan = site.plan("site", &more).exits(2);
    let order: Vec<usize> = [
        "sslcertificate (certificate)",
        "insecureports (plain HTTP)",
        "adminpassword (admin password)",
    ]
    .iter()
    .map(|text| {
        plan.out
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {plan:#?}"))
    })
    .collect();
    assert!(order.is_sorted(), "{order:?}");
    let done = site
        .apply("site", &format!("{more} --allow irreversible"))
        .exits(0);
    assert!(done.last().starts_with("committed"), "{done:#?}");
    assert_eq!(
        site.changes(),
        [
            "POST /v1/security/sslcertificate 200",
            "POST /v1/security/insecureports 200",
            "POST /v1/security/adminpassword 200",
        ]
    );
    assert_eq!(state(&site), (false, true));
    site.serves("site");
    site.nothing_in_the_clear();
    site.run(&["apply", "--yes"]).exits(0).says("converged");
    // No password is anywhere in what is kept or said.
    let kept = site
        .scratch
        .sh("cat S/generations/*/* S/*.json 2>/dev/null || true");
    assert!(!kept.contains("correct horse") && !done.out.contains("correct horse"));
}

#[test]
fn http_that_stays_open_is_found_out_and_everything_goes_back() {
    let site = Site::new(Api::V1);
    site.appliance.fault(Fault::KeepsHttpOpen);
    let run = site
        .apply("site", &format!("{} --set http=disabled", Site::DEFAULT))
        .exits(3);
    assert!(
        run.out.contains("closes the connection without an answer"),
        "{run:#?}"
    );
    site.serves("default");
    assert_eq!(state(&site), (true, false));
    assert_eq!(
        site.changes(),
        [
            "POST /v1/security/sslcertificate 200",
            "POST /v1/security/insecureports 200",
            "POST /v1/security/insecureports 200",
            "POST /v1/security/sslcertificate 200",
        ]
    );
}

#[test]
fn a_closed_http_is_opened_again_by_a_rollback() {
    let site = Site::new(Api::V1);
    let more = format!("{} --set http=disabled", Site::DEFAULT);
    site.apply("site", &more).exits(0);
    assert_eq!(state(&site), (false, false));
    site.run(&["rollback", "--yes"]).exits(0);
    assert_eq!(state(&site), (true, false));
    site.serves("default");
}

#[test]
fn a_password_is_changed_with_the_one_that_holds_and_back() {
    let site = Site::new(Api::V1);
    site.appliance.set_password(Some("old word"));
    let (old, new) = (
        site.password("old.pw", "old word"),
        site.password("new.pw", "new word"),
    );
    let both = format!(
        "{} --set current_password_file={old} --set admin_password_file={new}",
        Site::DEFAULT
    );
    let warned = site.plan("site", &both).exits(5);
    assert!(warned.out.contains("[password-overridable]"), "{warned:#?}");
    site.apply("site", &both).exits(0);
    site.serves("site");
    site.run(&["rollback", "--yes"]).exits(0);
    site.serves("default");
    // The old one holds again: with it a pair can be sent, without it not.
    let only = format!("{} --set current_password_file={old}", Site::DEFAULT);
    site.apply("site", &only).exits(0);
    site.nothing_in_the_clear();
}

#[test]
fn a_lost_password_is_told_with_the_way_back_and_what_it_drops() {
    for (api, way) in [
        (Api::V1, "menu Security, Reset security"),
        (Api::V2, "kubectl edit secret management-auth-secret"),
    ] {
        let site = Site::new(api);
        site.appliance.set_password(Some("forgotten"));
        let run = site.apply("site", Site::DEFAULT).exits(1);
        assert!(
            run.err.contains("[password-unknown]") && run.err.contains(way),
            "{run:#?}"
        );
        assert_eq!(site.changes(), Vec::<String>::new());
    }
}

#[test]
fn the_second_generation_of_the_api_is_set_on_all_its_ports() {
    let site = Site::new(Api::V2);
    let new = site.password("new.pw", "correct horse");
    let plan = site.plan("site", Site::DEFAULT).exits(5);
    assert!(plan.out.contains("[default-password]"), "{plan:#?}");
    let more = format!(
        "{} --set http=disabled --set admin_password_file={new}",
        Site::DEFAULT
    );
    site.apply("site", &more).exits(0);
    site.serves("site");
    assert_eq!(state(&site), (false, true));
    site.nothing_in_the_clear();
    site.run(&["apply", "--yes"]).exits(0).says("converged");
    site.run(&["rollback", "--yes"]).exits(0);
    site.serves("default");
    assert_eq!(state(&site), (true, true));
}

#[test]
fn a_pair_that_shows_on_the_first_port_alone_is_rolled_back() {
    let site = Site::new(Api::V2);
    site.appliance.fault(Fault::OnePortOnly);
    let run = site.apply("site", Site::DEFAULT).exits(3);
    assert!(run.out.contains("websockets"), "{run:#?}");
    site.serves("default");
}

#[test]
fn a_pair_without_the_one_from_before_is_irreversible_and_says_so() {
    let site = Site::new(Api::V1);
    let refused = site.apply("site", "").exits(2);
    assert!(
        refused.err.contains("[irreversible]") && refused.err.contains("--previous-cert"),
        "{refused:#?}"
    );
    site.apply("site", "--allow irreversible").exits(0);
    site.serves("site");
    let back = site.run(&["rollback", "--yes"]).exits(1);
    assert!(back.err.contains("[no-way-back]"), "{back:#?}");
    // From now on the pair is known.
    site.apply("renewed", "").exits(0);
    site.serves("renewed");
    site.run(&["rollback", "--yes"]).exits(0);
    site.serves("site");
}

#[test]
fn a_run_that_can_send_nothing_is_no_success_where_requests_are_all_there_is() {
    let site = Site::new(Api::V1);
    site.scratch.dir("R/etc");
    for more in ["--root R", "--defer"] {
        let refused = site
            .apply("site", &format!("{} {more}", Site::DEFAULT))
            .exits(2);
        assert!(refused.err.contains("[far-later]"), "{refused:#?}");
    }
    let plan = site.plan("site", "--root R").exits(2);
    assert_eq!(plan.last(), "not planned: a finding is in the way");
    let status = site.rolls("status", "site", "--root R").exits(5);
    assert!(
        status.out.contains("not judged, a finding is in the way"),
        "{status:#?}"
    );
    assert_eq!(site.changes(), Vec::<String>::new());
    site.serves("default");
}

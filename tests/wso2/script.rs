//! Profile `wso2` by scripts alone: every phase of either side, and what is refused and taken back.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{
    common::{Running, skip},
    emitted::is_clean,
    site::Site,
};

/// What may stand in no script.
const PASSWORDS: [&str; 3] = ["store-secret", "trust-secret", "backend-secret"];

/// A site whose gateway shows a pair, or none where it is empty; where this host may be planned for.
fn site(pair: &str) -> Option<Site> {
    if !rustix::process::geteuid().is_root() {
        skip("only root plans for this host");
        return None;
    }
    Some(Site::with(pair))
}

/// Runs one script after the other until every phase is done; returns how each ended.
#[track_caller]
fn through(site: &Site, flags: &str, pair: &str) -> Vec<String> {
    let key = site.scratch.read(&format!("{pair}.key"));
    let mut ends = Vec::new();
    while site.emit(flags) {
        is_clean(
            &site.scratch,
            "script",
            &[&[key.as_str()], PASSWORDS.as_slice()].concat(),
        );
        let ran = site.run().exits(0);
        ends.extend(ran.err.lines().last().map(str::to_owned));
        assert!(ends.len() < 5, "{ends:#?}");
    }
    ends
}

const MORE: &str = "is in force and proved; for the next one plan again, with the same arguments";

#[test]
fn scripts_alone_rotate_the_gateways_identity_and_the_one_whose_proof_fails_puts_every_file_back() {
    let Some(site) = site("first") else { return };
    let flags = site.as_gateway("second");
    let [first, second] = ["first.pem", "second.pem"].map(|leaf| site.scratch.fingerprint(leaf));
    assert!(site.emit(&flags));
    let ran = site.run().exits(0);
    let done = format!("done: phase trust (1 of 4) {MORE}");
    assert_eq!(ran.err.lines().last(), Some(done.as_str()));
    assert_eq!(site.seen(), first);
    // The gateway goes on with the old key.
    assert!(site.emit(&flags));
    let tree = site.tree();
    site.gateway.behave(true);
    let ran = site.run().exits(3);
    assert!(
        ran.err.contains("in vain for: sees") && ran.err.contains(&format!("proved: sees {first}")),
        "{ran:#?}"
    );
    site.tree().is(&tree);
    assert_eq!(site.seen(), first);
    // The very same script, once it does not.
    site.gateway.behave(false);
    let ran = site.run().exits(0);
    assert!(
        ran.err.contains("script.files, keys and passwords too"),
        "{ran:#?}"
    );
    assert_eq!(site.seen(), second);
    assert!(site.takes("first"), "its trust stays until the last phase");
    assert_eq!(
        through(&site, &flags, "second"),
        ["done: phase clean (4 of 4) is in force and proved"]
    );
    assert_eq!(site.seen(), second);
    assert!(site.takes("second") && !site.takes("first"));
    assert_eq!(
        site.aliases("R/backend/trust.p12", "R/backend/password"),
        [format!("gateway-{}", &second[..8]), "other".to_owned()]
    );
    // certroll finds all of it done, and takes it from there.
    site.certroll(&format!("apply {flags} --yes"))
        .exits(0)
        .says("committed: phase clean (4 of 4)");
    site.certroll(&format!("plan {flags}")).exits(0);
}

#[test]
fn scripts_alone_take_the_backends_identity_through_every_phase() {
    let Some(site) = site("first") else { return };
    let before = site.gateway_trusts();
    let more = format!(
        "--set side=backend --set alias=backend --set backend_keystore={}",
        site.scratch.text("R/backend/key.p12")
    );
    let flags = site.flags("backend-new", &more);
    let ends = through(&site, &flags, "backend-new");
    assert_eq!(ends.len(), 3, "{ends:#?}");
    let served = site.scratch.sh(&format!(
        "openssl s_client -connect 127.0.0.1:{} </dev/null 2>/dev/null | openssl x509",
        site.backend
    ));
    assert_eq!(served, site.scratch.sh("openssl x509 -in backend-new.pem"));
    assert_eq!(site.seen(), site.scratch.fingerprint("first.pem"));
    let label = |pair: &str| {
        let leaf = site.scratch.fingerprint(&format!("{pair}.pem"));
        format!("127.0.0.1-{}", &leaf[..8])
    };
    assert_eq!(before, [label("backend"), "other".to_owned()]);
    assert_eq!(
        site.gateway_trusts(),
        [label("backend-new"), "other".to_owned()]
    );
}

#[test]
fn a_script_changes_nothing_where_a_store_is_another_one_than_the_plan_saw() {
    let Some(site) = site("") else { return };
    let flags = site.as_gateway("first");
    assert!(site.emit(&flags));
    let scratch = &site.scratch;
    let mode = |name: &str| {
        fs::metadata(scratch.path(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!((mode("script"), mode("script.files")), (0o700, 0o700));
    let names = scratch.sh("ls script.files");
    assert!(
        names.contains("-trust.p12") && names.contains("salt"),
        "{names}"
    );
    for name in names.lines() {
        assert_eq!(mode(&format!("script.files/{name}")), 0o600, "{name}");
    }
    // Neither is written over, and none of the two stays without the other.
    for taken in ["script", "script.files"] {
        scratch.sh("mv script a; mv script.files b");
        scratch.sh(&format!(
            "cp -r $(test {taken} = script && echo a || echo b) {taken}"
        ));
        let again = site
            .certroll(&format!("plan {flags} --emit-script script"))
            .exits(2);
        assert!(
            again.err.contains(&format!("`{taken}` is there already")),
            "{again:#?}"
        );
        assert_eq!(scratch.sh("ls -d script*").trim(), taken);
        scratch.sh(&format!("rm -r {taken}; mv a script; mv b script.files"));
    }
    // Somebody trusts one more.
    let store = "R/opt/wso2am/repository/resources/security/client-truststore.jks";
    scratch.sh(&format!("cp -p {store} kept; rm {store}"));
    scratch
        .certroll(&format!(
            "keystore new {store} --format jks --password-file trust --trust other=other.pem --trust more=front.pem"
        ))
        .exits(0);
    let tree = site.tree();
    let ran = site.run().exits(1);
    let said =
        "client-truststore.jks is not what the plan saw: plan again\nrefused: nothing was changed";
    assert!(ran.err.contains(said), "{ran:#?}");
    site.tree().is(&tree);
    // What is to be placed was damaged on its way.
    scratch.sh(&format!(
        "cp -p kept {store}; for file in script.files/1-*; do echo >>$file; done"
    ));
    let tree = site.tree();
    site.run().exits(1);
    site.tree().is(&tree);
    assert!(site.emit(&flags));
    site.run().exits(0);
}

#[test]
fn a_script_waits_for_the_backends_administrator_before_the_key_is_shown() {
    let Some(site) = site("") else { return };
    let flags = site.flags(
        "first",
        &format!("--set backend_cert={}", site.scratch.text("backend.pem")),
    );
    let ended = |code: i32| {
        let ran = site.run().exits(code);
        ran.err.lines().last().unwrap_or_default().to_owned()
    };
    assert!(site.emit(&flags));
    assert_eq!(
        ended(0),
        "done: phase trust (1 of 4) is in place, and nothing proves it yet; for the next one plan again, with the same arguments"
    );
    assert!(site.emit(&flags));
    let tree = site.tree();
    assert_eq!(ended(3), "rolled back: everything is as before");
    site.scratch.sh(&format!(
        "rm R/backend/trust.p12; {} keystore new R/backend/trust.p12 --password-file R/backend/password --trust gateway=first.pem; ./tell",
        crate::common::CERTROLL
    ));
    assert_eq!(ended(0), format!("done: phase accepted (2 of 4) {MORE}"));
    assert_ne!(
        tree,
        site.tree(),
        "the administrator's store is another one"
    );
    assert_eq!(
        through(&site, &flags, "first"),
        [format!("done: phase switch (3 of 4) {MORE}")]
    );
    assert_eq!(site.seen(), site.scratch.fingerprint("first.pem"));
}

#[test]
fn a_backend_is_not_taken_for_content_because_it_was_slow_to_be_reached() {
    let Some(site) = site("") else { return };
    let scratch = &site.scratch;
    let cert = scratch.text("backend.pem");
    let flags = site.flags("first", &format!("--set backend_cert={cert}"));
    assert!(site.emit(&flags));
    site.run().exits(0);
    assert!(site.emit(&flags));
    scratch.dir("shims");
    let shim = "#!/bin/sh\n[ \"$1\" != s_client ] || sleep 1.5\nexec /usr/bin/openssl \"$@\"\n";
    scratch.file("shims/openssl", shim);
    scratch.mode("shims/openssl", 0o755);
    let path = format!("PATH={}:/usr/bin:/bin", scratch.text("shims"));
    let script = scratch.text("script");
    let ran = Running::start(scratch.program("env").args([&path, &script])).end();
    let ran = ran.exits(3);
    assert!(ran.err.contains("in vain for: takes "), "{ran:#?}");
}

#[test]
fn a_script_that_was_killed_is_run_again_once_its_copies_are_back() {
    let Some(site) = site("first") else { return };
    assert!(site.emit(&site.as_gateway("second")));
    let tree = site.tree();
    let tell = site.scratch.read("tell");
    // The caller of who calls this.
    let kill = "#!/bin/sh\nkill -KILL \"$(sed 's/.*) [A-Z] //; s/ .*//' \"/proc/$PPID/stat\")\"\n";
    site.scratch.file("tell", kill);
    site.run().exits(128 + 9);
    site.scratch.file("tell", tell);
    assert_ne!(site.tree(), tree);
    let ran = site.run().exits(1);
    assert!(ran.err.contains("look at it, and move it away"), "{ran:#?}");
    site.scratch.sh(
        "find R -name '*.before-*' | while read -r copy; do mv \"$copy\" \"${copy%.before-*}\"; done",
    );
    site.tree().is(&tree);
    let ran = site.run().exits(0);
    let done = format!("done: phase trust (1 of 4) {MORE}");
    assert_eq!(ran.err.lines().last(), Some(done.as_str()));
}

//! On the double of an appliance.

use std::{fs, os::unix::fs::PermissionsExt as _};

use certroll::demo::appliance::{Api, Fault};

use crate::{
    common::{Run, Running, skip},
    is_clean, run,
    site::Site,
};

/// The options that give the pair of before, by paths that hold anywhere.
fn previous(site: &Site) -> String {
    let default = site.scratch.text("default");
    format!("--previous-cert {default}.pem --previous-key {default}.key")
}

/// Plans a rollout of the pair `site` as `script`.
#[track_caller]
fn emit(site: &Site, more: &str) -> Run {
    let more = format!("{more} --emit-script script");
    site.plan(&site.scratch.text("site"), &more)
}

/// Whether plain HTTP answers, and whether there is a password.
fn settings(site: &Site) -> (bool, bool) {
    let (_, http, password) = site.appliance.state();
    (http, password)
}

fn hardened(site: &Site) -> String {
    let old = site.password("old.pw", r#"an "old\ word"#);
    let new = site.password("new.pw", r#"correct "horse\ battery"#);
    format!(
        "{} --set http=disabled --set current_password_file={old} --set admin_password_file={new}",
        previous(site)
    )
}

#[test]
fn a_script_sends_an_appliance_what_apply_sends_and_leaves_it_the_same() {
    for (api, hard) in [(Api::V1, false), (Api::V1, true), (Api::V2, true)] {
        let by = |script: bool| {
            let site = Site::new(api);
            if hard {
                site.appliance.set_password(Some(r#"an "old\ word"#));
            }
            let more = if hard {
                hardened(&site)
            } else {
                previous(&site)
            };
            if script {
                emit(&site, &more).exits(5);
                let ran = run(&site.scratch, "script").exits(0);
                let last = ran.err.lines().last();
                assert_eq!(last, Some("done: everything is in force and proved"));
                let key = site.scratch.read("site.key");
                let old = site.scratch.read("default.key");
                is_clean(
                    &site.scratch,
                    "script",
                    &[&key, &old, "horse", "old\\ word"],
                );
            } else {
                site.apply("site", &more).exits(0);
            }
            site.serves("site");
            site.nothing_in_the_clear();
            (site.changes(), settings(&site))
        };
        let (changes, settings) = by(true);
        assert_eq!(settings, (!hard, hard), "{api:?}");
        assert_eq!((changes, settings), by(false), "{api:?} {hard}");
    }
}

#[test]
fn a_script_for_an_appliance_reads_as_the_document_has_it_and_replaces_nothing() {
    let site = Site::new(Api::V1);
    let more = format!("{} --set http=disabled", previous(&site));
    emit(&site, &more).exits(5);
    let written = fs::metadata(site.scratch.path("script")).unwrap();
    assert_eq!(written.permissions().mode() & 0o7777, 0o700);
    let mut text = site.scratch.read("script");
    for (from, to) in [
        (site.scratch.text(""), "/root/".to_owned()),
        (site.scratch.fingerprint("site.pem"), "SITE".to_owned()),
        (
            site.scratch.fingerprint("default.pem"),
            "DEFAULT".to_owned(),
        ),
    ] {
        text = text.replace(&from, &to);
    }
    let ports = site.appliance.tls.iter().zip([443]);
    let ports = ports.chain(site.appliance.plain.iter().zip([8080, 3000, 8082]));
    for (port, shown) in ports {
        text = text.replace(&format!(":{port}"), &format!(":{shown}"));
    }
    // Which of the two digests is the lower one is chance.
    let text = text.replace("'SITE DEFAULT'", "'DEFAULT SITE'");
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/speechmatics/script.txt"
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(golden, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(golden).unwrap(), text);
    let before = site.scratch.read("script");
    let again = emit(&site, &more).exits(2);
    assert!(
        again.err.contains("`script` is there already"),
        "{again:#?}"
    );
    assert_eq!(site.scratch.read("script"), before);
    // Where there is nothing to do there is no script.
    run(&site.scratch, "script").exits(0);
    site.scratch.sh("rm script");
    let peer = site.appliance.peer();
    let said = site.scratch.fingerprint("site.pem");
    site.run(&["pin", "remove", &peer]).exits(0);
    site.run(&["pin", "add", &peer, "--fingerprint", &said])
        .exits(0);
    emit(&site, "--set http=disabled").exits(0);
    assert!(!site.scratch.path("script").exists());
}

#[test]
fn a_script_takes_back_what_does_not_show_and_nothing_that_was_refused() {
    let upload = "POST /v1/security/sslcertificate 200";
    for (fault, code, changes) in [
        (Fault::NeverSwitches, 3, vec![upload, upload]),
        (
            Fault::ResetsAfterBody,
            0,
            vec!["POST /v1/security/sslcertificate 0"],
        ),
        (Fault::DeniesSuccess, 3, vec![upload]),
        (
            Fault::Refuses,
            3,
            vec!["POST /v1/security/sslcertificate 400"],
        ),
        (
            Fault::Redirects,
            3,
            vec!["POST /v1/security/sslcertificate 307"],
        ),
        (
            Fault::Busy(1),
            0,
            vec!["POST /v1/security/sslcertificate 503", upload],
        ),
    ] {
        let site = Site::new(Api::V1);
        emit(&site, &previous(&site)).exits(5);
        site.appliance.fault(fault);
        let ran = run(&site.scratch, "script").exits(code);
        site.serves(if code == 0 { "site" } else { "default" });
        assert_eq!(site.changes(), changes, "{fault:?}: {ran:#?}");
        site.nothing_in_the_clear();
        let key = site.scratch.read("site.key");
        assert!(!ran.err.contains(key.lines().nth(1).unwrap()), "{fault:?}");
    }
}

#[test]
fn a_script_sends_nothing_to_another_peer_and_nothing_where_its_files_changed() {
    let site = Site::new(Api::V1);
    emit(&site, &previous(&site)).exits(5);
    let text = site.scratch.read("script");
    let known = site.scratch.fingerprint("default.pem");
    // The list of accepted leaves is all that changes.
    let (before, list) = text.split_once("\naccepted() {").unwrap();
    let other = format!(
        "{before}\naccepted() {{{}",
        list.replacen(&known, &"0".repeat(64), 1)
    );
    site.scratch.file("other", other);
    site.scratch.mode("other", 0o700);
    let ran = run(&site.scratch, "other").exits(1);
    assert!(
        ran.err
            .contains("which is not accepted: nothing is sent to it"),
        "{ran:#?}"
    );
    site.scratch.sh("cp renewed.key site.key");
    let ran = run(&site.scratch, "script").exits(1);
    assert!(ran.err.contains("does not belong to the leaf"), "{ran:#?}");
    site.scratch.sh("cp renewed.pem site.pem");
    let ran = run(&site.scratch, "script").exits(1);
    assert!(ran.err.contains("does not begin with the leaf"), "{ran:#?}");
    // Without the key of its leaf nobody is asked.
    emit_again(&site);
    site.scratch.file(
        "bin/openssl",
        "#!/bin/sh\n[ \"$1\" = base64 ] || exec /usr/bin/openssl \"$@\"\n",
    );
    site.scratch.mode("bin/openssl", 0o755);
    let mut pinless = site.scratch.program("./script");
    pinless.env(
        "PATH",
        format!("{}:/usr/bin:/bin", site.scratch.text("bin")),
    );
    Running::start(&mut pinless).end().exits(1);
    assert_eq!(site.changes(), Vec::<String>::new());
}

#[test]
fn a_revert_is_a_script_too_where_the_pair_of_before_is_named() {
    let site = Site::new(Api::V1);
    site.apply("site", &previous(&site)).exits(0);
    let revert = ["plan", "--revert", "--emit-script", "script"];
    let unnamed = site.run(&revert).exits(2);
    assert!(
        unnamed.err.contains("no file that was named"),
        "{unnamed:#?}"
    );
    let pair = site.scratch.text("site");
    let (cert, key) = (format!("{pair}.pem"), format!("{pair}.key"));
    let named = [
        &revert[..],
        &["--previous-cert", &cert, "--previous-key", &key],
    ]
    .concat();
    site.run(&named).exits(5);
    site.appliance.fault(Fault::NeverSwitches);
    run(&site.scratch, "script").exits(3);
    site.serves("site");
    site.appliance.fault(Fault::None);
    run(&site.scratch, "script").exits(0);
    site.serves("default");
    assert_eq!(
        site.changes().last().unwrap(),
        "DELETE /v1/security/reset 200"
    );
    is_clean(&site.scratch, "script", &[&site.scratch.read("site.key")]);
}

/// Plans the pair that is now in the files of `site`.
#[track_caller]
fn emit_again(site: &Site) {
    site.scratch.sh("rm script");
    emit(site, &previous(site)).exits(5);
}

#[test]
fn files_of_this_host_and_an_appliance_go_back_together_and_forth_together() {
    if !rustix::process::geteuid().is_root() {
        skip("only root plans for this host");
        return;
    }
    let site = Site::new(Api::V1);
    let dir = site.scratch.text("tls");
    site.scratch.file("tls/site.pem", "before\n");
    let body = format!(
        "resources: [{{kind: pem, path: {dir}/site.pem, form: fullchain}}, {{kind: pem, path: {dir}/site.key, form: key}}, \
         {{kind: pem, path: {dir}/both.pem, form: bundle}}, {{kind: template, path: {dir}/a.conf, from: a.tera, mode: \"0640\"}}]\n\
         deadline: 8\n"
    );
    site.scratch.profile("local", &body);
    site.scratch
        .file("P/local/a.tera", "of {{ identity.name }}\n");
    emit(&site, &format!("--profile local {}", previous(&site))).exits(5);
    site.appliance.fault(Fault::NeverSwitches);
    run(&site.scratch, "script").exits(3);
    assert_eq!(
        site.scratch.sh("ls -A tls; cat tls/*"),
        "site.pem\nbefore\n"
    );
    site.serves("default");
    site.appliance.fault(Fault::None);
    let ran = run(&site.scratch, "script").exits(0);
    for name in ["site.pem", "site.key"] {
        assert_eq!(
            site.scratch.read(&format!("tls/{name}")),
            site.scratch.read(name)
        );
    }
    // Neither is a file that was named.
    let both = ["site.key", "site.pem"].map(|name| site.scratch.read(name));
    assert_eq!(site.scratch.read("tls/both.pem"), both.concat());
    assert_eq!(
        site.scratch.sh("stat -c %a tls/a.conf tls/both.pem"),
        "640\n600\n"
    );
    assert!(site.scratch.read("tls/a.conf").starts_with("of "));
    assert_eq!(
        site.scratch.sh("ls script.files"),
        "1-both.pem\n2-a.conf\nsalt\n"
    );
    assert!(
        ran.err.contains("keys too, until you remove it: "),
        "{ran:#?}"
    );
    site.serves("site");
}

#[test]
fn no_key_or_password_is_in_an_argument_or_the_environment_of_a_program() {
    let site = Site::new(Api::V1);
    site.appliance.set_password(Some(r#"an "old\ word"#));
    emit(&site, &hardened(&site)).exits(5);
    let mut traced = site.scratch.program("strace");
    traced.args([
        "-f",
        "-v",
        "-s",
        "65536",
        "-e",
        "trace=execve",
        "-o",
        "trace",
        "./script",
    ]);
    Running::start(&mut traced).end().exits(0);
    let trace = site.scratch.read("trace");
    assert!(trace.contains("sslcertificate") && trace.contains("--pinnedpubkey"));
    let key = site.scratch.read("site.key");
    for secret in ["horse", "old\\", key.lines().nth(1).unwrap()] {
        assert!(!trace.contains(secret), "{secret}");
    }
}

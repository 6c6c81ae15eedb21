//! A rollout that is described by its source follows it: what another tool renews, a hook applies.

use std::os::unix::fs::lchown;

use super::folders::{refuses, scratch};
use crate::common::{Scratch, skip};

const LIVE: &str = "R/etc/letsencrypt/live/pbx.example.com";

/// Has certbot keep a pair: files of a generation, and links to them.
fn renewed(scratch: &Scratch, generation: usize) {
    let pair = format!("r{generation}");
    scratch.mint(&pair, "pbx.example.com");
    scratch.dir(LIVE);
    for (part, ending) in [("fullchain", "pem"), ("privkey", "key")] {
        let kept = format!("archive/pbx.example.com/{part}{generation}.pem");
        let bytes = scratch.read(&format!("{pair}.{ending}"));
        scratch.file(&format!("R/etc/letsencrypt/{kept}"), bytes);
        scratch.sh(&format!("rm -f {LIVE}/{part}.pem"));
        scratch.link(&format!("../../{kept}"), &format!("{LIVE}/{part}.pem"));
    }
}

/// Describes the rollout, and runs it once.
fn rolled_out() -> Scratch {
    let scratch = scratch();
    renewed(&scratch, 1);
    scratch.file(
        "R/etc/certroll/rollouts.d/pbx.yaml",
        "profiles: [own]\nfrom: certbot:pbx.example.com\n",
    );
    scratch.on_root("--profiles P apply pbx --yes").exits(0);
    scratch
}

#[test]
fn what_certbot_renews_is_applied_by_its_hook_once() {
    let scratch = rolled_out();
    assert_eq!(scratch.read("R/opt/server.crt"), scratch.read("r1.pem"));
    let quiet = scratch.on_root("--profiles P hooks run certbot").exits(0);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));

    renewed(&scratch, 2);
    scratch.on_root("--profiles P hooks run certbot").exits(0);
    assert_eq!(scratch.read("R/opt/server.crt"), scratch.read("r2.pem"));
    assert_eq!(scratch.read("R/opt/server.key"), scratch.read("r2.key"));
    let receipt = scratch.on_root("--json show 2").exits(0).json();
    assert_eq!(
        receipt["receipt"]["identity"]["source"],
        "certbot:pbx.example.com"
    );
    let quiet = scratch.on_root("--profiles P hooks run certbot").exits(0);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
}

#[test]
fn a_renewal_that_is_half_done_changes_nothing_and_is_taken_up_when_it_is_whole() {
    let scratch = rolled_out();
    renewed(&scratch, 2);
    // certbot removes each link before it makes it anew, one after the other.
    scratch.sh(&format!("rm {LIVE}/privkey.pem"));
    let run = scratch.on_root("--profiles P hooks run path").exits(2);
    assert!(
        run.err.contains(
            "half-written: `/etc/letsencrypt/live/pbx.example.com/privkey.pem` is missing"
        ),
        "{run:#?}"
    );
    scratch.link(
        "../../archive/pbx.example.com/privkey1.pem",
        &format!("{LIVE}/privkey.pem"),
    );
    let run = scratch.on_root("--profiles P hooks run path").exits(2);
    assert!(run.err.contains("key-mismatch"), "{run:#?}");
    assert_eq!(scratch.read("R/opt/server.crt"), scratch.read("r1.pem"));
    scratch.sh(&format!("rm {LIVE}/privkey.pem"));
    scratch.link(
        "../../archive/pbx.example.com/privkey2.pem",
        &format!("{LIVE}/privkey.pem"),
    );
    scratch.on_root("--profiles P hooks run path").exits(0);
    assert_eq!(scratch.read("R/opt/server.crt"), scratch.read("r2.pem"));
}

#[test]
fn a_plan_from_a_folder_is_saved_and_is_stale_once_the_folder_is_renewed() {
    let scratch = scratch();
    renewed(&scratch, 1);
    let line = "--profiles P plan --profile own --from certbot:pbx.example.com --out";
    for out in ["one.json", "two.json"] {
        scratch.on_root(&format!("{line} {out}")).exits(5);
    }
    scratch.on_root("apply --plan one.json --yes").exits(0);
    scratch.on_root("rollback --yes --profile own").exits(0);
    renewed(&scratch, 2);
    scratch.on_root("apply --plan two.json --yes").exits(7);
}

#[test]
fn the_folders_own_files_are_watched() {
    let scratch = rolled_out();
    scratch.file("R/usr/bin/certroll", "");
    scratch.dir("R/etc/systemd/system");
    let profiles = scratch.text("P");
    let line = format!("--profiles {profiles} hooks install --yes");
    let run = scratch.on_root(&line).exits(0);
    for watched in [
        "/etc/certroll/rollouts.d/pbx.yaml",
        "/etc/letsencrypt/live/pbx.example.com/fullchain.pem",
        "/etc/letsencrypt/live/pbx.example.com/privkey.pem",
    ] {
        let line = format!("PathChanged={watched}\n");
        assert!(run.out.contains(&line), "{line}: {run:#?}");
    }
    assert!(!run.out.contains("describe it in"), "{run:#?}");
}

#[test]
fn who_may_turn_a_link_of_the_folder_chooses_no_identity() {
    if !rustix::process::geteuid().is_root() {
        return skip("links of others can only be made by root");
    }
    let scratch = rolled_out();
    for (way, back) in [
        (
            format!("chown -h 65534 {LIVE}/privkey.pem; chmod 1777 {LIVE}"),
            format!("chown -h 0 {LIVE}/privkey.pem; chmod 0755 {LIVE}"),
        ),
        (format!("chmod 0777 {LIVE}"), format!("chmod 0755 {LIVE}")),
        (
            "chmod 0777 R/etc/letsencrypt/archive".to_owned(),
            "chmod 0755 R/etc/letsencrypt/archive".to_owned(),
        ),
    ] {
        scratch.sh(&way);
        let run = scratch.on_root("--profiles P apply pbx --yes");
        assert_eq!(run.code, 2, "{way}: {run:#?}");
        scratch.sh(&back);
        scratch.on_root("--profiles P apply pbx --yes").exits(0);
    }
    lchown(scratch.path(LIVE), Some(65534), None).unwrap();
    refuses(
        scratch.on_root("--profiles P apply pbx --yes"),
        "[source-open]",
    );
}

#[test]
fn a_store_in_a_folder_and_its_password_are_followed_and_a_rollout_has_one_source() {
    let scratch = scratch();
    scratch.sh(
        "mkdir -p R/srv/pair; echo geheim > R/srv/password; \
         openssl pkcs12 -export -in site.pem -inkey site.key -passout file:R/srv/password -out R/srv/pair/site.p12; \
         echo 'no part of it' > R/srv/pair/NOTES",
    );
    let rollout = "R/etc/certroll/rollouts.d/pbx.yaml";
    scratch.file(
        rollout,
        "profiles: [own]\nfrom: dir:/srv/pair\npassword_file: /srv/password\n",
    );
    scratch.on_root("--profiles P apply pbx --yes").exits(0);
    assert_eq!(scratch.read("R/opt/server.crt"), scratch.read("site.pem"));
    scratch.sh("cp R/srv/password secret");
    let line = "--profiles P plan --profile own --from dir:/srv/pair --password-file secret";
    scratch.on_root(line).exits(0);

    scratch.file(
        rollout,
        "profiles: [own]\nfrom: dir:/srv/pair\ncert: /srv/pair/site.p12\n",
    );
    refuses(scratch.on_root("--profiles P plan pbx"), "`cert`");
}

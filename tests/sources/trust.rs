//! Trust anchors: what others are given, and a host that trusts one and then no more.

use super::folders::refuses;
use crate::common::{Running, Scratch, skip};

/// A scratch directory with a self-signed pair, and one of a private CA.
pub(super) fn issued() -> Scratch {
    let scratch = Scratch::new();
    scratch
        .certroll("issue self-signed pbx.local --key-type p256")
        .exits(0);
    scratch
        .certroll("issue ca lab.local --key-type p256 --cert lab.crt --key lab.key")
        .exits(0);
    scratch
}

#[test]
fn the_anchor_is_the_leaf_itself_or_the_root_that_came_with_it() {
    let scratch = issued();
    for (file, anchor) in [
        ("server.crt", "server.crt"),
        ("ca.crt", "ca.crt"),
        ("lab.crt", "ca.crt"),
    ] {
        let run = scratch.certroll(&format!("trust export {file}")).exits(0);
        assert_eq!(run.out, scratch.read(anchor), "{file}");
    }
    scratch
        .certroll("trust export lab.crt --out root.cer --der")
        .exits(0)
        .says(
            "openssl x509 -inform DER -in root.cer -out /usr/local/share/ca-certificates/certroll-",
        );
    scratch.sh("openssl x509 -inform DER -in root.cer -out again.pem; cmp again.pem ca.crt");
    let run = scratch.certroll("trust export lab.crt --out root.cer");
    refuses(run, "`root.cer` is there already");
    scratch.sh("openssl x509 -in lab.crt -out alone.pem");
    let run = scratch.certroll("trust export alone.pem");
    refuses(run, "is not among what was given");
}

#[test]
fn the_printed_command_has_nss_take_the_leaf_that_it_refused() {
    let scratch = issued();
    scratch.sh("certutil -N -d sql:$PWD --empty-password");
    for (file, trusted) in [("server.crt", "P,,"), ("lab.crt", "C,,")] {
        let out = format!("{file}.pem");
        let line = format!("--json trust export {file} --out {out}");
        let json = scratch.certroll(&line).exits(0).json();
        let commands = json["commands"].as_array().unwrap();
        assert_eq!(commands.len(), 6, "{commands:#?}");
        let firefox = commands
            .iter()
            .find(|c| c["client"].as_str().unwrap().starts_with("Firefox"));
        // As printed, but for the store: a scratch one.
        let firefox = firefox.unwrap()["command"].as_str().unwrap();
        let firefox = firefox.replace("$HOME/.mozilla/firefox/PROFILE", "$PWD");
        scratch.sh(&format!(
            "openssl x509 -in {file} -out leaf.pem; certutil -A -d sql:$PWD -n leaf -t ,, -a -i leaf.pem; \
             ! certutil -V -d sql:$PWD -n leaf -u V >refused 2>&1; certutil -D -d sql:$PWD -n leaf"
        ));
        scratch.sh(&firefox);
        let listed = scratch.sh("certutil -L -d sql:$PWD");
        let anchor = listed
            .lines()
            .find(|l| l.starts_with("certroll-") && l.trim_end().ends_with(trusted));
        let anchor = anchor.unwrap_or_else(|| panic!("{listed}"));
        let name = anchor.split(' ').next().unwrap();
        if file == "lab.crt" {
            scratch.sh("certutil -A -d sql:$PWD -n leaf -t ,, -a -i leaf.pem; certutil -V -d sql:$PWD -n leaf -u V");
        } else {
            scratch.sh(&format!("certutil -V -d sql:$PWD -n {name} -u V"));
        }
    }
}

#[test]
fn another_root_gets_the_file_alone_and_is_told_what_to_run() {
    let scratch = issued();
    scratch.dir("R/usr/sbin");
    refuses(
        scratch.on_root("trust install server.crt --yes"),
        "there is no `/usr/local/share/ca-certificates`",
    );
    scratch.dir("R/usr/local/share/ca-certificates");
    scratch.dir("R/var/lib");
    scratch.file("R/usr/sbin/update-ca-certificates", "");
    let before = scratch.tree();
    refuses(
        scratch.on_root("trust install server.crt"),
        "there is no terminal to ask on",
    );
    scratch.tree().is(&before);
    scratch
        .on_root("trust install lab.crt --yes")
        .exits(0)
        .says("On that host itself, run: update-ca-certificates; find ");
    let placed = scratch.sh("cat R/usr/local/share/ca-certificates/certroll-*.crt");
    assert_eq!(placed, scratch.read("ca.crt"));
    // The root alone is the same anchor.
    let again = scratch.on_root("trust install ca.crt --yes").exits(0);
    assert!(again.last().starts_with("converged"), "{again:#?}");
    scratch.on_root("trust remove ca.crt --yes").exits(0);
    scratch.tree().is(&before);
    // What is named is taken back by a rollback as well, and nothing is where nothing is.
    scratch.on_root("trust install ca.crt --yes").exits(0);
    scratch
        .on_root("rollback --yes")
        .exits(0)
        .says("nothing to take back");
    let back = [
        "--root",
        "R",
        "rollback",
        "--yes",
        "--rollout",
        "certroll trust",
    ];
    Running::start(&mut scratch.command(&back))
        .end()
        .exits(0)
        .says("On that host itself, run: update-ca-certificates; find ");
    scratch.tree().is(&before);
    let again = scratch.on_root("trust remove lab.crt --yes").exits(0);
    assert!(again.last().starts_with("converged"), "{again:#?}");
}

#[test]
fn root_trusts_and_signs_with_nothing_that_others_may_have_put_there() {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can be led to do what others could not");
    }
    let scratch = issued();
    scratch.sh("mkdir -p R/usr/sbin R/var/lib R/usr/local/share/ca-certificates; touch R/usr/sbin/update-ca-certificates");
    let before = scratch.tree();
    let issue = "issue ca other.local --key-type p256 --cert other.crt --key other.key";
    let signed = scratch.certroll(issue).exits(0);
    assert!(
        signed
            .out
            .contains("signed by the CA that was there, ca.crt: `CN=Private CA "),
        "{signed:#?}"
    );
    scratch.sh("rm other.*; chown nobody ca.crt");
    for line in ["--root R trust install ca.crt --yes", issue] {
        let run = scratch.certroll(line).exits(2);
        assert!(run.err.contains("[source-open]"), "{run:#?}");
    }
    scratch.tree().is(&before);
    assert!(!scratch.path("other.key").exists());
    // What only shows it takes it from anywhere.
    scratch.certroll("trust export ca.crt").exits(0);
    scratch.sh("chown root ca.crt");
    let run = scratch.on_root("trust install ca.crt --yes").exits(0);
    assert!(
        run.out.contains("programs of this host trust it"),
        "{run:#?}"
    );
}

/// What happens in mounts and a network of its own, so that the machine's own trust store is left alone: one public anchor, no
/// hooks, a server with `$1.crt` at 4433, and the functions to look at both.
const PRIVATE: &str = r"
mount --make-rprivate /
ip link set lo up
mkdir ssl local none; cp -r /etc/ssl/openssl.cnf ssl; mkdir ssl/certs
echo mozilla/ISRG_Root_X1.crt > conf
mount --bind ssl /etc/ssl
mount --bind local /usr/local/share/ca-certificates
mount --bind conf /etc/ca-certificates.conf
mount --bind none /etc/ca-certificates/update.d
update-ca-certificates >/dev/null 2>&1
openssl s_server -accept 127.0.0.1:4433 -cert $1.crt -key $1.key -quiet -www >/dev/null 2>&1 &
server=$!
trap 'kill $server' EXIT
asks() { curl -sS --noproxy '*' --max-time 5 -o /dev/null --resolve $2:4433:127.0.0.1 https://$2:4433/; }
by_links() { openssl verify -no-CAfile -no-CAstore -CApath /etc/ssl/certs $1.crt >/dev/null 2>&1; }
store() { ls -l /etc/ssl/certs | awk '{print $1, $9, $10, $11}'; cat /etc/ssl/certs/ca-certificates.crt; ls /usr/local/share/ca-certificates; }
for _ in 1 2 3 4 5 6 7 8 9 10; do curl -sk --noproxy '*' -o /dev/null https://127.0.0.1:4433/ && break; sleep 0.2; done
";

/// Runs a script with such mounts as `$1` (a pair) and `$2` (its name) say; none where that needs root.
fn privately(scratch: &Scratch, pair: &str, name: &str, script: &str) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        skip("mounts of its own need root");
        return None;
    }
    let program = crate::common::CERTROLL;
    scratch.file(
        "script",
        format!(
            "set -eu\nunset SSL_CERT_FILE\ncertroll() {{ {program} --state $PWD/state \"$@\"; }}\n{PRIVATE}{script}"
        ),
    );
    Some(scratch.sh(&format!("unshare -m -n sh script {pair} {name} 2>&1")))
}

#[test]
fn curl_takes_the_leaf_after_install_and_refuses_it_after_remove() {
    for (pair, anchor, name) in [
        ("server", "server.crt", "pbx.local"),
        ("lab", "ca.crt", "lab.local"),
    ] {
        let scratch = issued();
        let script = format!(
            "
store > before
! asks $@ 2>refused; grep -q 'curl: (60)' refused
! by_links $1
certroll trust install {anchor} --yes
asks $@
by_links $1
certroll trust install {anchor} --yes | tail -n 1 | grep '^converged'
certroll --json show 1 > shown
certroll trust remove {anchor} --yes
! asks $@ 2>refused; grep -q 'curl: (60)' refused
! by_links $1
store > after
cmp before after
"
        );
        let Some(out) = privately(&scratch, pair, name, &script) else {
            return;
        };
        assert!(
            out.contains("committed: generation 1\n") && out.contains("committed: generation 2\n"),
            "{out}"
        );
        let shown: serde_json::Value = serde_json::from_str(&scratch.read("shown")).unwrap();
        assert_eq!(shown["receipt"]["outcome"], "committed");
        assert_eq!(shown["receipt"]["verdicts"][0]["good"], true, "{shown:#}");
    }
}

#[test]
fn an_update_that_fails_or_does_nothing_is_taken_back_whole() {
    for (fault, told) in [
        (
            "test -e $0.ran && exec /real/update-ca-certificates; : > $0.ran; exit 3",
            "exited with",
        ),
        (
            "test -e $0.ran && exec /real/update-ca-certificates; : > $0.ran; exit 0",
            "exited with 1",
        ),
    ] {
        let scratch = issued();
        let script = format!(
            "
store > before
mkdir real bin; cp /usr/sbin/update-ca-certificates real; cp -a /usr/sbin/. bin
printf '#!/bin/sh\\n%s\\n' '{fault}' | sed \"s|/real|$PWD/real|\" > bin/update-ca-certificates
mount --bind bin /usr/sbin
code=0; certroll trust install server.crt --yes || code=$?
echo ended with $code
store > after
cmp before after
"
        );
        let Some(out) = privately(&scratch, "server", "pbx.local", &script) else {
            return;
        };
        assert!(
            out.contains("ended with 3\n") && out.contains(told),
            "{out}"
        );
        assert!(out.contains("rolled back: generation 1"), "{out}");
    }
}

#[test]
fn a_rollback_takes_an_install_back_as_a_remove_does() {
    let scratch = issued();
    let script = "
store > before
certroll trust install server.crt --yes
asks $@
certroll rollback --rollout 'certroll trust' --yes
! asks $@ 2>refused; grep -q 'curl: (60)' refused
! by_links $1
store > after
cmp before after
certroll history
";
    let Some(out) = privately(&scratch, "server", "pbx.local", script) else {
        return;
    };
    assert!(
        out.contains("committed: generation 1\n") && out.contains("committed: generation 2\n"),
        "{out}"
    );
    assert!(out.contains("by hand, takes 1 back"), "{out}");
}

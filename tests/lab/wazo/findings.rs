//! What would break calls between the daemons, found in the plan.

use super::platform::{MIDDLE, OLD, Pbx};
use crate::host::Lab;

/// Mints a root that issued nothing here, where daemons can read it.
const OTHER: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=Other \
    -keyout /root/other.key -out /etc/ssl/other.pem 2>&1; chmod 644 /etc/ssl/other.pem";

#[test]
fn a_way_to_verify_that_does_not_suit_the_issuer_is_refused_before_any_call_breaks() {
    let lab = Lab::take();
    let pbx = Pbx::boot(&lab, MIDDLE);
    pbx.mint_issued();
    pbx.host.sh(OTHER);
    let before = pbx.tree();
    for (verify, code, finding) in [
        ("system", 2, "verify-system"),
        ("file", 2, "verify-file"),
        ("/etc/ssl/other.pem", 2, "verify-anchor"),
        ("/etc/ssl/nobody.pem", 2, "verify-anchor"),
        // The right one, below a directory that is root's alone.
        ("/root/root.pem", 1, "unreadable"),
    ] {
        let run = pbx.certroll(&format!("apply --yes --quiet --set verify={verify}"));
        let run = run.exits(code);
        let said = format!("{}{}", run.out, run.err);
        assert!(said.contains(&format!("[{finding}]")), "{run:#?}");
    }
    assert_eq!(pbx.tree(), before);

    // The same once the host trusts the root.
    pbx.host.sh(
        "install -m 644 /root/root.pem /usr/local/share/ca-certificates/root.crt; update-ca-certificates 2>&1",
    );
    pbx.certroll("apply --yes --set verify=system").exits(0);
    let answers = pbx.is_whole(&pbx.new_leaf());
    let mut by_tls = answers.all().filter(|call| !call.verify.is_null());
    assert!(by_tls.all(|call| call.verify == true));
}

#[test]
fn a_file_that_comes_before_the_override_is_named_and_breaks_what_the_plan_says() {
    let lab = Lab::take();
    let pbx = Pbx::boot(&lab, MIDDLE);
    pbx.mint();
    let local = "/etc/wazo-calld/conf.d/005-local.yml";
    pbx.host
        .file(local, "# by hand\nauth:\n  host: localhost\n");
    pbx.certroll("plan").exits(5).says(&format!(
        "{local}:3: `auth.host` is `localhost` for `wazo-calld`: this file comes before"
    ));
    pbx.certroll("apply --yes").exits(0);
    let refused = pbx.ask().refused();
    assert_eq!(
        refused,
        ["wazo-calld calls auth: `localhost` is no name of the leaf"]
    );
}

#[test]
fn what_another_writer_of_hosts_undoes_is_found_and_put_back() {
    let lab = Lab::take();
    let pbx = Pbx::boot(&lab, OLD);
    pbx.mint();
    pbx.certroll("apply --yes").exits(0);
    let after = pbx.tree();

    // As sysconfd writes it, from a template that is not the custom one.
    pbx.host
        .sh("sed -i 's/^127.0.0.1\\tpbx/127.0.1.1\\tpbx/' /etc/hosts");
    assert!(!pbx.ask().refused().is_empty());
    pbx.host.certroll("status").exits(5).says("/etc/hosts");
    pbx.host.certroll("apply --yes").exits(0);
    assert_eq!(pbx.tree(), after);
    pbx.is_whole(&pbx.new_leaf());
}

//! What would break calls between the daemons, found before it does.

use super::platform::{MIDDLE, Pbx};
use crate::host::Lab;

/// Mints a root that issued nothing here, where daemons can read it.
const OTHER: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=Other \
    -keyout /root/other.key -out /etc/ssl/other.pem 2>&1; chmod 644 /etc/ssl/other.pem";

#[test]
fn what_would_break_calls_is_named_or_refused_before_any_breaks() {
    let lab = Lab::take();
    let pbx = Pbx::boot(&lab, MIDDLE);
    pbx.mint_issued();
    pbx.host.sh(OTHER);
    // A file of the administrator's that comes before ours.
    let local = "/etc/wazo-calld/conf.d/005-local.yml";
    pbx.host
        .file(local, "# by hand\nauth:\n  host: localhost\n");
    pbx.certroll("plan").exits(5).says(&format!(
        "{local}:3: `auth.host` is `localhost` for `wazo-calld`: this file comes before"
    ));

    // Ways to verify that do not suit the issuer.
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

    // A way that suits, once the host trusts the root; the one call that fails is the one that the plan named.
    pbx.host.sh(
        "install -m 644 /root/root.pem /usr/local/share/ca-certificates/root.crt; update-ca-certificates 2>&1",
    );
    pbx.certroll("apply --yes --set verify=system").exits(0);
    let answers = pbx.ask();
    let mut by_tls = answers.all().filter(|call| !call.verify.is_null());
    assert!(by_tls.all(|call| call.verify == true));
    let refused = answers.refused();
    let named = "wazo-calld calls auth: `localhost` is no name of the leaf";
    assert_eq!(refused, [named]);
    pbx.host
        .sh(&format!("rm {local}; systemctl restart wazo-calld"));
    pbx.is_whole(&pbx.new_leaf());
}

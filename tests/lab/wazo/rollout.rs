//! Whole rollouts of the platform, forth and back, in each of its eras.

use super::platform::{CURRENT, Era, MIDDLE, OLD, Pbx};
use crate::host::Lab;

/// Rolls out, runs what the platform would run next, and rolls back.
fn everywhere_and_back(era: Era, verify: Option<&str>) {
    let lab = Lab::take();
    let pbx = Pbx::boot(&lab, era);
    match verify {
        Some("/etc/xivo/custom/custom-certificate-ca.pem") => pbx.mint_issued(),
        Some(_) | None => pbx.mint(),
    }
    let (old, new) = (pbx.default_leaf(), pbx.new_leaf());
    let before = pbx.tree();

    pbx.certroll("plan").exits(5);
    assert_eq!(pbx.tree(), before);
    let run = pbx.certroll("apply --yes").exits(0);
    assert!(run.last().starts_with("committed: "), "{run:#?}");
    let answers = pbx.is_whole(&new);
    for call in answers.all().filter(|call| !call.verify.is_null()) {
        assert_eq!(
            (call.host.as_str(), call.verify.as_str()),
            (era.dns, verify)
        );
    }

    let after = pbx.tree();
    let again = pbx.certroll("apply --yes").exits(0);
    assert!(again.last().starts_with("converged: "), "{again:#?}");
    pbx.host.certroll("status").exits(0);
    let rendered = || pbx.host.sh("cd /; xivo-update-config 2>&1");
    assert_eq!(rendered(), "'system' configuration OK, skipping.\nDONE\n");
    assert_eq!(pbx.tree(), after);

    // The other writer of hosts has a template of its own: that is drift, and gone when the renderer runs next.
    if verify.is_some() {
        pbx.host
            .sh("sed -i 's/^127.0.0.1\tpbx/127.0.1.1\tpbx/; /voice/d' /etc/hosts");
        pbx.host.certroll("status").exits(5).says("/etc/hosts");
        assert!(!pbx.ask().refused().is_empty());
        assert_eq!(rendered(), "'system' configuration UPDATED.\nDONE\n");
        assert_eq!(pbx.tree(), after);
    }

    pbx.host.certroll("rollback --yes").exits(0);
    assert_eq!(pbx.tree(), before);
    pbx.is_whole(&old);
}

#[test]
fn the_first_wazo_gets_a_self_signed_leaf_everywhere_and_its_own_back() {
    everywhere_and_back(OLD, Some("/usr/share/xivo-certs/server.crt"));
}

#[test]
fn wazo_with_tls_between_its_daemons_gets_a_leaf_of_a_private_ca_everywhere_and_its_own_back() {
    everywhere_and_back(MIDDLE, Some("/etc/xivo/custom/custom-certificate-ca.pem"));
}

#[test]
fn wazo_without_tls_between_its_daemons_gets_a_new_leaf_and_its_own_back() {
    everywhere_and_back(CURRENT, None);
}

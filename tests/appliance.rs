//! An appliance over the network is planned, set, proved and taken back like anything else: nothing of it is on this host.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod common;

#[path = "appliance/faults.rs"]
mod faults;
#[path = "appliance/settings.rs"]
mod settings;
#[path = "appliance/site.rs"]
mod site;
#[path = "appliance/two.rs"]
mod two;
#[path = "appliance/whole.rs"]
mod whole;

use certroll::demo::appliance::Api;

use crate::site::Site;

#[test]
fn a_pair_is_uploaded_once_proved_and_rolled_back_with_the_one_from_before() {
    let site = Site::new(Api::V1);
    let plan = site.plan("site", Site::DEFAULT).exits(5);
    for line in [
        "> POST https://127.0.0.1:",
        "CN=default",
        "undo: with the pair from before: POST https://127.0.0.1:",
    ] {
        assert!(plan.out.contains(line), "{plan:#?}");
    }
    assert_eq!(site.changes(), Vec::<String>::new());
    let applied = site.apply("site", Site::DEFAULT).exits(0);
    assert!(
        applied.last().starts_with("committed: generation 1"),
        "{applied:?}"
    );
    site.serves("site");
    assert_eq!(site.changes(), ["POST /v1/security/sslcertificate 200"]);
    let again = site.run(&["apply", "--yes"]).exits(0);
    assert!(again.last().starts_with("converged"), "{again:?}");
    let back = site.run(&["rollback", "--yes"]).exits(0);
    assert!(
        back.last().starts_with("committed: generation 2"),
        "{back:?}"
    );
    site.serves("default");
    let forth = site.run(&["rollback", "1", "--yes"]).exits(0);
    assert!(
        forth.last().starts_with("committed: generation 3"),
        "{forth:?}"
    );
    site.serves("site");
    assert_eq!(site.changes(), ["POST /v1/security/sslcertificate 200"; 3]);
    site.nothing_in_the_clear();
}

//! Identities that are renewed: one whose renewal came to nothing is told, whether a rollout follows it or not.

use serde_json::json;

use super::{on, rolled, root};
use crate::common::Scratch;

const ONE: &str = "R/var/lib/certroll/acme/www.example.org";

/// A root with a rollout, and an identity of an ACME server that nothing follows.
fn issued() -> Scratch {
    let scratch = root();
    scratch.mint("site", "site.example.com");
    rolled(&scratch, "site");
    scratch.dir(ONE);
    let asked = json!({
        "format": "certroll/acme/1", "names": ["www.example.org"], "server": "https://acme.example/dir",
        "contact": null, "key": "p256", "answering": { "http": { "port": 80 } }, "ca_file": null,
        "external": null, "left": 33,
    });
    scratch.file(&format!("{ONE}/asked.json"), asked.to_string());
    scratch
}

/// Has renewals come to nothing.
fn miss(scratch: &Scratch) {
    let missed = json!({ "when": 1_700_000_000, "count": 2, "message": "`port 80` is taken" });
    scratch.file(&format!("{ONE}/missed.json"), missed.to_string());
}

#[test]
fn a_renewal_that_came_to_nothing_is_told_to_monitoring_and_to_people() {
    let scratch = issued();
    let good = on(&scratch, "status --format nagios").exits(0);
    assert!(good.out.starts_with("CERTROLL OK - "), "{good:#?}");
    let metrics = on(&scratch, "status --format prometheus").exits(0).out;
    let sample = "certroll_renewal_failures{identity=\"www.example.org\"}";
    assert!(metrics.contains(&format!("{sample} 0\n")), "{metrics}");
    on(&scratch, "status").exits(0);

    miss(&scratch);
    for line in ["status --format nagios", "status own --format nagios"] {
        let late = on(&scratch, line).exits(1);
        let says = "CERTROLL WARNING - identity www.example.org: not renewed, 2 in a row: `port 80` is taken | ";
        assert!(late.out.starts_with(says), "{late:#?}");
    }
    let metrics = on(&scratch, "status --format prometheus").exits(0).out;
    assert!(metrics.contains(&format!("{sample} 2\n")), "{metrics}");
    let status = on(&scratch, "status").exits(5);
    let says = "BAD  identity www.example.org (no rollout follows it): not renewed on 2023-11-14";
    assert!(status.out.contains(says), "{status:#?}");
    let document = on(&scratch, "--json status").exits(5).json();
    let renewal = &document["renewals"][0];
    assert_eq!(renewal["missed"]["count"], 2, "{document:#}");
    assert_eq!(renewal["followed"], false, "{document:#}");
}

#[test]
fn one_that_another_rollout_follows_is_told_with_that_one() {
    let scratch = issued();
    miss(&scratch);
    let live = "/var/lib/certroll/acme/www.example.org/live";
    scratch.file(
        "R/etc/certroll/rollouts.d/other.yaml",
        format!("profiles: [own]\ncert: {live}/fullchain.pem\nkey: {live}/key.pem\n"),
    );
    on(&scratch, "status own --format nagios").exits(0);
    on(&scratch, "status own").exits(0);
    let all = on(&scratch, "status --format nagios");
    assert!(
        all.out.contains("identity www.example.org: not renewed"),
        "{all:#?}"
    );
}

#[test]
fn one_that_cannot_be_told_is_unknown_and_hides_no_other() {
    let scratch = issued();
    scratch.file(&format!("{ONE}/missed.json"), "{");
    let unknown = on(&scratch, "status --format nagios").exits(3);
    let says = "CERTROLL UNKNOWN - identity www.example.org: ";
    assert!(unknown.out.starts_with(says), "{unknown:#?}");
    let metrics = on(&scratch, "status --format prometheus").exits(0).out;
    let sample = "certroll_renewal_up{identity=\"www.example.org\"} 0\n";
    assert!(metrics.contains(sample), "{metrics}");
    assert!(
        metrics.contains("certroll_rollout_up{rollout=\"own\"} 1\n"),
        "{metrics}"
    );
    on(&scratch, "status").exits(5).says("cannot be told");
}

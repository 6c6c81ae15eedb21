//! DNS-01 by updates that Debian's Knot takes, from which pebble reads them.

use crate::{
    common::{Running, until},
    lane::{Lane, Moods, apart, listens, words},
};

const SECRET: &str = "h4kAm1zTtBe7l0EZbvmGmY4CkJw9mFYqC5xgO1dV5x8=";

#[test]
fn a_zones_server_takes_the_record_by_a_signed_update_and_gives_it_back() {
    apart(|| {
        let mut lane = Lane::with(&serde_json::json!({}), &[]);
        let scratch = &lane.scratch;
        let dir = scratch.text("knot");
        scratch.file(
            "knot/acme.example.zone",
            "$ORIGIN acme.example.\n@ 60 SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n",
        );
        let knot = format!(
            "server:\n  rundir: {dir}\n  listen: 127.0.0.1@5353\ndatabase:\n  storage: {dir}\nlog:\n  - target: stderr\n    any: info\n\
             key:\n  - id: acme\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
             acl:\n  - id: may\n    key: acme\n    action: update\n\
             zone:\n  - domain: acme.example\n    storage: {dir}\n    file: acme.example.zone\n    acl: may\n"
        );
        scratch.file("knot.conf", knot);
        let _server = Running::start(&mut words(scratch, "knotd -c knot.conf"));
        listens(5353);
        scratch.file(
            "tsig",
            format!("key \"acme\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};\n"),
        );
        scratch.file(
            "wrong",
            "key \"acme\" {\n\talgorithm hmac-sha256;\n\tsecret \"d3Jvbmc=\";\n};\n",
        );
        lane.start(5353, Moods::default());
        let order = |key: &str| {
            let how = format!("--id wild --dns-update 127.0.0.1:5353 --dns-key {key}");
            Lane::order("*.www.acme.example www.acme.example", &how)
        };
        let refused = lane.run(&order("wrong")).exits(1);
        assert!(
            refused
                .err
                .contains("does not take an update of `_acme-challenge.www.acme.example`: BADSIG"),
            "{refused:#?}"
        );
        assert!(!lane.log().contains("POST"), "{}", lane.log());
        lane.run(&order("tsig")).exits(0);
        lane.is_pair("wild");
        // Of the zone only its serial is another: what was added is gone.
        let records = || {
            let all = "knotc -c knot.conf zone-read acme.example | grep -v SOA";
            lane.scratch.sh(all)
        };
        let left = records();
        assert!(!left.contains("TXT") && left.contains("NS"), "{left}");
        // That of a run that was killed goes with the next one.
        let run = Running::start(&mut lane.command(&order("tsig --force")));
        until("the record", || run.said().contains("the server looks"));
        run.signal("KILL");
        run.end();
        assert!(records().contains("TXT"), "{}", records());
        lane.run("renew").exits(0);
        assert_eq!(records(), left);
    });
}

//! The sandbox of the shipped units: a whole rollout runs in it.

use crate::{
    host::{Host, Lab},
    nginx::{NEW, serve},
};

/// The settings of a unit's sandbox, out of its very file, as options of systemd-run.
fn sandbox(web: &Host<'_>, unit: &str) -> Vec<String> {
    let text = web.sh(&format!("cat /etc/systemd/system/{unit}.service"));
    let (_, service) = text.split_once("[Service]\n").unwrap();
    let own = ["Type=", "ExecStart", "TimeoutStartSec=", "#"];
    let options: Vec<String> = service
        .lines()
        .filter(|line| !own.iter().any(|key| line.starts_with(key)))
        .map(|line| format!("--property={line}"))
        .collect();
    assert!(options.len() > 8, "{options:?}");
    options
}

#[test]
fn a_whole_rollout_and_a_rollback_run_in_the_sandbox_of_the_units() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    serve(&web, "reload");
    web.certroll("hooks install --yes").exits(0);
    let options = sandbox(&web, "certroll-recover-network");
    let inside = |line: &str| {
        let mut argv = vec!["systemd-run", "--quiet", "--wait", "--pipe"];
        argv.extend(options.iter().map(String::as_str));
        argv.push("--");
        argv.extend(line.split(' '));
        web.exec(&argv)
    };
    let run = inside(&format!("certroll apply {NEW} --yes")).exits(0);
    assert_eq!(run.last(), "committed: generation 2, 1 probe good");
    let new = web.fingerprint("/root/new.pem");
    assert_eq!(client.leaf(&web, 443), Some(new));
    inside("certroll rollback --yes").exits(0);
    let old = web.fingerprint("/root/old.pem");
    assert_eq!(client.leaf(&web, 443), Some(old));

    // The sandbox is there: what can be done without it cannot be done in it.
    for forbidden in [
        "unshare --mount true",
        "chrt --rr 1 true",
        "mknod /root/null c 1 3",
    ] {
        web.sh(&format!("{forbidden}; rm -f /root/null"));
        let refused = inside(forbidden);
        assert_ne!(refused.code, 0, "{refused:#?}");
    }
    for unit in ["certroll-recover", "certroll-recover-network"] {
        let score = web.sh(&format!(
            "systemd-analyze security --no-pager {unit}.service | tail -1"
        ));
        println!("{unit}: {}", score.trim());
    }
}

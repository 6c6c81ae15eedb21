//! The phases of an upgrade, in which services are down on purpose.

use super::{DEEDS, WRITTEN, generations, is_quiet, looked_after, package, serves};
use crate::{
    common::Run,
    host::{Host, Lab},
};

/// Runs the phases in the order and with the heed of wazo-upgrade: nothing starts where the first one fails.
const UPGRADE: &str = r#"
phase() { for hook in /usr/share/wazo-upgrade/$1.d/*; do test ! -x "$hook" || "$hook" || test $1 != pre-stop || exit 255; done; }
phase pre-stop
test -z "$STOPS" || systemctl stop nginx
phase post-stop
dpkg -i $1
certroll history > /root/seen
phase pre-start
certroll history > /root/placed
systemctl is-active nginx > /root/active
systemctl start nginx
systemctl show -P InvocationID nginx > /root/invocation
phase post-start
"#;

fn upgrade(web: &Host<'_>, stops: &str, deb: &str) -> Run {
    web.file("/root/wazo-upgrade", UPGRADE);
    web.exec(&[
        "env",
        &format!("STOPS={stops}"),
        "sh",
        "/root/wazo-upgrade",
        deb,
    ])
}

#[test]
fn an_upgrade_has_files_put_right_while_services_are_down_and_proved_when_they_are_up() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    web.sh(
        "cd /; mkdir -p /usr/share/wazo-upgrade/pre-stop.d /usr/share/wazo-upgrade/post-stop.d \
            /usr/share/wazo-upgrade/pre-start.d /usr/share/wazo-upgrade/post-start.d",
    );
    let before = web.tree("/usr/share/wazo-upgrade");
    looked_after(&web);
    let good = web.tree(WRITTEN);
    let (_, does) = DEEDS[0];

    // Services that the upgrade starts have read the new files: they are proved, and not told again.
    let run = upgrade(&web, "yes", &package(&web, 1, does)).exits(0);
    assert!(run.out.contains("an upgrade is at work"), "{run:#?}");
    assert!(!web.sh("cat /root/seen").contains("hook dpkg"), "{run:#?}");
    let placed = web.sh("cat /root/placed");
    assert!(
        placed.contains("placed") && placed.contains("hook wazo-upgrade"),
        "{placed}"
    );
    assert_eq!(
        web.sh("cat /root/active || true"),
        "inactive\n",
        "it was started too early"
    );
    assert_eq!(run.last(), "committed: generation 4, 1 probe good");
    let started = web.sh("cat /root/invocation");
    assert_eq!(web.unit("nginx", "InvocationID"), started.trim());
    let shown = web.certroll("--json show 4").exits(0).json();
    assert_eq!(shown["receipt"]["commands"], serde_json::json!([]));
    assert_eq!(web.tree(WRITTEN), good);
    serves(&client, &web, "new");
    is_quiet(&web);
    assert_eq!(web.exec(&["test", "-e", "/run/certroll/upgrade"]).code, 1);

    // One that stays up all the while has not: it is told, and nothing else is.
    let run = upgrade(&web, "", &package(&web, 2, does)).exits(0);
    assert_eq!(run.last(), "committed: generation 6, 1 probe good");
    let shown = web.certroll("--json show 6").exits(0).json();
    let commands = serde_json::json!([
        "nginx -t",
        "systemctl reload --no-ask-password -- nginx.service"
    ]);
    assert_eq!(shown["receipt"]["commands"], commands);
    assert_eq!(web.unit("nginx", "InvocationID"), started.trim());
    is_quiet(&web);

    // One that changes nothing of this is quiet in every phase.
    let run = upgrade(&web, "yes", &package(&web, 3, "true")).exits(0);
    assert!(!run.out.contains("generation"), "{run:#?}");
    assert_eq!(generations(&web), 6);

    // Over half a rollout nothing is upgraded.
    web.sh("echo nonsense > /var/lib/certroll/pending");
    let run = upgrade(&web, "yes", "/nonexistent.deb").exits(255);
    assert!(run.err.contains("pending"), "{run:#?}");
    assert_eq!(web.unit("nginx", "ActiveState"), "active");
    web.sh("rm /var/lib/certroll/pending");
    web.certroll("hooks remove --yes").exits(0);
    assert_eq!(web.tree("/usr/share/wazo-upgrade"), before);
}

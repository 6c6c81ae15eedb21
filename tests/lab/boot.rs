//! Power that goes off in the middle of a rollout, and what the next boot makes of it.

use crate::{
    common::until,
    host::{Host, Lab},
    nginx::{NEW, SITE, serve},
};

/// Starts a rollout, and cuts the power at the n-th of a system call; false where it ended before.
fn cut(web: &Host<'_>, call: &str, n: u32) -> bool {
    web.sh("rm -f /root/trace");
    let trace = format!(
        "exec strace -f -qq -o /root/trace -e trace={call} -e inject={call}:signal=STOP:when={n} \
         certroll apply {NEW} --yes"
    );
    let mut running = web.start(&["sh", "-c", &trace]);
    let mut stopped = false;
    until("the call", || {
        let look = web.exec(&["grep", "-qs", "stopped by SIGSTOP", "/root/trace"]);
        stopped = look.code == 0;
        stopped || running.has_ended()
    });
    if stopped {
        web.kill();
    } else {
        running.end().exits(0);
    }
    stopped
}

/// Takes back what the test itself rolled out.
fn back(web: &Host<'_>, before: &str) {
    web.certroll("rollback --yes").exits(0);
    assert_eq!(web.tree(SITE), before);
}

/// A time in the life of a unit in this boot, microseconds of the monotonic clock; 0 where it did not come.
fn time(web: &Host<'_>, unit: &str, property: &str) -> u64 {
    web.unit(unit, property).parse().unwrap()
}

/// What the boots of a test came to.
#[derive(Debug, Default)]
struct Boots {
    taken_back: u32,
    finished_later: u32,
    kept: u32,
}

/// Boots a host whose power was cut, and holds it to the promise: whole before the first service starts, and nothing
/// left open once the network is there.
fn boot(web: &Host<'_>, client: &Host<'_>, before: &str, boots: &mut Boots) {
    web.up();
    until("what is owed", || {
        let open = web.exec(&["test", "-e", "/var/lib/certroll/pending"]);
        open.code == 1
    });
    let log =
        web.sh("journalctl --sync; journalctl --boot --no-pager --unit 'certroll-*' --unit nginx");
    for unit in ["certroll-recover", "certroll-recover-network"] {
        assert_eq!(web.unit(unit, "Result"), "success", "{log}");
    }
    let recovered = time(web, "certroll-recover", "ExecMainExitTimestampMonotonic");
    let started = time(web, "nginx", "ExecMainStartTimestampMonotonic");
    assert!(recovered < started, "{recovered} {started}: {log}");
    let is_old = web.tree(SITE) == before;
    let pair = if is_old { "old" } else { "new" };
    let leaf = web.fingerprint(&format!("/root/{pair}.pem"));
    assert_eq!(client.leaf(web, 443), Some(leaf), "{log}");
    // Nothing refers to that unit once it is done, so systemd forgets it; its journal does not.
    if log.contains("Finished certroll-recover-network.service") {
        boots.finished_later += 1;
    }
    if is_old {
        boots.taken_back += u32::from(recovered > 0);
    } else {
        boots.kept += 1;
        web.sh(
            "cmp /root/new.key /etc/nginx/pki/site.key; cmp /root/new.pem /etc/nginx/pki/site.pem",
        );
        back(web, before);
    }
}

#[test]
fn a_power_cut_at_any_rename_and_record_is_made_good_before_the_first_service_starts() {
    let lab = Lab::take();
    let [web, client] = lab.hosts(["web", "client"]);
    serve(&web, "reload");
    web.certroll("hooks install --yes").exits(0);
    // What recovery at boot does not need may be as broken as it likes.
    web.sh("mkdir -p /etc/certroll/rollouts.d; echo '[' > /etc/certroll/rollouts.d/broken.yaml");
    let before = web.tree(SITE);
    let mut boots = Boots::default();
    for call in ["renameat", "fdatasync"] {
        for n in 1.. {
            if !cut(&web, call, n) {
                break;
            }
            boot(&web, &client, &before, &mut boots);
        }
        back(&web, &before);
    }
    println!("{boots:?}");
    let Boots {
        taken_back,
        finished_later,
        kept,
    } = boots;
    assert!(
        taken_back >= 5 && finished_later >= 2 && kept >= 1,
        "{boots:?}"
    );
}

#[test]
fn hooks_are_known_to_systemd_and_leave_nothing_when_removed() {
    let lab = Lab::take();
    let [web] = lab.hosts(["web"]);
    let before = web.tree("/etc/systemd /lib/systemd/system /usr/local");
    web.certroll("hooks install --yes").exits(0);
    // Of no rollout there is no path to watch yet.
    assert_eq!(web.unit("certroll-hooks.timer", "ActiveState"), "active");
    assert_eq!(web.unit("certroll-hooks.path", "LoadState"), "not-found");
    let wants = web.unit("sysinit.target", "Wants");
    assert!(wants.contains("certroll-recover.service"), "{wants}");
    let verify = web.exec(&[
        "systemd-analyze",
        "verify",
        "certroll-recover.service",
        "certroll-recover-network.service",
        "certroll-hooks@timer.service",
        "certroll-hooks.timer",
    ]);
    assert_eq!((verify.code, verify.err.as_str()), (0, ""), "{verify:#?}");
    // A boot at which nothing is open runs neither.
    web.kill();
    web.up();
    for unit in ["certroll-recover", "certroll-recover-network"] {
        assert_eq!(web.unit(unit, "ExecMainStartTimestampMonotonic"), "0");
    }
    assert_eq!(web.unit("certroll-recover", "ConditionResult"), "no");
    web.certroll("hooks remove --yes").exits(0);
    assert_eq!(
        web.tree("/etc/systemd /lib/systemd/system /usr/local"),
        before
    );
    for unit in ["certroll-recover", "certroll-hooks.timer"] {
        assert_eq!(web.unit(unit, "LoadState"), "not-found");
        assert_eq!(web.unit(unit, "ActiveState"), "inactive");
    }
}

#[test]
fn a_journal_that_cannot_be_read_fails_its_unit_and_not_the_boot() {
    let lab = Lab::take();
    let [web] = lab.hosts(["web"]);
    serve(&web, "reload");
    web.certroll("hooks install --yes").exits(0);
    web.sh("echo nonsense > /var/lib/certroll/pending");
    web.kill();
    web.up();
    assert_eq!(web.unit("certroll-recover", "ActiveState"), "failed");
    assert_eq!(web.unit("nginx", "ActiveState"), "active");
    let failed = web.sh("systemctl list-units --failed --plain --no-legend | cut -d' ' -f1");
    assert_eq!(failed, "certroll-recover.service\n");
    let log = web
        .sh("journalctl --sync; journalctl --boot --no-pager --output cat --unit certroll-recover");
    assert!(log.contains("error: ") && log.contains("pending"), "{log}");
}

//! What clients notice of a rollout: three hosts are rolled at once, while a client on a fourth makes a TLS connection to
//! each every 10 ms, asks for a page on it, and counts.

use std::{thread, time::Duration};

use serde_json::Value;

use crate::{
    catalogue::page,
    common::{Running, until},
    host::{Host, Lab},
    nginx::{NEW, serve},
};

/// Connects until the file `STOP` is there, and prints what became of it; the file `GOING` says that it has begun.
const CLIENT: &str = r"
import hashlib, json, os, socket, ssl, sys, time
address, name, going, stop = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
leaves, errors, gap, lost = {}, {}, 0.0, None
while not os.path.exists(stop):
    at = time.monotonic()
    try:
        with socket.create_connection((address, 443), 5) as plain:
            with context.wrap_socket(plain, server_hostname=name) as peer:
                leaf = hashlib.sha256(peer.getpeercert(True)).hexdigest()
                peer.sendall(b'GET / HTTP/1.0\r\n\r\n')
                if not peer.recv(4096).startswith(b'HTTP/1.1 200'):
                    raise OSError('no page')
    except OSError as error:
        errors[str(error)] = errors.get(str(error), 0) + 1
        lost = at if lost is None else lost
    else:
        leaves[leaf] = leaves.get(leaf, 0) + 1
        if lost is not None:
            gap, lost = max(gap, time.monotonic() - lost), None
        if sum(leaves.values()) == 20:
            open(going, 'w').close()
    time.sleep(max(0, at + 0.01 - time.monotonic()))
print(json.dumps({'leaves': leaves, 'errors': errors, 'gap': round(gap * 1000), 'still': lost is not None}))
";

/// What one host's clients have seen.
#[derive(Debug)]
struct Seen {
    /// Connections by what they presented: the leaf of before, and the new one.
    old: u64,
    new: u64,
    errors: u64,
    /// Milliseconds from the first connection that failed to the next that was made.
    gap: u64,
}

impl Seen {
    #[track_caller]
    fn of(report: &Value, old: &str, new: &str) -> Self {
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let all =
            |key: &str| -> u64 { report[key].as_object().unwrap().values().map(number).sum() };
        let seen = Self {
            old: number(&report["leaves"][old]),
            new: number(&report["leaves"][new]),
            errors: all("errors"),
            gap: number(&report["gap"]),
        };
        assert_eq!(all("leaves"), seen.old + seen.new, "a third leaf: {report}");
        assert!(seen.old > 0 && seen.new > 0, "not seen to change: {report}");
        assert_eq!(report["still"], false, "it did not come back: {report}");
        seen
    }
}

/// Rolls all hosts at once under load; `old` and `new` are pairs in `/root`.
fn rolled(hosts: &[Host<'_>; 3], client: &Host<'_>, old: &str) -> Vec<Seen> {
    client.sh("rm -f /run/stop /run/going-*");
    client.file("/root/client.py", CLIENT);
    let load: Vec<Running> = hosts
        .iter()
        .map(|host| {
            let going = format!("/run/going-{}", host.address);
            let argv = [
                "python3",
                "/root/client.py",
                &host.address,
                &host.dns(),
                &going,
                "/run/stop",
            ];
            client.start(&argv)
        })
        .collect();
    until("the clients", || {
        let all = hosts.iter().map(|h| format!("/run/going-{}", h.address));
        let all: Vec<String> = all.collect();
        client.exec(&["ls", &all[0], &all[1], &all[2]]).code == 0
    });
    thread::scope(|scope| {
        let roll = |host| move || Host::certroll(host, &format!("apply {NEW} --yes")).exits(0);
        let runs: Vec<_> = hosts.iter().map(|host| scope.spawn(roll(host))).collect();
        for run in runs {
            assert!(run.join().unwrap().last().starts_with("committed: "));
        }
    });
    thread::sleep(Duration::from_millis(500));
    client.sh("touch /run/stop");
    let reports = load.into_iter().map(|client| client.end().exits(0).json());
    let seen = |(report, host): (Value, &Host<'_>)| {
        let leaf = |pair: &str| host.fingerprint(&format!("/root/{pair}.pem"));
        Seen::of(&report, &leaf(old), &leaf("new"))
    };
    reports.zip(hosts).map(seen).collect()
}

fn row(action: &str, seen: &[Seen]) -> String {
    let made: u64 = seen.iter().map(|one| one.old + one.new).sum();
    let failed: u64 = seen.iter().map(|one| one.errors).sum();
    let gaps: Vec<u64> = seen.iter().map(|one| one.gap).collect();
    let gap = match (gaps.iter().min(), gaps.iter().max()) {
        (Some(least), Some(most)) if *most > 0 => format!("{least} to {most} ms"),
        _ => "none".to_owned(),
    };
    format!("| {action} | {made} | {failed} | {gap} |\n")
}

#[test]
fn no_client_of_three_hosts_notices_a_reload_and_the_gap_of_a_restart_is_known() {
    let lab = Lab::take();
    let [a, b, c, client] = lab.hosts(["a", "b", "c", "client"]);
    let hosts = [a, b, c];
    for host in &hosts {
        serve(host, "reload");
    }
    let reload = rolled(&hosts, &client, "old");
    for host in &hosts {
        host.sh("cp /root/new.pem /root/before.pem; sed -i 's/action: reload/action: restart/' /root/profiles/site/profile.yaml");
        host.mint("/root/new");
    }
    let restart = rolled(&hosts, &client, "before");
    let rows = row("reload", &reload) + &row("restart", &restart);
    println!("{rows}");
    for seen in &reload {
        assert_eq!(seen.errors, 0, "{reload:#?}");
    }
    // That what failed is seen at all.
    for seen in &restart {
        assert!(seen.errors > 0 && seen.gap > 0, "{restart:#?}");
    }
    let head = "| nginx has to | connections made | failed | longest time without one, by host |\n|---|---|---|---|\n";
    page::put("load", &format!("{head}{rows}"));
}

//! Every built-in profile of a daemon, on the real daemon as Debian packages it.
//!
//! For each: a rollout takes the place of the pair that it runs with; a second one shows whether a reload alone brings the
//! new leaf, or what else does; a profile that gives it a leaf for a key is rolled back. `CERTROLL_CATALOGUE=PAGE` puts
//! what was measured into the table of that page; without it, the table of docs/profiles.md must say the same.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests read the profiles, say what they measured, and fail by panicking"
)]

mod daemons;
mod mail;
pub(crate) mod page;

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use daemons::{APP, Daemon, NET, PRELUDE, WEB};

use crate::host::{Host, Lab};

/// How long a reload may take to bring the new leaf: workers that hold the old one are gone by then.
const PATIENCE: Duration = Duration::from_secs(4);

/// Daemons whose test of their configuration looks at the pair, too. That of the others passes a leaf in place of a key, and only the
/// probe tells.
const PAIR_IS_TESTED: &[&str] = &["freeradius", "haproxy", "lighttpd", "nginx"];

/// What one daemon has shown.
struct Shown {
    profile: &'static str,
    version: String,
    proof: String,
    reload: &'static str,
}

#[test]
fn every_daemon_of_the_catalogue_serves_what_is_rolled_out_and_goes_back_when_it_breaks() {
    let lab = Lab::take();
    let [web, app, net, client] = lab.hosts(["web", "app", "net", "client"]);
    let groups = [(&web, WEB), (&app, APP), (&net, NET)];
    let client = &client;
    let shown: Vec<Result<Shown, String>> = thread::scope(|scope| {
        let running = groups.map(|(host, daemons)| {
            scope.spawn(move || {
                host.mint("/root/a");
                host.mint("/root/b");
                daemons
                    .iter()
                    .map(|d| caught(d, host, client))
                    .collect::<Vec<_>>()
            })
        });
        running
            .into_iter()
            .flat_map(|group| group.join().unwrap())
            .collect()
    });
    let (shown, failed): (Vec<_>, Vec<_>) = shown.into_iter().partition(Result::is_ok);
    let failed: Vec<String> = failed.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    page::settle(shown.into_iter().flatten().collect());
}

/// Tries a daemon, and keeps what fails for the end, so that one does not hide the others.
fn caught(daemon: &Daemon, host: &Host<'_>, client: &Host<'_>) -> Result<Shown, String> {
    let tried =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tried(daemon, host, client)));
    host.exec(&["systemctl", "stop", daemon.unit]);
    if tried.is_err() {
        // What it left open is not in the way of the next.
        host.certroll("recover --abandon");
    }
    tried.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        format!("{}: {}", daemon.profile, text.unwrap_or_default())
    })
}

fn tried(daemon: &Daemon, host: &Host<'_>, client: &Host<'_>) -> Shown {
    let Daemon { profile, unit, .. } = daemon;
    let started = Instant::now();
    host.sh(&format!("{PRELUDE}{}", daemon.before));
    let [a, b] = ["/root/a.pem", "/root/b.pem"].map(|pem| host.fingerprint(pem));
    let default = settled(client, host, daemon, Option::is_some);
    assert!(
        default.is_some(),
        "serves nothing to begin with: {}",
        log(host, unit)
    );

    // The first: from the default pair, or one that the daemon made for itself.
    let settings: Vec<String> = daemon
        .set
        .iter()
        .map(|set| format!(" --set {set}"))
        .collect();
    let rollout = |pair: &str| {
        let settings = settings.concat();
        format!("--profile {profile} --cert /root/{pair}.pem --key /root/{pair}.key{settings}")
    };
    let plan = host.certroll(&format!("plan {}", rollout("a"))).exits(5);
    let snakeoil = host.fingerprint("/etc/ssl/certs/ssl-cert-snakeoil.pem");
    if default == Some(snakeoil) {
        assert!(
            plan.out.contains("serves the platform's default identity"),
            "{plan:#?}"
        );
    }
    let run = host
        .certroll(&format!("apply {} --yes", rollout("a")))
        .exits(0);
    assert!(run.last().starts_with("committed: "), "{run:#?}");
    for port in daemon.ports {
        assert_eq!(leaf(client, host, *port), Some(a.clone()), "port {port:?}");
        probed(client, host, *port, &a);
    }

    // The second: files first, and the service is told by hand.
    host.certroll(&format!("apply {} --defer --yes", rollout("b")))
        .exits(0);
    let reload = measured(daemon, host, client, &b);
    let run = host.certroll(&format!("apply {profile} --yes")).exits(0);
    assert!(!run.last().starts_with("placed"), "{run:#?}");
    assert_eq!(
        settled(client, host, daemon, |leaf| *leaf == Some(b.clone())),
        Some(b.clone())
    );

    // The third gives it a leaf where its key should be.
    broken(host, profile);
    let before = host.sh("cat /root/b.pem");
    let invocation = host.unit(unit, "InvocationID");
    let run = host
        .certroll(&format!(
            "apply {} --profiles /root/broken --yes",
            rollout("a")
        ))
        .exits(3);
    assert!(run.last().starts_with("rolled back: "), "{run:#?}");
    let is_tested = config_test(profile)
        .is_some_and(|test| run.out.contains(&format!("`{test}` exited with ")));
    assert_eq!(is_tested, PAIR_IS_TESTED.contains(profile), "{run:#?}");
    if is_tested {
        assert_eq!(
            host.unit(unit, "InvocationID"),
            invocation,
            "it was restarted"
        );
    }
    assert_eq!(
        settled(client, host, daemon, |leaf| *leaf == Some(b.clone())),
        Some(b),
        "{before}"
    );
    assert_ne!(
        host.unit(unit, "ActiveState"),
        "failed",
        "{}",
        log(host, unit)
    );
    let version = host.sh(&format!(
        "dpkg-query --show --showformat '${{Version}}' {}",
        daemon.package
    ));
    println!(
        "{profile} {version}: reload {reload}, {:.1} s",
        started.elapsed().as_secs_f32()
    );
    Shown {
        profile,
        version: upstream(&version).to_owned(),
        proof: proof(daemon),
        reload,
    }
}

/// Tells whether a reload, or nothing at all, brings the leaf that is in place already.
fn measured(daemon: &Daemon, host: &Host<'_>, client: &Host<'_>, new: &str) -> &'static str {
    let brings = || {
        settled(client, host, daemon, |leaf| leaf.as_deref() == Some(new)).as_deref() == Some(new)
    };
    let can = host.unit(daemon.unit, "CanReload") == "yes" || daemon.reload.is_some();
    if !can {
        return if brings() { "not needed" } else { "has none" };
    }
    if leaf(client, host, daemon.ports[0]).as_deref() == Some(new) {
        return "not needed";
    }
    let plain = format!("systemctl reload {}", daemon.unit);
    let run = host.exec(&["sh", "-c", daemon.reload.unwrap_or(&plain)]);
    if run.code == 0 && brings() {
        "yes"
    } else {
        "no"
    }
}

/// Waits for what is hoped for, and returns what was seen last.
fn settled(
    client: &Host<'_>,
    host: &Host<'_>,
    daemon: &Daemon,
    hoped: impl Fn(&Option<String>) -> bool,
) -> Option<String> {
    let start = Instant::now();
    loop {
        let seen = leaf(client, host, daemon.ports[0]);
        if hoped(&seen) || start.elapsed() > PATIENCE {
            return seen;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// The leaf that OpenSSL is presented by another host, behind STARTTLS or not.
fn leaf(client: &Host<'_>, host: &Host<'_>, (starttls, port): (&str, u16)) -> Option<String> {
    client.leaf_behind(host, port, &flags(starttls, &host.dns()))
}

fn flags(starttls: &str, dns: &str) -> String {
    match starttls {
        "" => String::new(),
        "xmpp" => format!("-starttls xmpp -xmpphost {dns}"),
        other => format!("-starttls {other}"),
    }
}

/// Asserts that certroll on the other host sees the same.
fn probed(client: &Host<'_>, host: &Host<'_>, (starttls, port): (&str, u16), want: &str) {
    let scheme = if starttls.is_empty() {
        String::new()
    } else {
        format!("{starttls}://")
    };
    let target = format!("{scheme}{}:{port}", host.dns());
    let report = client
        .certroll(&format!("probe --json {target}"))
        .exits(0)
        .json();
    assert_eq!(
        report["probes"][0]["endpoints"][0]["leaf"]["sha256"], want,
        "{target}: {report}"
    );
}

/// Puts a copy of a profile into `/root/broken` that writes a leaf where the key should be.
fn broken(host: &Host<'_>, profile: &str) {
    let wrong = |text: &str| {
        text.replace("form: key,", "form: leaf,")
            .replace("form: bundle,", "form: fullchain,")
    };
    copied(host, profile, wrong);
}

/// Puts a copy of a profile into `/root/broken` that gives up soon.
fn copied(host: &Host<'_>, profile: &str, change: impl Fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("templates")
        .join(profile);
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let text = change(&fs::read_to_string(entry.path()).unwrap());
        let deadline = if name == "profile.yaml" {
            "\ndeadline: 4\n"
        } else {
            ""
        };
        host.file(
            &format!("/root/broken/{profile}/{name}"),
            format!("{text}{deadline}"),
        );
    }
}

/// The command by which a profile has the configuration tested.
fn config_test(profile: &str) -> Option<String> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("templates/{profile}/profile.yaml"));
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("config_test: [")?;
    let (words, _) = rest.split_once(']')?;
    Some(words.replace(", ", " "))
}

fn log(host: &Host<'_>, unit: &str) -> String {
    host.exec(&["journalctl", "--no-pager", "--lines", "20", "--unit", unit])
        .out
}

/// `3.7.11` of `3.7.11-0+deb12u1`, `9.18.49` of `1:9.18.49-1~deb12u3`.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.split(['-', '+', '~']).next().unwrap_or_default()
}

fn proof(daemon: &Daemon) -> String {
    let all = daemon.ports.iter().map(|(starttls, port)| match *starttls {
        "" => format!("TLS {port}"),
        scheme => format!("{scheme} {port}"),
    });
    all.collect::<Vec<_>>().join(", ")
}

//! The pair is put on another machine by the system's own ssh, and by a real sshd on the other side.

use std::{process::Child, time::Duration};

use certroll::demo::portal::Ways;

use crate::{
    common::{Run, Running, own_port, until},
    gaia::Gaia,
};

/// The machine, an sshd before it, and what a client needs for it.
struct Remote {
    gaia: Gaia,
    sshd: Child,
}

impl Remote {
    fn start() -> Option<Self> {
        let gaia = Gaia::start()?;
        gaia.scratch.sh(
            "for name in host user stranger; do ssh-keygen -q -t ed25519 -N '' -f $name.id; done; cp user.id.pub allowed",
        );
        let port = own_port();
        let at = |name: &str| gaia.scratch.text(name);
        let sshd = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nPermitRootLogin yes\n",
            at("host.id"),
            at("allowed")
        );
        gaia.scratch.file("sshd_config", sshd);
        let known = format!("[127.0.0.1]:{port} {}", gaia.scratch.read("host.id.pub"));
        gaia.scratch.file("known", known);
        let client = format!(
            "Host mgmt1\nHostName 127.0.0.1\nPort {port}\nUser root\nIdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\n\
             GlobalKnownHostsFile none\n",
            at("user.id"),
            at("known")
        );
        gaia.scratch.file("ssh_config", client);
        let config = at("sshd_config");
        std::fs::create_dir_all("/run/sshd").unwrap();
        let mut command = gaia.scratch.program("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f", &config]);
        command.stderr(std::process::Stdio::null());
        let sshd = command.spawn().unwrap();
        until("sshd", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        gaia.pin();
        Some(Self { gaia, sshd })
    }

    #[track_caller]
    fn rolls(&self, verb: &str, pair: &str) -> Run {
        self.gaia.run(&self.line(verb, pair))
    }

    fn line(&self, verb: &str, pair: &str) -> String {
        let config = self.gaia.scratch.text("ssh_config");
        let rollout = self.gaia.rollout(verb, pair);
        format!("{rollout} --set ssh=mgmt1 --set ssh_config={config}")
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        drop(self.sshd.kill());
        drop(self.sshd.wait());
    }
}

#[test]
fn a_pair_is_put_on_the_other_machine_proved_and_put_back_from_the_copy_there() {
    let Some(remote) = Remote::start() else {
        return;
    };
    let gaia = &remote.gaia;
    let default = gaia.scratch.fingerprint("web/conf/server.crt");
    let key = gaia.scratch.read("web/conf/server.key");

    let plan = remote.rolls("plan", "new").exits(5);
    for line in [
        "> ssh mgmt1 '",
        "(pair of httpd2) key, certificate",
        "\n    undo: exactly: ssh mgmt1 '",
        "[kept-there]",
        "proved by:\n",
    ] {
        assert!(plan.out.contains(line), "no {line:?} in {plan:#?}");
    }
    assert!(!plan.out.contains("PRIVATE KEY-"), "{plan:#?}");
    assert_eq!(gaia.told(), Vec::<String>::new());

    let applied = remote.rolls("apply --yes", "new").exits(0);
    assert_eq!(applied.last(), "committed: generation 1, 2 probes good");
    gaia.serves("new.pem");
    gaia.is_pinned_to(&gaia.scratch.fingerprint("new.pem"));
    assert_eq!(
        gaia.scratch.read("web/conf/server.key"),
        gaia.scratch.read("new.key")
    );
    assert_eq!(gaia.told(), ["process:httpd2", "process:httpd2 t"]);
    assert_eq!(
        gaia.scratch
            .sh("cd web/conf; stat -c '%n %a' * certroll-before/*"),
        "certroll-before 700\nserver.crt 640\nserver.key 600\ncertroll-before/server.crt 640\ncertroll-before/server.key 400\n"
    );
    gaia.run("apply --yes").exits(0).says("converged");

    gaia.run("rollback --yes").exits(0);
    assert_eq!(gaia.leaf(), Some(default.clone()));
    gaia.is_pinned_to(&default);
    assert_eq!(gaia.scratch.read("web/conf/server.key"), key);
    assert_eq!(gaia.portal.requests(), 0, "nothing is ever sent");
}

#[test]
fn a_server_that_does_not_come_back_gets_its_pair_again() {
    let Some(remote) = Remote::start() else {
        return;
    };
    let gaia = &remote.gaia;
    let default = gaia.scratch.fingerprint("web/conf/server.crt");
    gaia.behaves(Ways {
        rsa_only: true,
        ..Ways::default()
    });
    remote.rolls("apply --yes", "curve").exits(3);
    assert_eq!(gaia.leaf(), Some(default.clone()));
    gaia.is_pinned_to(&default);
}

#[test]
fn a_host_key_or_a_user_that_is_not_known_gets_no_pair_and_nothing_is_changed() {
    let Some(remote) = Remote::start() else {
        return;
    };
    let gaia = &remote.gaia;
    let tree = gaia.tree();
    let known = gaia.scratch.read("known");
    let other = gaia.scratch.read("stranger.id.pub");
    let (host, _) = known.split_once(' ').unwrap();
    gaia.scratch.file("known", format!("{host} {other}"));
    let refused = remote.rolls("apply --yes", "new").exits(3);
    assert!(
        refused
            .out
            .contains("nothing was sent: Host key verification failed."),
        "{refused:#?}"
    );
    gaia.scratch.file("known", &known);
    gaia.scratch.file("allowed", other);
    let refused = remote.rolls("apply --yes", "new").exits(3);
    assert!(refused.out.contains("Permission denied"), "{refused:#?}");
    gaia.tree().is(&tree);
    assert_eq!(gaia.told(), Vec::<String>::new());
}

#[test]
fn what_fails_on_the_other_machine_before_the_switch_changes_nothing_there() {
    let Some(remote) = Remote::start() else {
        return;
    };
    let gaia = &remote.gaia;
    let tree = gaia.tree();
    // A tool that is not there, and input that is cut off within the certificate.
    for (instead, said) in [
        ("no-such-tool", "failed with status 127"),
        ("head -c 2000", "failed with status 1"),
    ] {
        gaia.profile(&[("timeout 30 cat", instead)]);
        let failed = remote.rolls("apply --yes", "new").exits(3);
        assert!(failed.out.contains(said), "{failed:#?}");
        gaia.tree().is(&tree);
        assert_eq!(gaia.told(), Vec::<String>::new());
    }
}

#[test]
fn a_connection_that_breaks_after_the_switch_means_to_look() {
    let Some(remote) = Remote::start() else {
        return;
    };
    let gaia = &remote.gaia;
    let default = gaia.scratch.fingerprint("web/conf/server.crt");
    let broken = "process:httpd2 t; kill -9 $PPID\n        form";
    gaia.profile(&[("process:httpd2 t; true\n        form", broken)]);
    let found = remote.rolls("apply --yes", "new").exits(0);
    assert!(found.last().starts_with("committed"), "{found:#?}");
    gaia.serves("new.pem");
    gaia.run("rollback --yes").exits(0);
    assert_eq!(gaia.leaf(), Some(default.clone()));
    // What never comes to be served is taken back, although nobody heard that it was done.
    gaia.behaves(Ways {
        rsa_only: true,
        ..Ways::default()
    });
    remote.rolls("apply --yes", "curve").exits(3);
    assert_eq!(gaia.leaf(), Some(default));
}

#[test]
fn a_run_that_is_killed_before_or_after_the_switch_is_recovered_to_the_pair_of_before() {
    let Some(remote) = Remote::start() else {
        return;
    };
    let gaia = &remote.gaia;
    let default = gaia.scratch.fingerprint("web/conf/server.crt");
    let key = gaia.scratch.read("web/conf/server.key");
    // While the other side still reads, and while the server that was told is awaited.
    let slow = "sleep 1; timeout 30 cat";
    for (change, switched) in [
        (("timeout 30 cat", slow), false),
        (("sync;", "sync;"), true),
    ] {
        gaia.profile(&[change]);
        gaia.behaves(Ways {
            delay: Duration::from_secs(2),
            ..Ways::default()
        });
        let told = gaia.told().len();
        let running = Running::start(&mut gaia.command(&remote.line("apply --yes", "new")));
        if switched {
            until("tellpm", || gaia.told().len() == told + 2);
        } else {
            until("ssh", || running.said().contains("sending ssh"));
        }
        running.signal("KILL");
        assert_eq!(running.end().code, 137);
        gaia.run("status").exits(4);
        gaia.run("recover").exits(0);
        assert_eq!(gaia.leaf(), Some(default.clone()), "switched: {switched}");
        assert_eq!(gaia.scratch.read("web/conf/server.key"), key);
        gaia.is_pinned_to(&default);
        let left = gaia.scratch.sh("ls web/conf");
        assert!(!left.contains("certroll-new"), "{left}");
    }
}

#[test]
fn one_step_back_is_kept_there_and_a_pair_that_somebody_else_put_there_is_not_lost() {
    let Some(remote) = Remote::start() else {
        return;
    };
    let gaia = &remote.gaia;
    remote.rolls("apply --yes", "new").exits(0);
    remote.rolls("apply --yes", "curve").exits(0);
    let two = gaia.run("rollback 1 --yes --allow no-way-back").exits(0);
    gaia.serves("new.pem");
    assert!(two.last().starts_with("committed"), "{two:#?}");
    let more = gaia.run("rollback --yes").exits(1);
    assert!(more.err.contains("[pair-gone]"), "{more:#?}");
    gaia.serves("new.pem");

    remote.rolls("apply --yes", "curve").exits(0);
    gaia.scratch.sh(
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout web/conf/server.key -out web/conf/server.crt 2>&1; \
         ./tellpm process:httpd2; ./tellpm process:httpd2 t",
    );
    let other = gaia.scratch.fingerprint("web/conf/server.crt");
    until("the other pair", || gaia.leaf().as_ref() == Some(&other));
    let kept = gaia.run("rollback --yes").exits(1);
    assert!(kept.err.contains("[edited-since]"), "{kept:#?}");
    assert_eq!(gaia.leaf(), Some(other));
}

//! A reload that says it was done and was not: a real nginx that keeps its old configuration, and one that goes down.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::wrong_self_convention,
    reason = "a test works on the host, and one that cannot go on says so"
)]

mod common;

use std::{
    net::TcpListener,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use common::{Run, Running, Scratch, Snapshot, skip, until};

const NAME: &str = "site.example.com";

/// An nginx of the test's own, with its files below `N`.
struct Site {
    scratch: Scratch,
    port: u16,
    nginx: Running,
}

impl Site {
    /// Starts nginx with the pair `old`; none where there is no nginx.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test takes a port that is free"
    )]
    fn start(mint: impl Fn(&Scratch)) -> Option<Self> {
        if Command::new("/usr/sbin/nginx").arg("-v").output().is_err() {
            skip("nginx is not installed: apt-get install nginx-light");
            return None;
        }
        let scratch = Scratch::new();
        mint(&scratch);
        scratch.mint("new", NAME);
        scratch.sh("mkdir -p N/tls N/conf.d N/tmp; cp old.pem N/tls/site.pem; cp old.key N/tls/site.key; chmod 640 N/tls/site.key");
        let port = common::own_port();
        let top = scratch.text("N");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|part| format!("{part}_temp_path {top}/tmp/{part};\n"))
            .concat();
        let config = format!(
            "daemon off;\nuser root;\nworker_processes 1;\npid {top}/nginx.pid;\nerror_log {top}/error.log;\n\
             events {{}}\nhttp {{\naccess_log off;\n{temporary}server {{\nlisten 127.0.0.1:{port} ssl;\n\
             ssl_certificate {top}/tls/site.pem;\nssl_certificate_key {top}/tls/site.key;\n\
             location / {{ return 204; }}\n}}\ninclude {top}/conf.d/*.conf;\n}}\n"
        );
        scratch.file("N/nginx.conf", config);
        let mut command = scratch.program("/usr/sbin/nginx");
        let mut nginx = Running::start(command.args(["-p", &top, "-c", "nginx.conf"]));
        let first = AtomicBool::new(true);
        until("nginx to serve", || {
            assert!(!nginx.has_ended(), "nginx did not start");
            // A socket that listens before the pid file is there would make a reload fail.
            !first.swap(false, Ordering::Relaxed)
                && scratch.path("N/nginx.pid").exists()
                && TcpListener::bind(("127.0.0.1", port)).is_err()
        });
        let site = Self {
            scratch,
            port,
            nginx,
        };
        site.profile(&[], "", "3");
        assert_eq!(site.serves(), site.leaf("old"));
        Some(site)
    }

    /// Writes the profile, which reloads with nginx's own words unless others are given.
    fn profile(&self, reload: &[&str], test: &str, deadline: &str) {
        let top = self.scratch.text("N");
        let own = ["nginx", "-p", &top, "-c", "nginx.conf", "-s", "reload"];
        let reload = if reload.is_empty() { &own } else { reload };
        let test = match test {
            "" => format!(", config_test: [nginx, -p, {top}, -c, nginx.conf, -t]"),
            _ => String::new(),
        };
        self.scratch
            .file("P/web/broken.tera", "no such directive;\n");
        self.scratch.profile(
            "web",
            &format!(
                "settings: {{broken: {{default: \"no\", help: breaks the configuration}}}}\nresources:\n\
                 - {{kind: pem, path: {top}/tls/site.pem, form: fullchain}}\n\
                 - {{kind: pem, path: {top}/tls/site.key, form: key}}\n\
                 - {{kind: template, path: {top}/conf.d/broken.conf, from: broken.tera, when: set.broken == 'yes'}}\n\
                 services:\n- {{manager: command, action: reload, command: {reload:?}, limit: 10{test}}}\n\
                 probes:\n- {{tls: \"{NAME}:{}\", addresses: [127.0.0.1], service: nginx}}\ndeadline: {deadline}\n",
                self.port
            ),
        );
    }

    fn certroll(&self, line: &str) -> Run {
        self.scratch
            .certroll(&format!("--state state --profiles P {line}"))
    }

    fn apply(&self, more: &str) -> Run {
        self.certroll(&format!(
            "apply --yes --profile web --cert new.pem --key new.key {more}"
        ))
    }

    fn leaf(&self, pair: &str) -> String {
        self.scratch.fingerprint(&format!("{pair}.pem"))
    }

    /// The leaf that openssl gets from the port.
    fn serves(&self) -> String {
        let script = format!(
            "openssl s_client -connect 127.0.0.1:{} -servername {NAME} </dev/null 2>/dev/null > served.txt; \
             openssl x509 -in served.txt -out served.pem",
            self.port
        );
        self.scratch.sh(&script);
        self.leaf("served")
    }

    /// Waits until old workers are gone, and returns what is served from then on.
    fn settles_on(&self, pair: &str) {
        let leaf = self.leaf(pair);
        let mut in_a_row = 0;
        until("one leaf on every connection", || {
            in_a_row = if self.serves() == leaf {
                in_a_row + 1
            } else {
                0
            };
            in_a_row == 3
        });
    }

    fn files(&self) -> Snapshot {
        Snapshot::of(&self.scratch.path("N"), &["error.log", "tmp", "nginx.pid"])
    }

    /// Asserts that a rollout was rolled back: code, last line, files, what is served, nothing open.
    #[track_caller]
    fn is_back(mut self, run: &Run, before: &Snapshot) {
        assert_eq!(run.code, 3, "{run:#?}");
        assert!(run.last().starts_with("rolled back: "), "{run:#?}");
        self.files().is(before);
        self.settles_on("old");
        assert!(!self.nginx.has_ended(), "nginx is still there");
        assert!(!self.scratch.path("state/pending").exists());
        self.certroll("history").exits(0).says("rolled back");
    }
}

impl Drop for Site {
    /// Ends nginx the polite way: a master that is killed leaves its workers behind.
    fn drop(&mut self) {
        if !self.nginx.has_ended() {
            self.nginx.signal("TERM");
            for _ in 0..200 {
                if self.nginx.has_ended() {
                    break;
                }
                common::moment(10);
            }
        }
    }
}

fn valid(scratch: &Scratch) {
    scratch.mint("old", NAME);
}

fn expired(scratch: &Scratch) {
    scratch.mint_between("old", NAME, 2019, 2020);
}

#[test]
fn a_reload_that_nginx_swallows_is_found_out_by_the_handshake() {
    for mint in [valid, expired] {
        let Some(site) = Site::start(mint) else {
            return;
        };
        // nginx takes the signal, dislikes the file, says so in its log, and goes on as before.
        let pid = site.scratch.text("N/nginx.pid");
        site.profile(&["/usr/bin/pkill", "-HUP", "-F", &pid], "none", "2");
        let before = site.files();
        let run = site.apply("--set broken=yes");
        assert!(
            site.scratch
                .read("N/error.log")
                .contains("unknown directive"),
            "nginx was really asked"
        );
        assert!(run.out.contains("presents another leaf"), "{run:#?}");
        site.is_back(&run, &before);
    }
}

#[test]
fn a_service_that_the_reload_takes_down_is_noticed() {
    let Some(mut site) = Site::start(valid) else {
        return;
    };
    let pid = site.scratch.text("N/nginx.pid");
    site.profile(&["/usr/bin/pkill", "-TERM", "-F", &pid], "none", "2");
    let before = site.files();
    let run = site.apply("");
    // The way back cannot bring it up either: that is said, and the files are back.
    assert_eq!(run.code, 4, "{run:#?}");
    assert!(run.last().starts_with("stuck: "), "{run:#?}");
    assert!(
        run.out.contains("refused the connection") && run.out.contains("certroll recover"),
        "{run:#?}"
    );
    site.files().is(&before);
    until("nginx to end", || site.nginx.has_ended());
    let top = site.scratch.text("N");
    let mut command = site.scratch.program("/usr/sbin/nginx");
    site.nginx = Running::start(command.args(["-p", &top, "-c", "nginx.conf"]));
    until("the pid file", || site.scratch.path("N/nginx.pid").exists());
    site.profile(&["true"], "none", "2");
    site.settles_on("old");
    let status = site.certroll("status --profile web --cert new.pem --key new.key");
    status.exits(4);
    site.certroll("recover --abandon").exits(0);
    site.profile(&[], "", "3");
    site.apply("").exits(0);
    assert_eq!(site.serves(), site.leaf("new"));
}

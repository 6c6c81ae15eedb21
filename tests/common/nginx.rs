//! Debian's nginx on loopback, with a prefix, a configuration and a port of its own, and a profile for it.
#![allow(
    clippy::disallowed_methods,
    reason = "tests start the servers that the program works on"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![allow(dead_code, reason = "each test file uses a part of these helpers")]

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::common::{Run, Running, Scratch, Snapshot, own_port, until};

/// A server that serves the pair in `NAME/pki`; its configuration is in `NAME`, what it writes in `NAME.run`.
#[derive(Debug)]
pub(crate) struct Nginx {
    name: &'static str,
    pub(crate) port: u16,
    master: Running,
}

impl Nginx {
    /// Starts a server with a pair that was minted, and waits until it serves it.
    pub(crate) fn serving(scratch: &Scratch, name: &'static str, pair: &str) -> Self {
        scratch.file(
            &format!("{name}/pki/site.pem"),
            scratch.read(&format!("{pair}.pem")),
        );
        let key = format!("{name}/pki/site.key");
        scratch.file(&key, scratch.read(&format!("{pair}.key")));
        // Not what the profile wants: to be found again after a rollback.
        scratch.mode(&key, 0o640);
        scratch.owner(&key, 0, 33);
        scratch.dir(&format!("{name}/conf.d"));
        let port = own_port();
        let listen = format!("listen 127.0.0.1:{port} ssl;\n        return 200 \"{name}\\n\";");
        let mut server = Self::started(scratch, name, port, &(PAIR.to_owned() + &listen));
        let wanted = scratch.fingerprint(&format!("{pair}.pem"));
        until("nginx", || {
            assert!(!server.master.has_ended(), "nginx ended: {server:?}");
            server.leaf(scratch).as_deref() == Some(&wanted)
        });
        server
    }

    /// Starts a server of its own directories with what stands in its only server block.
    pub(crate) fn started(scratch: &Scratch, name: &'static str, port: u16, server: &str) -> Self {
        scratch.dir(&format!("{name}.run"));
        scratch.file(&format!("{name}/nginx.conf"), configuration(name, server));
        // Ended with the thread of its test, even where that is ended itself.
        let mut command = scratch.program("setpriv");
        command
            .args(["--pdeathsig", "TERM", "--"])
            .args(nginx(scratch, name, &[]));
        Self {
            name,
            port,
            master: Running::start(&mut command),
        }
    }

    /// The command by which it tests its configuration.
    pub(crate) fn test(&self, scratch: &Scratch) -> Vec<String> {
        nginx(scratch, self.name, &["-t"])
    }

    /// The fingerprint of the leaf that openssl is served; none where nothing is.
    pub(crate) fn leaf(&self, scratch: &Scratch) -> Option<String> {
        let ask = format!(
            "timeout 10 openssl s_client -connect 127.0.0.1:{} 2>/dev/null </dev/null \
             | openssl x509 -noout -fingerprint -sha256",
            self.port
        );
        let run = Running::start(scratch.program("sh").args(["-c", &ask])).end();
        let (_, digits) = run.out.trim().split_once('=')?;
        Some(digits.replace(':', "").to_lowercase())
    }

    /// Asserts what openssl is served now.
    #[track_caller]
    pub(crate) fn serves(&self, scratch: &Scratch, pair: &str) {
        let wanted = scratch.fingerprint(&format!("{pair}.pem"));
        assert_eq!(self.leaf(scratch), Some(wanted), "want {pair}.pem");
    }

    /// Waits until its only worker serves a pair: whoever reloads a server is answered before it has another worker, and
    /// while those of before still answer.
    pub(crate) fn settles_on(&self, scratch: &Scratch, pair: &str) {
        let wanted = Some(scratch.fingerprint(&format!("{pair}.pem")));
        until("one leaf on every connection", || {
            self.leaf(scratch) == wanted && self.workers().len() == 1
        });
    }

    /// The numbers of its workers.
    pub(crate) fn workers(&self) -> Vec<String> {
        let id = self.master.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.split_whitespace().map(str::to_owned).collect()
    }

    /// Its configuration and its pair.
    pub(crate) fn tree(&self, scratch: &Scratch) -> Snapshot {
        Snapshot::of(&scratch.path(self.name), &[])
    }

    /// Writes a profile of the server's name, which tells it by `command`; a setting of it is a directive of the
    /// configuration, which a test can break.
    pub(crate) fn profile(&self, scratch: &Scratch, command: &[String]) {
        let (name, port, dir) = (self.name, self.port, scratch.text(self.name));
        let test = nginx(scratch, name, &["-t"]);
        scratch.profile(
            name,
            &format!(
                r#"settings:
  {name}_directive: {{default: server_tokens off;, help: a directive}}
resources:
  - {{kind: pem, path: {dir}/pki/site.key, form: key, mode: "0600"}}
  - {{kind: pem, path: {dir}/pki/site.pem, form: fullchain, mode: "0644"}}
  - {{kind: template, path: {dir}/conf.d/directive.conf, from: directive.conf.tera, mode: "0644"}}
services:
  - {{manager: command, action: reload, command: {command:?}, config_test: {test:?}}}
probes:
  - {{tls: "127.0.0.1:{port}", addresses: [127.0.0.1], service: {name}}}
deadline: 3
"#
            ),
        );
        scratch.file(
            &format!("P/{name}/directive.conf.tera"),
            format!("{{{{ set.{name}_directive }}}}\n"),
        );
    }

    /// Writes the profile that reloads it.
    pub(crate) fn reloads(&self, scratch: &Scratch) {
        self.profile(scratch, &self.reload(scratch));
    }

    /// The command that reloads it.
    pub(crate) fn reload(&self, scratch: &Scratch) -> Vec<String> {
        nginx(scratch, self.name, &["-s", "reload"])
    }
}

impl Drop for Nginx {
    /// The master ends its workers: one that is killed leaves them.
    fn drop(&mut self) {
        let id = self.master.id().to_string();
        let asked = Command::new("kill")
            .args(["-s", "TERM", &id])
            .stderr(Stdio::null())
            .status();
        let start = Instant::now();
        while asked.is_ok() && start.elapsed() < Duration::from_secs(10) && !self.master.has_ended()
        {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn nginx(scratch: &Scratch, name: &str, more: &[&str]) -> Vec<String> {
    let (dir, conf) = (
        scratch.text(name),
        scratch.text(&format!("{name}/nginx.conf")),
    );
    let argv = ["nginx", "-p", &dir, "-c", &conf];
    argv.iter()
        .chain(more)
        .map(|word| (*word).to_owned())
        .collect()
}

/// The directives of a pair in `pki`.
pub(crate) const PAIR: &str =
    "ssl_certificate pki/site.pem;\n        ssl_certificate_key pki/site.key;\n        ";

fn configuration(name: &str, server: &str) -> String {
    let run = format!("../{name}.run");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("    {what}_temp_path {run}/{what};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 1;\npid {run}/pid;\nlock_file {run}/lock;\nerror_log stderr;\n\
         events {{ worker_connections 64; }}\nhttp {{\n    access_log off;\n{temporary}    include conf.d/*.conf;\n    \
         server {{\n        {server}\n    }}\n}}\n"
    )
}

/// Runs the program on the machine itself, with a state directory and profiles of the test's own.
#[track_caller]
pub(crate) fn live(scratch: &Scratch, line: &str) -> Run {
    scratch.certroll(&format!("--state S --profiles P {line}"))
}

/// The numbers of the generations that there are.
pub(crate) fn generations(scratch: &Scratch) -> usize {
    let history = live(scratch, "--json history").exits(0).json();
    history["generations"].as_array().unwrap().len()
}

/// Mints a self-signed pair `NAME.pem`, `NAME.key` whose leaf was valid in 2020 only.
pub(crate) fn mint_expired(scratch: &Scratch, name: &str, dns: &str) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![dns.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 12, 31);
    let leaf = params.self_signed(&key).unwrap();
    scratch.file(&format!("{name}.pem"), leaf.pem());
    scratch.file(&format!("{name}.key"), key.serialize_pem());
    let expired = scratch.sh(&format!(
        "openssl x509 -in {name}.pem -noout -checkend 0 || true"
    ));
    assert_eq!(expired.trim(), "Certificate will expire");
}

/// Tells why these tests cannot run here.
pub(crate) fn cannot() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can change the machine itself");
    }
    let asked = Command::new("/usr/sbin/nginx")
        .arg("-v")
        .stderr(Stdio::null())
        .status();
    (!asked.is_ok_and(|status| status.success())).then_some("nginx is not installed")
}

//! The platform of the story: two servers, and what is on the first of them.

use std::{sync::Arc, thread, time::Duration};

use super::Platform;
use crate::{
    demo::{host::Machine, scratch::Scratch},
    error::{Error, Result},
    host::{Command, Output},
};

/// The domains, the master first.
pub(super) const DOMAINS: [&str; 4] = [
    "era.local",
    "corp.example.com",
    "a.corp.example.com",
    "other.org",
];

/// The domain that everything is about.
pub(super) const DOMAIN: &str = "corp.example.com";

pub(super) const TOKEN: &str = "a-token-of-the-domain";

/// How long the directory and the settings take to the second server.
pub(super) const DELAY: Duration = Duration::from_millis(600);

/// When its roles are started: after that.
const COPIED: Duration = DELAY.saturating_add(Duration::from_millis(100));

/// The directory of the pair, as the host and the container have it.
pub(super) const HERE: &str = "/opt/era/syncroot/common/cert";
pub(super) const INSIDE: &str = "/var/lib/era_files/syncroot/common/cert";

/// The program that starts the roles of both servers anew, in their order.
pub(super) const RESTART: &str = "/usr/local/bin/start-roles";

/// As the platform exports it.
const EXPORTED: &str = r#"{
  "id": "c1",
  "content": {
    "aliases": {},
    "roles": [
      {"name": "ws1", "roletype": "ws", "iface": "eth0", "roleid": 1},
      {"name": "ws2", "roletype": "ws", "iface": "eth0", "roleid": 2}
    ]
  }
}
"#;

/// Lays the first server's files out, with the one root that it trusts (PEM).
pub(super) fn lay_out(scratch: &Scratch, root: &str) -> Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let hosts = format!("127.0.0.1\tlocalhost {DOMAIN}\n127.0.0.2\t{DOMAIN}\n");
    let passwd = format!("root:x:{uid}:{gid}::/:/bin/sh\n");
    for (path, text) in [
        ("/etc/hosts", hosts.as_str()),
        ("/etc/passwd", &passwd),
        ("/etc/group", &format!("root:x:{gid}:\n")),
        ("/etc/ssl/certs/ca-certificates.crt", root),
        ("/root/exported.json", EXPORTED),
    ] {
        scratch.put(path, text, 0o644)?;
    }
    scratch.dir(HERE)
}

/// The platform, one of whose servers this host is.
pub(super) struct Servers(pub(super) Arc<Platform>);

impl Machine for Servers {
    fn run(&mut self, command: &Command) -> Result<Output> {
        if command.argv != [RESTART] {
            return Err(Error::Run {
                command: command.line(),
                outcome: "was not found".to_owned(),
            });
        }
        self.0.restart(0);
        let platform = Arc::clone(&self.0);
        thread::spawn(move || {
            thread::sleep(COPIED);
            platform.restart(1);
        });
        Ok(Output {
            status: Some(0),
            ..Output::default()
        })
    }

    fn port(&self, port: u16) -> Option<u16> {
        (port == 443).then_some(self.0.port)
    }
}

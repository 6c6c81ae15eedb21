//! A gateway and a backend that trust one another by certificates, and calls through both.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    common::{Run, Scratch, own_port, skip, until},
    nginx::{Nginx, PAIR, cannot, live},
};

const DNS: &str = "pair.example.com";

pub(crate) const NEW: &str = "--cert new.pem --key new.key";

/// Two servers in `gateway` and `backend`, and the profile `pair` that rotates both.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) scratch: Scratch,
    backend: u16,
    gateway: u16,
    servers: [Nginx; 2],
}

impl Pair {
    /// Starts them with the pair `old`; none where that cannot be done here.
    pub(crate) fn old() -> Option<Self> {
        if let Some(reason) = cannot() {
            skip(reason);
            return None;
        }
        let scratch = Scratch::new();
        for name in ["old", "new", "other"] {
            scratch.mint(name, DNS);
        }
        for (name, trusted) in [("backend", "clients"), ("gateway", "backends")] {
            for end in ["pem", "key"] {
                scratch.file(
                    &format!("{name}/pki/site.{end}"),
                    scratch.read(&format!("old.{end}")),
                );
            }
            scratch.file(
                &format!("{name}/trust/{trusted}.pem"),
                format!("# put here by hand\n{}", scratch.read("old.pem")),
            );
        }
        let (b, g) = (own_port(), own_port());
        let server = format!(
            "listen 127.0.0.1:{b} ssl;\n        {PAIR}ssl_client_certificate trust/clients.pem;\n        \
             ssl_verify_client on;\n        return 200 \"backend\\n\";"
        );
        let backend = Nginx::started(&scratch, "backend", b, &server);
        let server = format!(
            "listen 127.0.0.1:{g};\n        location / {{\n            proxy_pass https://127.0.0.1:{b};\n            \
             proxy_ssl_certificate pki/site.pem;\n            proxy_ssl_certificate_key pki/site.key;\n            \
             proxy_ssl_trusted_certificate trust/backends.pem;\n            proxy_ssl_verify on;\n            \
             proxy_ssl_name {DNS};\n            proxy_ssl_server_name on;\n        }}"
        );
        let gateway = Nginx::started(&scratch, "gateway", g, &server);
        until("a call through both", || call(g).is_ok());
        let pair = Self {
            scratch,
            backend: b,
            gateway: g,
            servers: [backend, gateway],
        };
        pair.profile(|side| pair.reload(side));
        Some(pair)
    }

    /// Writes the profile that `docs/profiles.md` shows, of these directories and ports.
    pub(crate) fn profile(&self, tell: impl Fn(&str) -> Vec<String>) {
        let [backend, gateway] = &self.servers;
        let guide = std::fs::read_to_string("docs/profiles.md").unwrap();
        let (_, rest) = guide.split_once("```yaml\nprofile: pair\n").unwrap();
        let (profile, _) = rest.split_once("```").unwrap();
        let scratch = &self.scratch;
        let words = |argv: &[String]| format!("{argv:?}");
        let profile = [
            (
                "[nginx, -s, reload, -c, /etc/backend/nginx.conf]",
                words(&tell("backend")),
            ),
            (
                "[nginx, -s, reload, -c, /etc/gateway/nginx.conf]",
                words(&tell("gateway")),
            ),
            (
                "[nginx, -t, -c, /etc/backend/nginx.conf]",
                words(&backend.test(scratch)),
            ),
            (
                "[nginx, -t, -c, /etc/gateway/nginx.conf]",
                words(&gateway.test(scratch)),
            ),
            ("/etc/", scratch.text("")),
            (
                "backend.example.com:8443",
                format!("127.0.0.1:{}", self.backend),
            ),
            (
                "gateway.example.com:8080",
                format!("127.0.0.1:{}", self.gateway),
            ),
        ]
        .into_iter()
        .fold(profile.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "no {from:?} in {text}");
            text.replace(from, &to)
        });
        scratch.file("P/pair/profile.yaml", format!("profile: pair\n{profile}"));
    }

    /// Has the profile give up soon, where that is what is awaited.
    pub(crate) fn gives_up_soon(&self) {
        let profile = self.scratch.read("P/pair/profile.yaml");
        let soon = profile.replace("deadline: 60", "deadline: 2");
        assert_ne!(soon, profile);
        self.scratch.file("P/pair/profile.yaml", soon);
    }

    /// The command that reloads one side.
    pub(crate) fn reload(&self, side: &str) -> Vec<String> {
        self.servers[usize::from(side == "gateway")].reload(&self.scratch)
    }

    /// Has the backend take up its configuration, and waits until no worker of before can answer any more.
    pub(crate) fn reload_backend(&self) {
        let workers = || self.servers[0].workers();
        let before = workers();
        self.scratch.sh(&self.reload("backend").join(" "));
        until("new workers alone", || {
            let now = workers();
            !now.is_empty() && now.iter().all(|worker| !before.contains(worker))
        });
    }

    #[track_caller]
    pub(crate) fn certroll(&self, line: &str) -> Run {
        live(&self.scratch, line)
    }

    /// Rotates as far as a phase.
    #[track_caller]
    pub(crate) fn until(&self, phase: &str) -> Run {
        self.certroll(&format!("apply --profile pair {NEW} --until {phase} --yes"))
            .exits(0)
    }

    /// Whether the backend takes a client with this pair; with none where it is empty.
    pub(crate) fn takes(&self, pair: &str) -> bool {
        let shown = if pair.is_empty() {
            String::new()
        } else {
            format!("-cert {pair}.pem -key {pair}.key")
        };
        let script = format!(
            "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 10 openssl s_client -connect 127.0.0.1:{} {shown} \
             -quiet -ign_eof 2>/dev/null || true",
            self.backend
        );
        let answer = self.scratch.sh(&script);
        match answer.lines().next() {
            Some("HTTP/1.1 200 OK") => true,
            Some("HTTP/1.1 400 Bad Request") => false,
            _ => panic!("{pair:?}: {answer:?}"),
        }
    }

    /// Asserts which clients the backend takes, of `old`, `new`, `other` and one that shows nothing.
    #[track_caller]
    pub(crate) fn takes_only(&self, wanted: &[&str]) {
        for pair in ["old", "new", "other", ""] {
            assert_eq!(
                self.takes(pair),
                wanted.contains(&pair),
                "client {pair:?}, want {wanted:?}"
            );
        }
    }

    /// Asserts which pair each side shows, by its files.
    #[track_caller]
    pub(crate) fn shows(&self, backend: &str, gateway: &str) {
        for (side, pair) in [("backend", backend), ("gateway", gateway)] {
            for end in ["pem", "key"] {
                let found = self.scratch.read(&format!("{side}/pki/site.{end}"));
                assert_eq!(
                    found,
                    self.scratch.read(&format!("{pair}.{end}")),
                    "{side} {end}"
                );
            }
        }
    }

    /// Asserts who is accepted once so many phases are done, and what both sides show.
    #[track_caller]
    pub(crate) fn is_after(&self, phases: usize) {
        let (accepted, backend, gateway): (&[&str], _, _) = match phases {
            0 => (&["old"], "old", "old"),
            1 => (&["old", "new"], "old", "old"),
            2 => (&["old", "new"], "new", "old"),
            3 => (&["old", "new"], "new", "new"),
            _ => (&["new"], "new", "new"),
        };
        self.takes_only(accepted);
        self.shows(backend, gateway);
    }

    /// Calls all the time, every 10 ms, until it is asked how that went.
    pub(crate) fn calls(&self) -> Calls {
        let stop = Arc::new(AtomicBool::new(false));
        let made = Arc::new(AtomicUsize::new(0));
        let (ended, count, port) = (Arc::clone(&stop), Arc::clone(&made), self.gateway);
        let caller = std::thread::spawn(move || {
            let mut failed = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                let start = Instant::now();
                if let Err(why) = call(port) {
                    failed.push(why);
                }
                count.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10).saturating_sub(start.elapsed()));
            }
            failed
        });
        Calls { stop, made, caller }
    }
}

/// Calls that are being made.
#[derive(Debug)]
pub(crate) struct Calls {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    caller: JoinHandle<Vec<String>>,
}

impl Calls {
    /// Asserts that none failed, and returns how many were made.
    #[track_caller]
    pub(crate) fn all_well(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.caller.join().unwrap();
        let made = self.made.load(Ordering::Relaxed);
        assert!(
            failed.is_empty(),
            "{} of {made} calls failed: {:?}",
            failed.len(),
            &failed[..1]
        );
        assert!(made > 10, "only {made} calls");
        made
    }
}

/// One call of the gateway, which calls the backend by mutual TLS on a connection of its own.
fn call(port: u16) -> Result<(), String> {
    let mut answer = String::new();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .map_err(|e| e.to_string())?;
    let asked = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
    asked
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(|e| e.to_string())?;
    let well = answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("backend\n");
    if well { Ok(()) } else { Err(answer) }
}

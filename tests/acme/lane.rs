//! Pebble and its DNS server in network and mount namespaces of the test's own.

use std::{
    env,
    net::TcpStream,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::common::{Run, Running, Scratch, until};

/// The server's directory.
pub(crate) const SERVER: &str = "https://localhost:14000/dir";

/// What pebble does at random: whether it refuses a nonce and takes an earlier proof of a name for another order, in percent,
/// and for how many seconds at most it sleeps before it looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moods {
    pub(crate) refuses: u8,
    pub(crate) reuses: u8,
    pub(crate) sleeps: u8,
}

impl Default for Moods {
    fn default() -> Self {
        Self {
            refuses: 20,
            reuses: 0,
            sleeps: 0,
        }
    }
}

/// Set where a test runs in its namespaces.
const APART: &str = "CERTROLL_TEST_APART";

/// Runs the test that calls this again, in namespaces of its own, and `body` there.
#[track_caller]
pub(crate) fn apart(body: impl FnOnce()) {
    if env::var_os(APART).is_some() {
        return body();
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "only root can have namespaces with ports below 1024"
    );
    let test = std::thread::current().name().unwrap().to_owned();
    let own = env::current_exe().unwrap();
    let status = Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "--",
            "unshare",
            "--mount",
            "--net",
            "--",
        ])
        .arg(own)
        .args(["--exact", &test, "--nocapture"])
        .env(APART, "1")
        .stdin(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "{test} failed in its namespaces");
}

/// A scratch directory with `/etc` copied to `etc` and mounted, and pebble serving.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) scratch: Scratch,
    server: Option<Running>,
    _dns: Running,
}

impl Lane {
    /// Somebody else's web server on port 80, which shows a directory.
    pub(crate) fn web_server(&self, dir: &str) -> Running {
        let mut server = self.scratch.program("setpriv");
        server.args(["--pdeathsig", "KILL", "--", "python3"]);
        server.args(["-m", "http.server", "80", "-d", dir]);
        let server = Running::start(&mut server);
        until("the web server", || {
            TcpStream::connect("127.0.0.1:80").is_ok()
        });
        server
    }

    /// A lane whose pebble has these settings beside its own, and in which these names lead to loopback.
    pub(crate) fn with(settings: &Value, names: &[&str]) -> Self {
        let scratch = Scratch::new();
        scratch.sh(
            "ip link set lo up\ncp -a /etc etc\nmkdir -p etc/certroll/rollouts.d\nmount --make-rprivate /\nmount --bind etc /etc",
        );
        scratch.file(
            "etc/hosts",
            format!("127.0.0.1 localhost {}\n", names.join(" ")),
        );
        scratch.sh(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 9 \
               -subj /CN=pebble-ca 2>&1
             openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout pebble.key -out pebble.csr \
               -subj /CN=localhost 2>&1
             printf 'subjectAltName=DNS:localhost' >ext
             openssl x509 -req -in pebble.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -extfile ext -out pebble.pem 2>&1",
        );
        let mut pebble = json!({
            "listenAddress": "127.0.0.1:14000",
            "managementListenAddress": "127.0.0.1:15000",
            "certificate": "pebble.pem",
            "privateKey": "pebble.key",
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "retryAfter": { "authz": 1, "order": 1 },
            "domainBlocklist": ["blocked.example"],
        });
        for (name, value) in settings.as_object().unwrap() {
            pebble[name] = value.clone();
        }
        scratch.file("pebble.json", json!({ "pebble": pebble }).to_string());
        let dns = Running::start(&mut words(
            &scratch,
            "pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6= -dns01 127.0.0.1:8053 -http01= -https01= \
             -tlsalpn01= -management 127.0.0.1:8055",
        ));
        let mut lane = Self {
            scratch,
            server: None,
            _dns: dns,
        };
        listens(8055);
        lane.start(8053, Moods::default());
        lane
    }

    /// A lane with pebble's own settings, for one name.
    pub(crate) fn new(name: &str) -> Self {
        Self::with(&json!({}), &[name])
    }

    /// Starts the server, with none of what an earlier one knew, which looks names up on a port.
    pub(crate) fn start(&mut self, resolver: u16, moods: Moods) {
        self.server = None;
        let line = format!("pebble -config pebble.json -dnsserver 127.0.0.1:{resolver}");
        let mut pebble = words(&self.scratch, &line);
        pebble
            .env("PEBBLE_WFE_NONCEREJECT", moods.refuses.to_string())
            .env("PEBBLE_AUTHZREUSE", moods.reuses.to_string())
            .env("PEBBLE_VA_SLEEPTIME", moods.sleeps.to_string())
            .env("PEBBLE_VA_NOSLEEP", u8::from(moods.sleeps == 0).to_string());
        self.server = Some(Running::start(&mut pebble));
        listens(14000);
    }

    /// What the server wrote of itself so far.
    pub(crate) fn log(&self) -> String {
        self.server.as_ref().unwrap().said()
    }

    /// The command of a run with a state directory and profiles of the test's own.
    pub(crate) fn command(&self, line: &str) -> Command {
        let head = format!("--state {} --profiles P {line}", self.scratch.text("S"));
        let args: Vec<&str> = head.split_whitespace().collect();
        self.scratch.command(&args)
    }

    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Run {
        Running::start(&mut self.command(line)).end()
    }

    /// A run some hours from now.
    #[track_caller]
    pub(crate) fn later(&self, hours: u32, line: &str) -> Run {
        let run = self.command(line);
        let mut command = self.scratch.program("faketime");
        command
            .args(["-f", &format!("+{hours}h")])
            .arg(run.get_program())
            .args(run.get_args());
        Running::start(&mut command).end()
    }

    /// An order for a name, with more options.
    pub(crate) fn order(name: &str, more: &str) -> String {
        format!("issue acme {name} --server {SERVER} --ca-file ca.pem --agree-tos {more}")
    }

    /// The fingerprint of the leaf in force.
    #[track_caller]
    pub(crate) fn leaf(&self, id: &str) -> String {
        self.scratch.fingerprint(&live(id, "fullchain.pem"))
    }

    /// Asserts that key and leaf in force belong together.
    #[track_caller]
    pub(crate) fn is_pair(&self, id: &str) {
        let of = |what: &str, file: &str| {
            self.scratch
                .sh(&format!("openssl {what} -in {}", live(id, file)))
        };
        let (cert, key) = (
            of("x509 -noout -pubkey", "fullchain.pem"),
            of("pkey -pubout", "key.pem"),
        );
        assert_eq!(cert, key);
    }
}

/// A file of the pair in force.
pub(crate) fn live(id: &str, file: &str) -> String {
    format!("S/acme/{id}/live/{file}")
}

pub(crate) fn words(scratch: &Scratch, line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = scratch.program("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", words.next().unwrap()])
        .args(words);
    command
}

pub(crate) fn listens(port: u16) {
    until(&format!("port {port}"), || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
}

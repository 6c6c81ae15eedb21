//! A management server in a scratch directory: its pair, its httpd2 as a double, `tellpm` and `api` as scripts, and the very
//! profile that is built in, with the directory in the place of `/web/conf`.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use certroll::demo::portal::{Portal, Ways};

use crate::common::{Run, Running, Scratch, Snapshot, skip, until};

/// The server; it ends with the test.
pub(crate) struct Gaia {
    pub(crate) scratch: Scratch,
    pub(crate) portal: Arc<Portal>,
    ends: Arc<AtomicBool>,
    told: Option<JoinHandle<()>>,
}

/// What `api fingerprint -f json` prints, by openssl and not by the program under test.
const API: &str = r#"#!/bin/sh -eu
[ "$*" = "fingerprint -f json" ]
say() { openssl x509 -in "$AT/server.crt" -noout -fingerprint "-$1" | sed 's/.*=//'; }
printf '[ {\n  "fingerprint-sha1" : "%s",\n  "fingerprint-sha256" : "%s"\n} ]\n' "$(say sha1)" "$(say sha256)"
"#;

impl Gaia {
    /// Starts a server with the pair that its first-time wizard makes; none where these tests cannot run.
    pub(crate) fn start() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            skip("only root rolls out on `/`");
            return None;
        }
        let scratch = Scratch::new();
        scratch.dir("web/conf");
        // openssl-req(1) puts no SAN in by itself.
        scratch.sh(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=127.0.0.1 -keyout web/conf/server.key \
             -out web/conf/server.crt 2>&1; chmod 0400 web/conf/server.key; chmod 0640 web/conf/server.crt; \
             openssl x509 -in web/conf/server.crt -noout -text | { ! grep 'Subject Alternative'; }",
        );
        let (cn, names) = ("mgmt1.example.com", "IP:127.0.0.1,DNS:mgmt1.example.com");
        scratch.mint_rsa_for("new", cn, names);
        scratch.sh(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout curve.key -out curve.pem -days 365 \
             -subj /CN={cn} -addext subjectAltName={names} 2>&1"
        ));
        scratch.mode("curve.key", 0o600);
        let at = scratch.text("web/conf");
        scratch.file("api", API.replace("$AT", &at));
        let asks = format!("#!/bin/sh -eu\necho \"$*\" >>{}\n", scratch.text("told"));
        scratch.file("tellpm", asks);
        for name in ["api", "tellpm"] {
            scratch.mode(name, 0o755);
        }
        scratch.file("told", "");
        let portal = Arc::new(Portal::start(&scratch.path("web/conf")).unwrap());
        let ends = Arc::<AtomicBool>::default();
        let told = tells(&portal, &ends, scratch.path("told"));
        let gaia = Self {
            scratch,
            portal,
            ends,
            told: Some(told),
        };
        gaia.profile(&[]);
        let default = gaia.scratch.fingerprint("web/conf/server.crt");
        until("httpd2", || gaia.leaf().as_ref() == Some(&default));
        Some(gaia)
    }

    /// Writes the built-in profile for this server, with some texts in it replaced.
    pub(crate) fn profile(&self, changes: &[(&str, &str)]) {
        let home = env!("CARGO_MANIFEST_DIR");
        let path = format!("{home}/templates/checkpoint/profile.yaml");
        let mut text = std::fs::read_to_string(path).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "no {from:?}");
            text = text.replace(from, to);
        }
        let text = text
            .replace("/web/conf", &self.scratch.text("web/conf"))
            .replace("deadline: 90", "deadline: 3");
        self.scratch.file("P/checkpoint/profile.yaml", text);
    }

    /// Pins the server by what it says itself.
    pub(crate) fn pin(&self) {
        let said = self.scratch.sh("./api fingerprint -f json");
        let mut command = self
            .scratch
            .command(&["--state", "S", "pin", "add", &self.peer()]);
        Running::start(command.args(["--fingerprint", &said]))
            .end()
            .exits(0);
    }

    pub(crate) fn peer(&self) -> String {
        format!("127.0.0.1:{}", self.portal.port())
    }

    /// A command with the settings of this server.
    pub(crate) fn command(&self, line: &str) -> std::process::Command {
        let mut command = self.scratch.command(&["--state", "S", "--profiles", "P"]);
        command.args(line.split_whitespace());
        command
    }

    /// The command line of a rollout of a pair with the profile.
    pub(crate) fn rollout(&self, verb: &str, pair: &str) -> String {
        format!(
            "{verb} --profile checkpoint --cert {pair}.pem --key {pair}.key --set port={} --set tellpm={} --set api={}",
            self.portal.port(),
            self.scratch.text("tellpm"),
            self.scratch.text("api")
        )
    }

    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Run {
        Running::start(&mut self.command(line)).end()
    }

    pub(crate) fn behaves(&self, ways: Ways) {
        self.portal.behave(ways);
    }

    /// The fingerprint of the leaf that openssl is served; none where nothing is.
    pub(crate) fn leaf(&self) -> Option<String> {
        let ask = format!(
            "timeout 10 openssl s_client -connect {} 2>/dev/null </dev/null | openssl x509 -noout -fingerprint -sha256",
            self.peer()
        );
        let run = Running::start(self.scratch.program("sh").args(["-c", &ask])).end();
        let (_, digits) = run.out.trim().split_once('=')?;
        Some(digits.replace(':', "").to_lowercase())
    }

    #[track_caller]
    pub(crate) fn serves(&self, pem: &str) {
        assert_eq!(
            self.leaf(),
            Some(self.scratch.fingerprint(pem)),
            "want {pem}"
        );
    }

    pub(crate) fn tree(&self) -> Snapshot {
        Snapshot::of(&self.scratch.path("web"), &[])
    }

    /// What `tellpm` was told, a line each.
    pub(crate) fn told(&self) -> Vec<String> {
        let text = self.scratch.read("told");
        text.lines().map(str::to_owned).collect()
    }

    /// The leaf that is pinned, alone.
    #[track_caller]
    pub(crate) fn is_pinned_to(&self, fingerprint: &str) {
        let store: serde_json::Value =
            serde_json::from_str(&self.scratch.read("S/pins.json")).unwrap();
        let pin = &store["hosts"][self.peer()];
        assert_eq!(pin["sha256"], fingerprint);
        assert!(pin["next"].is_null(), "{pin:#}");
    }
}

/// Hands on what `tellpm` was told, after it has returned.
fn tells(portal: &Arc<Portal>, ends: &Arc<AtomicBool>, at: std::path::PathBuf) -> JoinHandle<()> {
    let (portal, ends) = (Arc::clone(portal), Arc::clone(ends));
    let lines = |at: &Path| std::fs::read_to_string(at).unwrap_or_default();
    thread::spawn(move || {
        let mut heard = 0;
        while !ends.load(Ordering::SeqCst) {
            let text = lines(&at);
            for line in text.lines().skip(heard) {
                let words: Vec<&str> = line.split(' ').collect();
                assert!(portal.told(&words).unwrap(), "{line}");
                heard += 1;
            }
            thread::sleep(Duration::from_millis(10));
        }
    })
}

impl Drop for Gaia {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(told) = self.told.take() {
            drop(told.join());
        }
    }
}

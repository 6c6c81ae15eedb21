//! An appliance's double, pairs, and runs of the binary on it.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "each part of these tests uses a part of this; a test that cannot go on says so"
)]

use std::time::Duration;

use certroll::demo::appliance::{Api, Appliance};

use crate::common::{Run, Running, Scratch};

/// How long the double takes for a change.
pub(crate) const DELAY: Duration = Duration::from_millis(300);

/// An appliance, a default pair of its own, and the pair `site` for it; its leaf is pinned.
pub(crate) struct Site {
    pub(crate) scratch: Scratch,
    pub(crate) appliance: Appliance,
}

impl Site {
    pub(crate) fn new(api: Api) -> Self {
        let site = Self::unpinned(api);
        let peer = site.appliance.peer();
        let said = site.scratch.fingerprint("default.pem");
        site.run(&["pin", "add", &peer, "--fingerprint", &said])
            .exits(0);
        site
    }

    pub(crate) fn unpinned(api: Api) -> Self {
        let scratch = Scratch::new();
        for name in ["default", "site", "renewed"] {
            pair(&scratch, name);
        }
        // What is in vain is so after a few seconds, too.
        let profile = include_str!("../../templates/speechmatics/profile.yaml");
        assert!(profile.contains("deadline: 30"));
        scratch.file(
            "P/speechmatics/profile.yaml",
            profile.replace("deadline: 30", "deadline: 8"),
        );
        let (cert, key) = (scratch.read("default.pem"), scratch.read("default.key"));
        let appliance = Appliance::start(api, (&cert, &key), DELAY).unwrap();
        Self { scratch, appliance }
    }

    pub(crate) fn command(&self, args: &[&str]) -> std::process::Command {
        let all: Vec<&str> = ["--state", "S", "--profiles", "P"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        self.scratch.command(&all)
    }

    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Running::start(&mut self.command(args)).end()
    }

    /// The words of a rollout of a pair, with settings.
    pub(crate) fn words(&self, command: &str, pair: &str, more: &str) -> Vec<String> {
        Self::words_for(&self.appliance, command, pair, more)
    }

    fn words_for(appliance: &Appliance, command: &str, pair: &str, more: &str) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut add = |text: &str| words.extend(text.split_whitespace().map(str::to_owned));
        add(command);
        add(&format!(
            "--profile speechmatics --cert {pair}.pem --key {pair}.key --set settle=1"
        ));
        for (name, value) in appliance.settings() {
            add(&format!("--set {name}={value}"));
        }
        add(more);
        words
    }

    #[track_caller]
    pub(crate) fn rolls(&self, command: &str, pair: &str, more: &str) -> Run {
        self.rolls_on(&self.appliance, command, pair, more)
    }

    /// A rollout on an appliance that need not be this one.
    #[track_caller]
    pub(crate) fn rolls_on(
        &self,
        appliance: &Appliance,
        command: &str,
        pair: &str,
        more: &str,
    ) -> Run {
        let words = Self::words_for(appliance, command, pair, more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.run(&words)
    }

    #[track_caller]
    pub(crate) fn plan(&self, pair: &str, more: &str) -> Run {
        self.rolls("plan", pair, more)
    }

    #[track_caller]
    pub(crate) fn apply(&self, pair: &str, more: &str) -> Run {
        self.rolls("apply --yes", pair, more)
    }

    /// The options that give the pair of before.
    pub(crate) const DEFAULT: &'static str =
        "--previous-cert default.pem --previous-key default.key";

    /// Another appliance, with the same default pair; its leaf is pinned.
    pub(crate) fn second(&self, api: Api) -> Appliance {
        let (cert, key) = (
            self.scratch.read("default.pem"),
            self.scratch.read("default.key"),
        );
        let appliance = Appliance::start(api, (&cert, &key), DELAY).unwrap();
        let said = self.scratch.fingerprint("default.pem");
        self.run(&["pin", "add", &appliance.peer(), "--fingerprint", &said])
            .exits(0);
        appliance
    }

    /// The leaf that openssl sees on a port, as a fingerprint.
    fn served(&self, port: u16) -> String {
        self.scratch.sh(&format!(
            "openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 > served.pem"
        ));
        self.scratch.fingerprint("served.pem")
    }

    #[track_caller]
    pub(crate) fn serves(&self, pair: &str) {
        self.is_served_by(&self.appliance, pair);
    }

    #[track_caller]
    pub(crate) fn is_served_by(&self, appliance: &Appliance, pair: &str) {
        let want = self.scratch.fingerprint(&format!("{pair}.pem"));
        for port in &appliance.tls {
            assert_eq!(
                self.served(*port),
                want,
                "port {port} does not serve {pair}"
            );
        }
    }

    /// What changed it: method, path and status of each request that is no `GET`.
    pub(crate) fn changes(&self) -> Vec<String> {
        Self::changes_of(&self.appliance)
    }

    pub(crate) fn changes_of(appliance: &Appliance) -> Vec<String> {
        let requests = appliance.requests();
        let changes = requests.iter().filter(|r| r.method != "GET");
        changes
            .map(|r| format!("{} {} {}", r.method, r.path, r.status))
            .collect()
    }

    /// Asserts that no key, password or request of change went in the clear.
    #[track_caller]
    pub(crate) fn nothing_in_the_clear(&self) {
        for request in self.appliance.requests() {
            if !request.tls {
                assert!(
                    request.key.is_none() && !request.login && request.method == "GET",
                    "{request:?}"
                );
            }
            let plain = request
                .key
                .as_deref()
                .is_none_or(|label| label == "PRIVATE KEY");
            assert!(plain, "{request:?}");
        }
    }

    /// A file with a password, and its absolute path.
    pub(crate) fn password(&self, name: &str, text: &str) -> String {
        self.scratch.file(name, format!("{text}\n"));
        self.scratch.mode(name, 0o600);
        self.scratch.text(name)
    }
}

/// Mints a pair for the double's address.
pub(crate) fn pair(scratch: &Scratch, name: &str) {
    scratch.mint_rsa_for(name, name, "IP:127.0.0.1,DNS:localhost");
}

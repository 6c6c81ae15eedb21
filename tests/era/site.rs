//! A platform's double, pairs, and runs of the binary on it.

use std::{process::Command, sync::Arc, time::Duration};

use certroll::demo::era::Platform;

use crate::common::{Run, Running, Scratch};

/// How long its other servers wait for a change.
pub(crate) const DELAY: Duration = Duration::from_millis(700);

/// The domain that is set.
pub(crate) const DOMAIN: &str = "corp.example.com";

/// A platform with pairs for its domain; the leaf of its API is pinned.
pub(crate) struct Site {
    pub(crate) scratch: Scratch,
    pub(crate) platform: Arc<Platform>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::of(DOMAIN)
    }

    /// The same, with the settings of another domain.
    pub(crate) fn of(domain: &str) -> Self {
        let scratch = Scratch::new();
        scratch.mint("builtin", "era.invalid");
        scratch.mint("old", domain);
        scratch.mint("site", domain);
        scratch.file("token", "a-token-of-the-site\n");
        scratch.mode("token", 0o600);
        let domains = ["era.local", domain, "a.corp.example.com"];
        let builtin = (scratch.read("builtin.pem"), scratch.read("builtin.key"));
        let builtin = (builtin.0.as_str(), builtin.1.as_str());
        let token = "a-token-of-the-site";
        let platform = Platform::start(&domains, domain, token, builtin, DELAY).unwrap();
        let platform = Arc::new(platform);
        let site = Self { scratch, platform };
        let said = site.scratch.fingerprint("builtin.pem");
        site.run(&format!(
            "pin add {} --fingerprint {said}",
            site.platform.api()
        ))
        .exits(0);
        site
    }

    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_with(line, &[])
    }

    /// The same, with words that have spaces in them.
    #[track_caller]
    pub(crate) fn run_with(&self, line: &str, more: &[String]) -> Run {
        let words = line.split_whitespace().map(str::to_owned);
        let words: Vec<String> = words.chain(more.iter().cloned()).collect();
        Running::start(&mut self.command(&words)).end()
    }

    /// A run that is yet to start; the leaf of `site` is one that its host trusts.
    pub(crate) fn command(&self, words: &[String]) -> Command {
        let mut all = vec!["--state", "S"];
        all.extend(words.iter().map(String::as_str));
        let mut command = self.scratch.command(&all);
        command.env("SSL_CERT_FILE", self.scratch.path("site.pem"));
        command
    }

    /// Rolls a pair out by a method.
    #[track_caller]
    pub(crate) fn rolls(&self, command: &str, more: &str) -> Run {
        self.rolls_from(command, "site.pem", "site.key", more)
    }

    /// The same, from these files.
    #[track_caller]
    pub(crate) fn rolls_from(&self, command: &str, cert: &str, key: &str, more: &str) -> Run {
        let line = format!(
            "{command} --profile era --cert {cert} --key {key} --set domain={DOMAIN} --set api={} --set port={} \
             --set token_file={} --set settle=1 --set wait=5 {more}",
            self.platform.api(),
            self.platform.port,
            self.scratch.text("token"),
        );
        let servers = format!("servers={}", self.platform.servers());
        self.run_with(&line, &["--set".to_owned(), servers])
    }

    /// Asserts which pair each server presents for a name.
    #[track_caller]
    pub(crate) fn serves(&self, name: &str, pair: &str) {
        let want = self.scratch.fingerprint(&format!("{pair}.pem"));
        for server in self.platform.servers().split(' ') {
            self.scratch.sh(&format!(
                "openssl s_client -connect {server}:{} -servername {name} </dev/null 2>/dev/null | openssl x509 > served.pem",
                self.platform.port
            ));
            let found = self.scratch.fingerprint("served.pem");
            assert_eq!(found, want, "{server} does not serve {pair} for {name}");
        }
    }

    /// What changed it: method and status of each request that is no `GET`.
    pub(crate) fn changes(&self) -> Vec<String> {
        let requests = self.platform.requests();
        let changes = requests.iter().filter(|r| r.method != "GET");
        changes
            .map(|r| format!("{} {}", r.method, r.status))
            .collect()
    }

    /// Key and leaf of a pair as one value, as the settings hold it.
    pub(crate) fn value(&self, pair: &str) -> String {
        self.scratch.read(&format!("{pair}.key")) + &self.scratch.read(&format!("{pair}.pem"))
    }
}

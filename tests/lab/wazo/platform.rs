//! A lab host of the platform, and what can be asked of it.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{
    common::Run,
    host::{Host, Lab},
};

/// What a rollout changes, or could.
const TREE: &str = "/etc/hosts /etc/hostname /etc/xivo /etc/xivo-* /etc/wazo-* /etc/nginx /usr/share/xivo-certs \
    /usr/share/wazo-certs /usr/share/xivo-config";

/// One era of the platform.
#[derive(Debug, Clone, Copy)]
pub(super) struct Era {
    /// Its fixture below `fixtures/hosts`, and its table beside this file.
    pub(super) name: &'static str,
    /// The name that the new leaf is for.
    pub(super) dns: &'static str,
    /// Every port that serves TLS, by whichever daemon.
    pub(super) ports: &'static [u16],
    /// How many calls the daemons make of one another, and how many of them by TLS.
    pub(super) calls: (usize, usize),
}

/// Names with TLS between all daemons, under the platform's first names.
pub(super) const OLD: Era = Era {
    name: "17.06",
    dns: "pbx.example.com",
    ports: &[
        443, 5040, 8500, 9298, 9486, 9489, 9491, 9493, 9497, 9499, 9500, 9502, 9503,
    ],
    calls: (35, 33),
};

/// The same under the names of today; the leaf is for a name that the host itself does not have.
pub(super) const MIDDLE: Era = Era {
    name: "20.03",
    dns: "voice.example.org",
    ports: &[
        443, 5040, 8501, 8666, 9296, 9298, 9300, 9302, 9304, 9486, 9489, 9491, 9493, 9497, 9499,
        9500, 9502, 9503,
    ],
    calls: (49, 40),
};

/// No TLS between the daemons.
pub(super) const CURRENT: Era = Era {
    name: "current",
    dns: "pbx.example.com",
    ports: &[443, 9499],
    calls: (16, 0),
};

/// One call of a daemon to another.
#[derive(Debug, Deserialize)]
pub(super) struct Call {
    pub(super) block: String,
    pub(super) host: String,
    /// A truth or a path; null where the call is plain.
    pub(super) verify: serde_json::Value,
    pub(super) error: Option<String>,
}

/// What the host says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Answers {
    /// By unit.
    pub(super) calls: BTreeMap<String, Vec<Call>>,
    /// The fingerprint by port, or why there is none.
    pub(super) leaves: BTreeMap<u16, String>,
}

impl Answers {
    /// The calls that came to nothing, in words.
    pub(super) fn refused(&self) -> Vec<String> {
        let failed = |unit: &String, call: &Call| {
            let error = call.error.as_ref()?;
            Some(format!("{unit} calls {}: {error}", call.block))
        };
        self.calls
            .iter()
            .flat_map(|(unit, calls)| calls.iter().filter_map(move |call| failed(unit, call)))
            .collect()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Call> {
        self.calls.values().flatten()
    }
}

/// A host of the platform, and another that looks at it.
#[derive(Debug)]
pub(super) struct Pbx<'l> {
    pub(super) host: Host<'l>,
    client: Host<'l>,
    pub(super) era: Era,
}

impl<'l> Pbx<'l> {
    /// Boots both, makes the first one of the platform, and sees that it does its work.
    pub(super) fn boot(lab: &'l Lab, era: Era) -> Self {
        let [host, client] = lab.hosts(["pbx", "client"]);
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let stand_ins = home.join("tests/lab/wazo");
        let fixture = home.join(format!("fixtures/hosts/wazo-{}/tree.txt", era.name));
        host.sh("mkdir /root/wazo");
        host.push(&fixture, "/root/wazo/tree.txt");
        let table = stand_ins.join(format!("{}.json", era.name));
        host.push(&table, "/root/wazo/era.json");
        for name in ["ask", "daemon", "install", "service", "update_config"] {
            let path = stand_ins.join(format!("{name}.py"));
            host.push(&path, "/root/wazo/");
        }
        host.sh("cd /root/wazo; python3 install.py");
        let pbx = Self { host, client, era };
        pbx.is_whole(&pbx.default_leaf());
        pbx
    }

    /// Mints a self-signed pair `/root/new.pem`, `/root/new.key` for the era's name.
    pub(super) fn mint(&self) {
        let dns = self.era.dns;
        self.host.sh(&format!(
            "cd /root; umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
             -subj /CN={dns} -addext subjectAltName=DNS:{dns} -keyout new.key -out new.pem 2>&1"
        ));
    }

    /// Mints a pair that a private CA issued by way of an intermediate: `/root/new.pem` has all of the chain, its root
    /// included, which is also `/root/root.pem`.
    pub(super) fn mint_issued(&self) {
        let dns = self.era.dns;
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        self.host.sh(&format!(
            "cd /root; umask 077; exec 2>&1
             openssl req -x509 {key} -days 3650 -subj /CN=Root -keyout root.key -out root.pem
             printf 'basicConstraints=critical,CA:true\\nkeyUsage=critical,keyCertSign\\n' >ca.ext
             printf 'subjectAltName=DNS:{dns}\\nextendedKeyUsage=serverAuth\\n' >leaf.ext
             openssl req {key} -subj /CN=Link -keyout link.key -out link.csr
             openssl x509 -req -in link.csr -CA root.pem -CAkey root.key -days 1000 -extfile ca.ext -out link.pem
             openssl req {key} -subj /CN={dns} -keyout new.key -out new.csr
             openssl x509 -req -in new.csr -CA link.pem -CAkey link.key -days 365 -extfile leaf.ext -out leaf.pem
             cat leaf.pem link.pem root.pem >new.pem"
        ));
    }

    /// A command of certroll with the new pair, `--set` and other flags included.
    #[track_caller]
    pub(super) fn certroll(&self, command: &str) -> Run {
        let pair = "--profile wazo --cert /root/new.pem --key /root/new.key";
        self.host.certroll(&format!("{command} {pair}"))
    }

    /// The leaf that the platform has at its place.
    pub(super) fn default_leaf(&self) -> String {
        let place = "$(ls -d /usr/share/wazo-certs /usr/share/xivo-certs 2>/dev/null | head -1)";
        self.host.fingerprint(&format!("{place}/server.crt"))
    }

    pub(super) fn new_leaf(&self) -> String {
        self.host.fingerprint("/root/new.pem")
    }

    pub(super) fn tree(&self) -> String {
        self.host.tree(TREE)
    }

    /// Asks the daemons about their calls, and every port for its leaf.
    #[track_caller]
    pub(super) fn ask(&self) -> Answers {
        let mut argv = vec![
            "python3".to_owned(),
            "/usr/share/lab-wazo/ask.py".to_owned(),
        ];
        argv.extend(self.era.ports.iter().map(u16::to_string));
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let run = self.host.exec(&argv).exits(0);
        serde_json::from_str(&run.out).unwrap()
    }

    /// Asserts that every unit runs, that every port serves one leaf, to the other host too, and that every call
    /// between the daemons comes to a good end.
    #[track_caller]
    pub(super) fn is_whole(&self, leaf: &str) -> Answers {
        let down = self.down();
        assert!(down.is_empty(), "not running: {down}");
        let answers = self.ask();
        let refused = answers.refused();
        assert!(refused.is_empty(), "{refused:#?}");
        let (all, tls) = self.era.calls;
        let by_tls = answers.all().filter(|call| !call.verify.is_null());
        assert_eq!((answers.all().count(), by_tls.count()), (all, tls));
        assert_eq!(answers.leaves.len(), self.era.ports.len());
        for (port, served) in &answers.leaves {
            assert_eq!(served, leaf, "port {port}");
        }
        assert_eq!(self.client.leaf(&self.host, 443).as_deref(), Some(leaf));
        answers
    }

    /// Units of the platform that do not run.
    #[track_caller]
    pub(super) fn down(&self) -> String {
        let units = "python3 -c 'import json; era = json.load(open(\"/root/wazo/era.json\")); \
            print(\"nginx\", *era[\"units\"], *era[\"idle\"])'";
        self.host.sh(&format!(
            "systemctl show --value --property=Id,ActiveState -- $({units}) | paste - - - | grep -vw active || true"
        ))
    }
}

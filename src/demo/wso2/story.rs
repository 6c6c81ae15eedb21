//! The story of a gateway that shows a client certificate to its backend.

use std::time::Duration;

use super::{
    Backend, Gateway,
    product::{BACKEND, GATEWAY, HOME, Product, Serving, TOML, input},
};
use crate::{
    Prepared,
    cli::text,
    demo::{
        Told, fold,
        host::DemoHost,
        mint::{Algorithm, Authority, Pair},
        scratch::Scratch,
        snapshot::Snapshot,
        teller::Teller,
        words::hold,
    },
    error::Result,
    host::{Command, Host as _},
    identity::Identity,
    pins::{self, Leaf, Pin, Pins, Source},
    plan::View,
    prepare,
    receipt::{Outcome, Receipt},
    rollouts::Request,
    source::Files,
};

/// The first certificate of several, PEM.
fn first(certificates: &str) -> &str {
    const END: &str = "-----END CERTIFICATE-----\n";
    let end = certificates.find(END).map(|at| at + END.len());
    end.and_then(|end| certificates.get(..end))
        .unwrap_or(certificates)
}

fn leaf_of(pair: &Pair) -> Result<Leaf> {
    let (identity, _) = Identity::assemble(&[input(&pair.cert)], None)?;
    Ok(Leaf::of(&identity.leaf.der))
}

/// The host, and what is rolled out to it.
pub(in crate::demo) struct Story<'a> {
    host: DemoHost<Product>,
    teller: Teller<'a>,
    pairs: [(Files, Leaf); 3],
    _backend: Serving,
}

impl<'a> Story<'a> {
    /// Lays the product's files out, starts gateway and backend, and pins the gateway.
    pub(in crate::demo) fn new(scratch: &Scratch, teller: Teller<'a>) -> Result<Self> {
        let now = jiff::Timestamp::now().as_second();
        let authority = Authority::new(now)?;
        let front = authority.issue("gw.example.com", Algorithm::P256, now)?;
        let behind = authority.issue("backend.example.com", Algorithm::P256, now)?;
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        for (path, text) in [
            (
                "/etc/hosts",
                "127.0.0.1\tlocalhost gw.example.com backend.example.com\n",
            ),
            ("/etc/backend.pem", first(&behind.cert)),
            (
                "/etc/passwd",
                &format!("root:x:{uid}:{gid}::/:/bin/sh\nwso2carbon:x:{uid}:{gid}::/:/bin/sh\n"),
            ),
            ("/etc/group", &format!("root:x:{gid}:\n")),
        ] {
            scratch.put(path, text, 0o644)?;
        }
        scratch.put(
            &format!("{HOME}/repository/conf/deployment.toml"),
            TOML,
            0o640,
        )?;
        scratch.dir(&format!("{HOME}/repository/deployment/server"))?;
        // The product's own, which it makes anew at each start.
        let own = format!("{HOME}/repository/resources/security/sslprofiles.xml");
        scratch.put(
            &own,
            "<parameter name=\"customSSLProfiles\"></parameter>\n",
            0o644,
        )?;
        let give = |name: &str| -> Result<(Files, Leaf)> {
            let pair = authority.issue("gateway-client.example.com", Algorithm::P256, now)?;
            let files = Files {
                cert: Some(scratch.pair_file(&format!("{name}.pem"), &pair.cert)?),
                key: Some(scratch.pair_file(&format!("{name}.key"), &pair.key)?),
                ..Files::default()
            };
            Ok((files, leaf_of(&pair)?))
        };
        let backend = Serving::start(&behind)?;
        let called = Backend {
            server: BACKEND.to_owned(),
            port: backend.port,
        };
        let home = scratch.root().join(HOME.trim_start_matches('/'));
        let machine = Product {
            root: scratch.root(),
            gateway: Gateway::start(&home, (&front.cert, &front.key), called)?,
            backend: backend.port,
        };
        let mut host = DemoHost::open(&scratch.root(), machine)?;
        host.lock(Duration::ZERO)?;
        let mut pins = Pins::default();
        let pin = Pin {
            leaf: leaf_of(&front)?,
            first_seen: now,
            source: Source::Manual,
            next: None,
        };
        pins.hosts.insert(GATEWAY.to_owned(), pin);
        pins::save(&mut host, &pins)?;
        Ok(Self {
            host,
            teller,
            pairs: [give("gateway")?, give("renewed")?, give("again")?],
            _backend: backend,
        })
    }

    /// Tells all chapters.
    pub(in crate::demo) fn tell(mut self) -> Result<Told> {
        self.first()?;
        self.renewed()?;
        let paths = self.deaf()?;
        let rollouts = 2;
        Ok(Told {
            held: format!("{rollouts} identities seen by the backend, {paths} paths as before"),
            figures: vec![("rollouts", rollouts), ("paths", paths)],
        })
    }

    fn first(&mut self) -> Result<()> {
        self.chapter(
            "A gateway whose backend demands a client certificate",
            "The backend is `certroll serve mtls`: it refuses who shows nothing, and names the leaf it saw. The gateway shows nothing\n\
             yet, so its API fails. The plan makes its key store, trusts the backend, writes the profiles and points the product at them.\n\
             $ certroll apply --profile wso2 --set backend=backend.example.com:9444 --cert gateway.pem --key gateway.key --yes",
        )?;
        let prepared = self.prepared(0)?;
        let view = View::of(&prepared.plan, &self.host);
        self.teller.say(&fold::fold(&text::plan(&view, false)));
        let warned = prepared.plan.findings.iter().any(|f| f.name == "allow-all");
        hold(warned, "the plan", "a warning of AllowAll", || {
            "has none".to_owned()
        })?;
        let failed = self.gateway_log().last().cloned().unwrap_or_default();
        let is_refused = failed.contains("SSLHandshakeException");
        hold(is_refused, "the gateway's log", "a refusal", || {
            failed.clone()
        })?;
        self.teller
            .say(&format!("\n  the gateway's log: {failed}\n"));
        let receipt = self.carry_out(prepared)?;
        self.teller.ended(&receipt, Outcome::Committed)?;
        self.saw(&receipt, 0)
    }

    fn renewed(&mut self) -> Result<()> {
        self.chapter(
            "A renewal, and no restart",
            "Only the key store changes now. The gateway never looks at that: it looks at the time of the profile file, which is\n\
             touched. The interval, a minute at least, is less than half a second here.\n\
             $ certroll apply --cert renewed.pem --key renewed.key --yes",
        )?;
        let prepared = self.prepared(1)?;
        let commands: Vec<String> = prepared.plan.commands.iter().map(Command::line).collect();
        let touches = matches!(commands.as_slice(), [one] if one.starts_with("touch "));
        hold(
            touches,
            "the plan",
            "to touch the profile file alone",
            || format!("runs {commands:?}"),
        )?;
        let receipt = self.carry_out(prepared)?;
        self.teller.ended(&receipt, Outcome::Committed)?;
        self.saw(&receipt, 1)
    }

    /// Rolls out to a gateway that goes on with what it has.
    fn deaf(&mut self) -> Result<usize> {
        self.chapter(
            "A gateway that does not load it",
            "Everything is in its place, and the gateway goes on with its old key. Only the backend can tell: it still sees the old leaf.\n\
             $ certroll apply --cert again.pem --key again.key --yes",
        )?;
        self.host.fleet.borrow().gateway.behave(true);
        let before = Snapshot::take(&self.host)?;
        let prepared = self.prepared(2)?;
        let receipt = self.carry_out(prepared)?;
        self.teller.ended(&receipt, Outcome::RolledBack)?;
        let after = Snapshot::take(&self.host)?;
        hold(before == after, "the tree", "what it was before", || {
            before.difference(&after)
        })?;
        Ok(before.count())
    }

    /// Holds that the backend saw a leaf.
    fn saw(&self, receipt: &Receipt, n: usize) -> Result<()> {
        let leaf = self
            .pairs
            .get(n)
            .map(|(_, leaf)| leaf.sha256.to_string())
            .unwrap_or_default();
        let want = format!("the backend saw `{}…`", leaf.get(..16).unwrap_or_default());
        let seen = receipt.verdicts.iter().any(|v| v.good && v.found == want);
        hold(seen, "the proof", &want, || {
            format!("{:?}", receipt.verdicts)
        })?;
        self.teller
            .say(&format!("\n  called through the gateway: {want}\n"));
        Ok(())
    }

    fn carry_out(&mut self, mut prepared: Prepared) -> Result<Receipt> {
        // The double's interval is short, and nobody waits for the end of a story that long.
        prepared.plan.deadline = 2;
        self.teller.carry_out(&mut self.host, prepared)
    }

    fn gateway_log(&self) -> Vec<String> {
        self.host.fleet.borrow().gateway.log()
    }

    fn prepared(&self, n: usize) -> Result<Prepared> {
        let files = self.pairs.get(n).map(|(files, _)| files.clone());
        let set = [
            ("backend", BACKEND),
            ("backend_cert", "/etc/backend.pem"),
            ("gateway", GATEWAY),
            ("proof", "/proof/1.0"),
        ];
        let request = Request {
            profiles: vec!["wso2".to_owned()],
            files: files.unwrap_or_default(),
            set: set
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Request::default()
        };
        prepare(&self.host, &request)
    }

    fn chapter(&self, title: &str, text: &str) -> Result<()> {
        self.teller.chapter(&self.host, title, text)
    }
}

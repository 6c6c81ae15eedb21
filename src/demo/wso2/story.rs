//! The story of a gateway that shows a client certificate to its backend.

use std::time::Duration;

use super::{
    Backend, Gateway,
    callers::Callers,
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
    Ok(Leaf::from(&identity.leaf))
}

/// Phases at which the story stops.
const SWITCH: &str = "switch";
const CLEAN: &str = "clean";

/// A pair that is rolled out, and the files that it comes in.
struct Given {
    pair: Pair,
    files: Files,
    leaf: Leaf,
}

/// Whose identity is rolled out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Gateway,
    Backend,
}

/// The host, and what is rolled out to it.
pub(in crate::demo) struct Story<'a> {
    host: DemoHost<Product>,
    teller: Teller<'a>,
    /// What the gateway shows at first, then, and in vain.
    gateways: [Given; 3],
    /// What the backend presents at first, and then.
    backends: [Given; 2],
    backend: Serving,
    calls: usize,
}

impl<'a> Story<'a> {
    /// Lays the product's files out, starts gateway and backend, and pins the gateway.
    pub(in crate::demo) fn new(scratch: &Scratch, teller: Teller<'a>) -> Result<Self> {
        let now = jiff::Timestamp::now().as_second();
        let authority = Authority::new(now)?;
        let front = authority.issue("gw.example.com", Algorithm::P256, now)?;
        let give = |file: &str, name: &str| -> Result<Given> {
            let pair = authority.issue(name, Algorithm::P256, now)?;
            let files = Files {
                cert: Some(scratch.pair_file(&format!("{file}.pem"), &pair.cert)?),
                key: Some(scratch.pair_file(&format!("{file}.key"), &pair.key)?),
                ..Files::default()
            };
            let leaf = leaf_of(&pair)?;
            Ok(Given { pair, files, leaf })
        };
        let client = |file: &str| give(file, "gateway-client.example.com");
        let gateways = [client("gateway")?, client("renewed")?, client("again")?];
        let server = |file: &str| give(file, "backend.example.com");
        let backends = [server("backend")?, server("backend-new")?];
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        for (path, text) in [
            (
                "/etc/hosts",
                "127.0.0.1\tlocalhost gw.example.com backend.example.com\n",
            ),
            ("/etc/backend.pem", first(&backends[0].pair.cert)),
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
        let backend = Serving::start(&backends[0].pair, &[&gateways[0].pair])?;
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
            gateways,
            backends,
            backend,
            calls: 0,
        })
    }

    /// Tells all chapters.
    pub(in crate::demo) fn tell(mut self) -> Result<Told> {
        self.first()?;
        self.renewed()?;
        self.behind()?;
        let paths = self.deaf()?;
        let (rollouts, calls) = (3, self.calls);
        Ok(Told {
            held: format!(
                "{rollouts} identities in force, {calls} calls of which none failed, {paths} paths as before"
            ),
            figures: vec![("rollouts", rollouts), ("calls", calls), ("paths", paths)],
        })
    }

    fn first(&mut self) -> Result<()> {
        self.chapter(
            "A gateway whose backend demands a client certificate",
            "The backend is `certroll serve mtls`: it refuses who shows nothing, and names the leaf it saw. The gateway shows nothing\n\
             yet, so its API fails. Trust comes first, for the backend too; then the key store, the profiles that name it, and the\n\
             product's own pointer to them.\n\
             $ certroll apply --until switch --profile wso2 --set backend=backend.example.com:9444 --cert gateway.pem --key gateway.key --yes",
        )?;
        let failed = Callers::once(self.host.fleet.borrow().gateway.port)?;
        hold(failed.is_err(), "the API", "to fail", String::new)?;
        let failed = self.gateway_log().pop().unwrap_or_default();
        let trust = self.prepared(Side::Gateway, 0)?;
        let warned = trust.plan.findings.iter().any(|f| f.name == "allow-all");
        hold(warned, "the plan", "a warning of AllowAll", || {
            "has none".to_owned()
        })?;
        let is_refused = failed.contains("SSLHandshakeException");
        hold(is_refused, "the gateway's log", "a refusal", || {
            failed.clone()
        })?;
        self.teller
            .say(&format!("\n  the gateway's log: {failed}\n"));
        let receipt = self.rotated(Side::Gateway, 0, SWITCH)?;
        self.saw(&receipt, 0)
    }

    fn renewed(&mut self) -> Result<()> {
        self.chapter(
            "A renewal that the backend knows nothing of",
            "The API is called all the time now. The new leaf is made ready for the backend's administrator, who is in no hurry. What the\n\
             backend does not take is not shown to it: the rotation waits there, and no call fails.\n\
             $ certroll apply --cert renewed.pem --key renewed.key --yes",
        )?;
        let callers = self.callers()?;
        let trust = self.prepared(Side::Gateway, 1)?;
        let receipt = self.carry_out(trust)?;
        self.teller.ended(&receipt, Outcome::Committed)?;
        let accepted = self.prepared(Side::Gateway, 1)?;
        let receipt = self.in_vain(accepted)?;
        self.teller.ended(&receipt, Outcome::RolledBack)?;

        self.chapter(
            "The same command, once the backend trusts it",
            "Its key store is switched, and no restart: the gateway never looks at that, it looks at the time of the profile file, which\n\
             is touched. The interval, a minute at least, is less than half a second here.\n\
             $ certroll apply --until switch --cert renewed.pem --key renewed.key --yes",
        )?;
        self.swap(0, &[0, 1])?;
        let receipt = self.rotated(Side::Gateway, 1, SWITCH)?;
        self.well(callers)?;
        self.saw(&receipt, 1)
    }

    /// Rotates the identity of the backend.
    fn behind(&mut self) -> Result<()> {
        self.chapter(
            "The backend's new leaf",
            "The gateway trusts it beside the old one, and is given the time to notice. Then the backend's administrator puts it in place;\n\
             what sees it there goes on, and the old trust goes. The API is called all the time.\n\
             $ certroll apply backend --profile wso2 --set side=backend --cert backend-new.pem --key backend-new.key --yes",
        )?;
        let callers = self.callers()?;
        let trust = self.prepared(Side::Backend, 1)?;
        let commands: Vec<String> = trust.plan.commands.iter().map(Command::line).collect();
        let waits = matches!(commands.as_slice(), [touch, sleep] if touch.starts_with("touch ") && sleep.starts_with("sleep "));
        hold(
            waits,
            "the plan",
            "to touch the profile file, and to wait",
            || format!("runs {commands:?}"),
        )?;
        let receipt = self.carry_out(trust)?;
        self.teller.ended(&receipt, Outcome::Committed)?;
        self.swap(1, &[1, 2])?;
        self.rotated(Side::Backend, 1, CLEAN)?;
        self.well(callers)
    }

    /// Rolls out to a gateway that goes on with what it has.
    fn deaf(&mut self) -> Result<usize> {
        self.chapter(
            "A gateway that does not load it",
            "Everything is in its place, and the gateway goes on with its old key. Only the backend can tell: it still sees the old leaf.\n\
             $ certroll apply --cert again.pem --key again.key --yes",
        )?;
        self.host.fleet.borrow().gateway.behave(true);
        let trust = self.prepared(Side::Gateway, 2)?;
        let receipt = self.carry_out(trust)?;
        self.teller.ended(&receipt, Outcome::Committed)?;
        let before = Snapshot::take(&self.host)?;
        let prepared = self.prepared(Side::Gateway, 2)?;
        let receipt = self.in_vain(prepared)?;
        self.teller.ended(&receipt, Outcome::RolledBack)?;
        let after = Snapshot::take(&self.host)?;
        hold(before == after, "the tree", "what it was before", || {
            before.difference(&after)
        })?;
        Ok(before.count())
    }

    /// Goes through the phases up to one, each of which must be proved; returns the receipt of the last.
    fn rotated(&mut self, side: Side, n: usize, end: &str) -> Result<Receipt> {
        loop {
            let prepared = self.prepared(side, n)?;
            let phase = prepared.plan.phase.clone();
            let is_last =
                phase.is_none_or(|phase| phase.phases.get(phase.at).is_none_or(|p| p == end));
            if n == 0 {
                let view = View::of(&prepared.plan, &self.host);
                self.teller.say(&fold::fold(&text::plan(&view, false)));
            }
            let receipt = self.carry_out(prepared)?;
            self.teller.ended(&receipt, Outcome::Committed)?;
            if is_last {
                return Ok(receipt);
            }
        }
    }

    /// Has another backend answer from now on, as a balancer would: one that takes these clients.
    fn swap(&mut self, presents: usize, takes: &[usize]) -> Result<()> {
        let clients = self.gateways.iter().enumerate();
        let clients = clients.filter(|(n, _)| takes.contains(n));
        let clients: Vec<&Pair> = clients.map(|(_, given)| &given.pair).collect();
        if let Some(given) = self.backends.get(presents) {
            let next = Serving::start(&given.pair, &clients)?;
            let mut fleet = self.host.fleet.borrow_mut();
            fleet.backend = next.port;
            fleet.gateway.call_at(next.port);
            drop(fleet);
            self.backend = next;
        }
        Ok(())
    }

    fn callers(&self) -> Result<Callers> {
        Callers::start(self.host.fleet.borrow().gateway.port)
    }

    /// Ends those who call, and holds that no call failed.
    fn well(&mut self, callers: Callers) -> Result<()> {
        let (made, failed) = callers.end();
        hold(
            failed.is_empty() && made > 0,
            "the calls",
            "none that fails",
            || {
                format!(
                    "{} of {made} failed, first {:?}",
                    failed.len(),
                    failed.first()
                )
            },
        )?;
        self.calls += made;
        self.teller.say(&format!(
            "\n  the API was called {made} times meanwhile, and no call failed\n"
        ));
        Ok(())
    }

    /// Holds that the backend saw a leaf.
    fn saw(&self, receipt: &Receipt, n: usize) -> Result<()> {
        let leaf = self
            .gateways
            .get(n)
            .map(|given| given.leaf.sha256.to_string())
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
        prepared.plan.deadline = 5;
        self.teller.carry_out(&mut self.host, prepared)
    }

    /// Carries out what cannot be proved, and gives up soon.
    fn in_vain(&mut self, mut prepared: Prepared) -> Result<Receipt> {
        prepared.plan.deadline = 1;
        self.teller.carry_out(&mut self.host, prepared)
    }

    fn gateway_log(&self) -> Vec<String> {
        self.host.fleet.borrow().gateway.log()
    }

    fn prepared(&self, side: Side, n: usize) -> Result<Prepared> {
        let (name, pairs, own): (_, &[Given], _) = match side {
            Side::Gateway => ("wso2", &self.gateways, ("backend_cert", "/etc/backend.pem")),
            Side::Backend => ("backend", &self.backends, ("side", "backend")),
        };
        let files = pairs.get(n).map(|given| given.files.clone());
        let set = [
            ("backend", BACKEND),
            own,
            ("gateway", GATEWAY),
            ("proof", "/proof/1.0"),
        ];
        let request = Request {
            name: Some(name.to_owned()),
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

//! The chapters, each of which checks what it says.

use std::{path::PathBuf, time::Duration};

use super::{
    Told,
    fleet::Fleet,
    fold,
    host::DemoHost,
    mint::{self, Algorithm, Authority, Pair},
    platform::{self, NAME, STUBBORN, UNITS},
    scratch::Scratch,
    snapshot::Snapshot,
    table::Table,
    teller::Teller,
    words::{command, hold},
};
use crate::{
    cli::{look, print::Printer, text},
    error::Result,
    host::Host,
    plan::View,
    prepare,
    receipt::{Outcome, Receipt},
    rollouts::Request,
    source::Files,
};

/// The scratch host, and what is rolled across it.
pub(super) struct Story<'a> {
    host: DemoHost,
    printer: &'a Printer,
    root: PathBuf,
    default: String,
    site: Files,
    site_leaf: String,
    renewed: Files,
    renewed_leaf: String,
    calls: usize,
}

impl<'a> Story<'a> {
    /// Makes the scratch host and the pairs, and starts nothing.
    pub(super) fn new(scratch: &Scratch, printer: &'a Printer) -> Result<Self> {
        let root = scratch.root();
        let host = DemoHost::open(&root, Fleet::new(&root)?)?;
        let now = host.now();
        let default = mint::default_pair(now)?;
        let gid = rustix::process::getegid().as_raw();
        platform::write(scratch, &default, host.effective_uid(), gid)?;
        let authority = Authority::new(now)?;
        let give = |name: &str, pair: &Pair| -> Result<Files> {
            Ok(Files {
                cert: Some(scratch.pair_file(&format!("{name}.pem"), &pair.cert)?),
                key: Some(scratch.pair_file(&format!("{name}.key"), &pair.key)?),
                ..Files::default()
            })
        };
        let site = authority.issue(NAME, Algorithm::Rsa, now)?;
        let renewed = authority.issue(NAME, Algorithm::P256, now)?;
        Ok(Self {
            site: give("site", &site)?,
            site_leaf: site.leaf()?,
            renewed: give("renewed", &renewed)?,
            renewed_leaf: renewed.leaf()?,
            default: default.leaf()?,
            calls: UNITS.iter().map(|unit| unit.calls.len()).sum(),
            host,
            printer,
            root,
        })
    }

    /// Tells all chapters.
    pub(super) fn tell(mut self) -> Result<Told> {
        self.host.lock(Duration::ZERO)?;
        self.before()?;
        let table = self.forward()?;
        self.again()?;
        let paths = self.broken()?;
        let (daemons, endpoints, calls) = (table.daemons(), table.endpoints(), table.calls());
        Ok(Told {
            held: format!(
                "{daemons} daemons, {endpoints} TLS ports, {calls} calls between them, {paths} paths as before"
            ),
            figures: vec![
                ("daemons", daemons),
                ("endpoints", endpoints),
                ("calls", calls),
                ("paths", paths),
            ],
        })
    }

    /// Starts everything with the default pair.
    fn before(&mut self) -> Result<()> {
        self.chapter(
            "A host like Wazo 17.06",
            &format!(
                "{} daemons run as processes of their own, with real TLS on loopback. Each reads its configuration by the\n\
                 platform's rules, and calls others with verification as configured. All serve the pair that the platform\n\
                 came with, whose name `*` no browser takes. The host is a directory, gone at the end:\n\
                 {}",
                UNITS.len(),
                self.root.display()
            ),
        )?;
        for at in 0..UNITS.len() {
            self.host.fleet.borrow_mut().start(at)?;
        }
        let leaf = self.default.clone();
        self.show(&leaf).map(drop)
    }

    /// Plans and applies the new pair.
    fn forward(&mut self) -> Result<Table> {
        self.chapter(
            "The plan",
            &format!(
                "The new pair: a leaf for {NAME}, an intermediate and the root of a private CA, as a CA sends them.\n\
                 Nothing is written yet; this is all that will be. Runs of like lines are folded; `--verbose` shows them.\n\
                 $ certroll plan --profile wazo --cert site.pem --key site.key"
            ),
        )?;
        let request = Request {
            profiles: vec!["wazo".to_owned()],
            files: self.site.clone(),
            consumers: true,
            ..Request::default()
        };
        let prepared = prepare(&self.host, &request)?;
        let view = View::of(&prepared.plan, &self.host);
        self.printer.detail(|| {
            let text = text::plan(&view, self.printer.verbose());
            if self.printer.verbose() {
                text
            } else {
                fold::fold(&text)
            }
        });
        self.chapter(
            "The rollout",
            "All new bytes are written aside and made durable, then switched, then the services are told, and then every\n\
             TLS port is asked until it serves the new leaf and chain.\n\
             $ certroll apply --profile wazo --cert site.pem --key site.key --yes",
        )?;
        let receipt = self.carry_out(prepared)?;
        self.ended(&receipt, Outcome::Committed)?;
        let leaf = self.site_leaf.clone();
        self.say("\nEvery daemon serves the new leaf, and every call is verified under the new name by the private root:\n");
        self.show(&leaf)
    }

    /// Applies the same once more.
    fn again(&mut self) -> Result<()> {
        self.chapter(
            "The same again",
            "A hook does this after every upgrade: the remembered rollout, against the host as it is.\n\
             $ certroll apply --yes",
        )?;
        let prepared = prepare(&self.host, &Request::default())?;
        let found = prepared.plan.changes.len() + prepared.plan.owed.len();
        hold(
            prepared.plan.is_empty(),
            "the second plan",
            "nothing to do",
            || format!("has {found} things to do"),
        )?;
        let receipt = look::converged(&self.host, &prepared.plan);
        let poor = receipt.verdicts.iter().filter(|v| !v.good).count();
        hold(poor == 0, "the second run", "every probe good", || {
            format!("has {poor} that are not")
        })?;
        self.ended(&receipt, Outcome::Converged)
    }

    /// Applies a pair that one daemon cannot use.
    fn broken(&mut self) -> Result<usize> {
        self.chapter(
            "A rollout that breaks",
            &format!(
                "The leaf is renewed, this time with an elliptic-curve key. A forgotten local setting lets {STUBBORN} take RSA\n\
                 keys alone: it will not come back, and the platform's script then leaves all later daemons stopped.\n\
                 $ certroll apply --cert renewed.pem --key renewed.key --yes"
            ),
        )?;
        let before = Snapshot::take(&self.host)?;
        let request = Request {
            files: self.renewed.clone(),
            ..Request::default()
        };
        let prepared = prepare(&self.host, &request)?;
        let planned = &prepared.plan.identity.fingerprint;
        hold(
            *planned == self.renewed_leaf,
            "the plan",
            &self.renewed_leaf,
            || format!("is for {planned}"),
        )?;
        let receipt = self.carry_out(prepared)?;
        let blamed = receipt.causes.iter().any(|cause| cause.contains(STUBBORN));
        hold(
            blamed,
            "the receipt",
            &format!("a cause that names {STUBBORN}"),
            || format!("has {:?}", receipt.causes),
        )?;
        self.ended(&receipt, Outcome::RolledBack)?;
        self.ask_why()?;
        self.chapter(
            "Back, and proved",
            "Every file is as it was before the broken rollout, every daemon runs, serves the leaf from before, and is\n\
             believed by those who call it.",
        )?;
        let leaf = self.site_leaf.clone();
        self.show(&leaf)?;
        let after = Snapshot::take(&self.host)?;
        let differs = || before.difference(&after);
        hold(
            before == after,
            "the tree",
            "what it was before the broken rollout",
            differs,
        )?;
        let count = before.count();
        self.say(&format!(
            "\n  {count} paths compared: content, owner, mode and links are those from before\n"
        ));
        Ok(count)
    }

    /// Prints what the stubborn daemon said.
    fn ask_why(&self) -> Result<()> {
        let fleet = self.host.fleet.borrow();
        let member = fleet.find(STUBBORN).and_then(|at| fleet.members.get(at));
        let complaint = member.and_then(|m| m.complaint.clone()).unwrap_or_default();
        hold(
            complaint.contains("ciphers"),
            STUBBORN,
            "a complaint about its ciphers",
            || format!("said `{complaint}`"),
        )?;
        self.say(&format!(
            "\n{}{complaint}\n",
            command(&format!("journalctl -u {STUBBORN}"))
        ));
        Ok(())
    }

    fn carry_out(&mut self, prepared: crate::Prepared) -> Result<Receipt> {
        Teller(self.printer).carry_out(&mut self.host, prepared)
    }

    fn ended(&self, receipt: &Receipt, want: Outcome) -> Result<()> {
        Teller(self.printer).ended(receipt, want)
    }

    /// Shows every daemon, and holds that all serve this leaf and believe one another.
    fn show(&self, leaf: &str) -> Result<Table> {
        let table = Table::look(&self.host)?;
        self.printer.detail(|| table.text());
        table.hold(leaf, self.calls)?;
        Ok(table)
    }

    fn chapter(&self, title: &str, text: &str) -> Result<()> {
        Teller(self.printer).chapter(&self.host, title, text)
    }

    fn say(&self, text: &str) {
        Teller(self.printer).say(text);
    }
}

//! The story of an appliance over the network, each chapter of which checks what it says.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Told,
    appliance::{Api, Appliance, Fault},
    mint::{self, Algorithm, Authority, Pair},
    scratch::Scratch,
    words::{self, hold},
};
use crate::{
    cli::{look, print::Printer, text},
    error::{Error, Result},
    host::{Host, system::SystemHost},
    pins::{self, Leaf, Pin, Pins, Source},
    plan::View,
    prepare,
    receipt::{Outcome, Receipt},
    rollouts::Request,
    source::Files,
};

/// How long the appliance takes for a change here; a real one takes some five seconds.
const DELAY: Duration = Duration::from_millis(300);

/// The appliance, and what is rolled out to it.
pub(super) struct Story<'a> {
    host: SystemHost,
    printer: &'a Printer,
    appliance: Appliance,
    default: Pair,
    default_files: Files,
    site: (Files, String),
    renewed: (Files, String),
    set: BTreeMap<String, String>,
}

impl<'a> Story<'a> {
    pub(super) fn new(scratch: &Scratch, printer: &'a Printer) -> Result<Self> {
        let state = scratch.root().join("state");
        let mut host = SystemHost::open(None, Some(&state.display().to_string()))?;
        host.lock(Duration::ZERO)?;
        let now = host.now();
        let default = mint::appliance_pair(now)?;
        let appliance = Appliance::start(Api::V1, (&default.cert, &default.key), DELAY)?;
        let authority = Authority::new(now)?;
        let give = |name: &str, pair: &Pair| -> Result<Files> {
            Ok(Files {
                cert: Some(scratch.pair_file(&format!("{name}.pem"), &pair.cert)?),
                key: Some(scratch.pair_file(&format!("{name}.key"), &pair.key)?),
                ..Files::default()
            })
        };
        let issue = |name: &str| -> Result<(Files, String)> {
            let pair = authority.issue("127.0.0.1", Algorithm::Rsa, now)?;
            Ok((give(name, &pair)?, pair.leaf()?))
        };
        let mut set: BTreeMap<String, String> = appliance.settings().into_iter().collect();
        set.insert("settle".to_owned(), "1".to_owned());
        Ok(Self {
            default_files: give("default", &default)?,
            site: issue("site")?,
            renewed: issue("renewed")?,
            host,
            printer,
            appliance,
            default,
            set,
        })
    }

    /// Tells all chapters.
    pub(super) fn tell(mut self) -> Result<Told> {
        self.before()?;
        self.forward()?;
        self.broken()?;
        self.said()
    }

    fn before(&mut self) -> Result<()> {
        let peer = self.appliance.peer();
        self.chapter(
            "An appliance",
            &format!(
                "Its API answers at https://{peer} and in the clear, and its leaf is one that it signed itself. Its own console\n\
                 tells the fingerprint; pinned to that, it is known from anybody in its place.\n\
                 $ certroll pin add {peer} --fingerprint TEXT"
            ),
        )?;
        let input = crate::identity::Input {
            name: "default".to_owned(),
            bytes: self.default.cert.clone().into(),
        };
        let (identity, _) = crate::identity::Identity::assemble(&[input], None)?;
        let mut known = Pins::default();
        let pin = Pin {
            leaf: Leaf::from(&identity.leaf),
            first_seen: self.host.now(),
            source: Source::Manual,
            next: None,
        };
        known.hosts.insert(peer, pin);
        pins::save(&mut self.host, &known)?;
        let leaf = self.default.leaf()?;
        self.serves(&leaf, true)
    }

    fn forward(&mut self) -> Result<()> {
        self.chapter(
            "The plan",
            "Every request is in it, what is seen there now, and how each is taken back: with the pair from before, which\n\
             the appliance never gives away. Nothing is sent yet.\n\
             $ certroll plan --profile speechmatics --cert site.pem --key site.key --set http=disabled --previous-cert ...",
        )?;
        self.set.insert("http".to_owned(), "disabled".to_owned());
        let request = Request {
            profiles: vec!["speechmatics".to_owned()],
            files: self.site.0.clone(),
            previous: self.default_files.clone(),
            set: self.set.clone(),
            ..Request::default()
        };
        let prepared = prepare(&self.host, &request)?;
        let view = View::of(&prepared.plan, &self.host);
        self.printer
            .detail(|| text::plan(&view, self.printer.verbose()));
        self.chapter(
            "The rollout",
            "The pair is uploaded, and every port of TLS is asked until it serves the new leaf; only then is plain HTTP closed.\n\
             $ certroll apply --profile speechmatics ... --yes",
        )?;
        let receipt = self.carry_out(prepared)?;
        self.ended(&receipt, Outcome::Committed)?;
        let leaf = self.site.1.clone();
        self.serves(&leaf, false)?;
        let again = prepare(
            &self.host,
            &Request {
                name: Some("speechmatics".to_owned()),
                ..Request::default()
            },
        )?;
        hold(
            again.plan.is_empty(),
            "the second plan",
            "nothing to do",
            || format!("has {} requests", again.plan.far.len()),
        )?;
        let receipt = look::converged(&self.host, &again.plan);
        self.ended(&receipt, Outcome::Converged)
    }

    fn broken(&mut self) -> Result<()> {
        self.chapter(
            "A rollout that breaks",
            "The leaf is renewed. The appliance answers 200 and says that it was applied; its web server never shows it. An\n\
             answer proves nothing: the pair from before follows.\n\
             $ certroll apply --cert renewed.pem --key renewed.key --yes",
        )?;
        self.appliance.fault(Fault::NeverSwitches);
        let request = Request {
            name: Some("speechmatics".to_owned()),
            files: self.renewed.0.clone(),
            profiles: vec!["speechmatics".to_owned()],
            set: self.set.clone(),
            ..Request::default()
        };
        let mut prepared = prepare(&self.host, &request)?;
        // Nobody who watches wants to wait half a minute.
        prepared.plan.deadline = 2;
        hold(
            prepared.plan.identity.fingerprint == self.renewed.1,
            "the plan",
            &self.renewed.1,
            || format!("is for {}", prepared.plan.identity.fingerprint),
        )?;
        let receipt = self.carry_out(prepared)?;
        self.ended(&receipt, Outcome::RolledBack)?;
        let leaf = self.site.1.clone();
        self.serves(&leaf, false)
    }

    /// Counts what the appliance was sent.
    fn said(&self) -> Result<Told> {
        self.chapter(
            "What it was sent",
            "The appliance has noted every request, and whether it held a key:",
        )?;
        let requests = self.appliance.requests();
        for one in requests.iter().filter(|r| r.method != "GET") {
            let scheme = if one.tls { "https" } else { "http" };
            let key = if one.key.is_some() {
                ", with a key"
            } else {
                ""
            };
            self.say(&format!(
                "  {scheme} {} {}: {}{key}\n",
                one.method, one.path, one.status
            ));
        }
        let clear = requests
            .iter()
            .filter(|r| !r.tls && (r.key.is_some() || r.login || r.method != "GET"));
        let clear = clear.count();
        hold(clear == 0, "the clear", "no key, login or change", || {
            format!("carried {clear}")
        })?;
        let keys = requests.iter().filter(|r| r.key.is_some()).count();
        hold(
            keys == 3,
            "the appliance",
            "three uploads: the pair, the renewed one, and the way back",
            || format!("got {keys}"),
        )?;
        let requests = requests.len();
        Ok(Told {
            held: format!("{requests} requests, {keys} keys among them, none in the clear"),
            figures: vec![("requests", requests), ("keys", keys)],
        })
    }

    /// Holds what it serves, and whether plain HTTP answers.
    fn serves(&self, leaf: &str, open: bool) -> Result<()> {
        let (found, is_open) = {
            let (pem, is_open, _) = self.appliance.state();
            let input = crate::identity::Input {
                name: "served".to_owned(),
                bytes: pem.into(),
            };
            let (identity, _) = crate::identity::Identity::assemble(&[input], None)?;
            (identity.fingerprint().to_owned(), is_open)
        };
        hold(found == leaf, "the appliance", leaf, || {
            format!("serves {found}")
        })?;
        let http = if is_open { "answers" } else { "is closed" };
        hold(
            is_open == open,
            "plain HTTP",
            if open { "open" } else { "closed" },
            || http.to_owned(),
        )?;
        let short = leaf.get(..16).unwrap_or(leaf);
        self.say(&format!(
            "  the appliance serves {short}; plain HTTP {http}\n"
        ));
        Ok(())
    }

    fn carry_out(&mut self, prepared: crate::Prepared) -> Result<Receipt> {
        let printer = self.printer;
        let mut keep = prepared.keep;
        let view = View::of(&prepared.plan, &self.host);
        keep.plan = serde_json::to_vec(&view).unwrap_or_default();
        let progress = |message: &str| printer.detail(|| format!("  {message}\n"));
        let receipt = crate::rollout(&mut self.host, prepared.plan, keep, &progress)?;
        self.heed()?;
        Ok(receipt)
    }

    fn ended(&self, receipt: &Receipt, want: Outcome) -> Result<()> {
        self.printer
            .detail(|| text::receipt(receipt, self.printer.verbose()));
        let found = receipt.outcome.words();
        hold(receipt.outcome == want, "the outcome", want.words(), || {
            format!("is {found}")
        })
    }

    fn chapter(&self, title: &str, text: &str) -> Result<()> {
        self.heed()?;
        self.say(&words::chapter(title, text));
        Ok(())
    }

    fn say(&self, text: &str) {
        self.printer.detail(|| text.to_owned());
    }

    fn heed(&self) -> Result<()> {
        self.host
            .interrupted()
            .map_or(Ok(()), |signal| Err(Error::Interrupted { signal }))
    }
}

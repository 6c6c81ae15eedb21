//! The story of a management server whose clients pin its leaf.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::json;

use super::{
    Told, fold,
    host::{DemoHost, Machine},
    mint::{self, Algorithm, Authority, Pair},
    portal::{Portal, Ways, login},
    scratch::Scratch,
    snapshot::Snapshot,
    teller::Teller,
    words::{command, hold},
};
use crate::{
    Prepared,
    cli::text,
    error::{Error, Result},
    host::{Command, Host as _, Output},
    identity::Identity,
    peer::{Accept, Fingerprint},
    pins::{self, Leaf, Pin, Pins, Seen, Source},
    plan::View,
    prepare,
    receipt::Outcome,
    rollouts::Request,
    source::Files,
};

/// The peer as its clients pin it.
const PEER: &str = "127.0.0.1:443";

/// The management server: its portal, `tellpm` and `api`.
pub(super) struct Gaia {
    portal: Arc<Portal>,
    /// Who answers in its place, if anybody does.
    between: Option<Arc<Portal>>,
    leaf: PathBuf,
}

impl Machine for Gaia {
    fn run(&mut self, command: &Command) -> Result<Output> {
        let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        let ended = |status, stdout| Output {
            status: Some(status),
            stdout,
            ..Output::default()
        };
        match words.as_slice() {
            ["tellpm", rest @ ..] => {
                let known = self.portal.told(rest)?;
                Ok(ended(i32::from(!known), String::new()))
            }
            ["api", "fingerprint", "-f", "json"] => Ok(match self.says() {
                Some(text) => ended(0, text),
                None => ended(1, String::new()),
            }),
            _ => Err(Error::Run {
                command: command.line(),
                outcome: "was not found".to_owned(),
            }),
        }
    }

    fn port(&self, port: u16) -> Option<u16> {
        let answers = self.between.as_ref().unwrap_or(&self.portal);
        (port == 443).then(|| answers.port())
    }
}

impl Gaia {
    /// What `api fingerprint -f json` prints.
    fn says(&self) -> Option<String> {
        let pem = std::fs::read(&self.leaf).ok()?;
        let leaf = leaf_of(&String::from_utf8(pem).ok()?).ok()?;
        let said = json!([{
            "fingerprint-sha1": leaf.sha1.colons(),
            "fingerprint-sha256": leaf.sha256.colons(),
        }]);
        Some(format!("{said:#}\n"))
    }
}

fn leaf_of(pem: &str) -> Result<Leaf> {
    let input = crate::identity::Input {
        name: String::new(),
        bytes: pem.to_owned().into(),
    };
    let (identity, _) = Identity::assemble(&[input], None)?;
    Ok(Leaf::from(&identity.leaf))
}

/// The server, and what is rolled out to it.
pub(super) struct Story<'a> {
    host: DemoHost<Gaia>,
    teller: Teller<'a>,
    default: Leaf,
    new: (Files, Leaf),
    curve: Files,
    other: PathBuf,
}

impl<'a> Story<'a> {
    /// Makes the server with the pair of its first-time wizard, starts it, and mints what is to come.
    pub(super) fn new(scratch: &Scratch, teller: Teller<'a>) -> Result<Self> {
        let conf = scratch.root().join("web/conf");
        let place = |dir: &str, pair: &Pair| -> Result<()> {
            scratch.put(&format!("{dir}/server.key"), &pair.key, 0o600)?;
            scratch.put(&format!("{dir}/server.crt"), &pair.cert, 0o644)
        };
        let now = jiff::Timestamp::now().as_second();
        let (default, other) = (mint::portal_pair(now)?, mint::portal_pair(now)?);
        place("/web/conf", &default)?;
        place("/elsewhere", &other)?;
        let authority = Authority::new(now)?;
        let give = |name: &str, algorithm| -> Result<(Files, Leaf)> {
            let pair = authority.issue("127.0.0.1", algorithm, now)?;
            let files = Files {
                cert: Some(scratch.pair_file(&format!("{name}.pem"), &pair.cert)?),
                key: Some(scratch.pair_file(&format!("{name}.key"), &pair.key)?),
                ..Files::default()
            };
            Ok((files, leaf_of(&pair.cert)?))
        };
        let machine = Gaia {
            portal: Arc::new(Portal::start(&conf)?),
            between: None,
            leaf: conf.join("server.crt"),
        };
        Ok(Self {
            host: DemoHost::open(&scratch.root(), machine)?,
            teller,
            default: leaf_of(&default.cert)?,
            new: give("site", Algorithm::Rsa)?,
            curve: give("renewed", Algorithm::P256)?.0,
            other: scratch.root().join("elsewhere"),
        })
    }

    /// Tells all chapters.
    pub(super) fn tell(mut self) -> Result<Told> {
        self.host.lock(Duration::ZERO)?;
        self.pin()?;
        self.forward()?;
        let paths = self.broken()?;
        self.between()?;
        let logins = self.portal().logins();
        Ok(Told {
            held: format!(
                "{logins} logins at the server, none in its place, {paths} paths as before"
            ),
            figures: vec![("logins", logins), ("paths", paths)],
        })
    }

    fn portal(&self) -> Arc<Portal> {
        Arc::clone(&self.host.fleet.borrow().portal)
    }

    /// Pins the server by what it says itself.
    fn pin(&mut self) -> Result<()> {
        self.chapter(
            "A management server with its default pair",
            &format!(
                "Its portal and its API present what the first-time wizard made: CN is an address, and there is no SAN. No\n\
                 client that checks names takes it; one that pins does. So the server is asked for its fingerprint, and pinned:\n\
                 $ certroll pin add {PEER} --fingerprint \"$(ssh admin@mgmt1 api fingerprint -f json)\""
            ),
        )?;
        let said = self.host.fleet.borrow().says().unwrap_or_default();
        self.teller.say(&said);
        let given = Fingerprint::read(&said)?;
        let (_, peer) = pins::key(PEER)?;
        let seen = pins::look(&self.host, &[(peer, Accept::Only(vec![given]))]).pop();
        let seen = seen.unwrap_or_else(|| Seen::Silent("was not asked".to_owned()));
        let leaf = seen.accepted(PEER, Vec::new(), &Pins::default())?;
        let mut pins = Pins::default();
        let pin = Pin {
            leaf,
            first_seen: self.host.now(),
            source: Source::ApiFingerprint,
            next: None,
        };
        pins.hosts.insert(PEER.to_owned(), pin);
        pins::save(&mut self.host, &pins)?;
        let default = self.default.clone();
        self.is_right(&default)
    }

    fn forward(&mut self) -> Result<()> {
        self.chapter(
            "The plan, and the rollout",
            "The pin moves with the pair: both leaves are accepted from before the switch until the new one is proved. httpd2\n\
             refuses connections for a while; then it must serve the new leaf, and the server itself must name it.\n\
             $ certroll apply --profile checkpoint --cert site.pem --key site.key --yes",
        )?;
        self.portal().behave(Ways {
            delay: Duration::from_millis(700),
            ..Ways::default()
        });
        let prepared = self.prepared(&self.new.0)?;
        let view = View::of(&prepared.plan, &self.host);
        self.teller.say(&fold::fold(&text::plan(&view, false)));
        hold(
            view.pins.len() == 1,
            "the plan",
            "one pin that moves",
            || format!("has {:?}", view.pins),
        )?;
        let receipt = self.teller.carry_out(&mut self.host, prepared)?;
        self.teller.ended(&receipt, Outcome::Committed)?;
        let new = self.new.1.clone();
        self.is_right(&new)
    }

    /// Applies a pair that an old httpd cannot use.
    fn broken(&mut self) -> Result<usize> {
        self.chapter(
            "A rollout that breaks",
            "The leaf is renewed with an elliptic-curve key, and this httpd takes RSA alone: it does not come back.\n\
             $ certroll apply --cert renewed.pem --key renewed.key --yes",
        )?;
        self.portal().behave(Ways {
            rsa_only: true,
            ..Ways::default()
        });
        let before = Snapshot::take(&self.host)?;
        let mut prepared = self.prepared(&self.curve)?;
        // Nobody waits for the end of a story that long.
        prepared.plan.deadline = 2;
        let receipt = self.teller.carry_out(&mut self.host, prepared)?;
        self.teller.ended(&receipt, Outcome::RolledBack)?;
        let log = self.portal().log().join("\n");
        hold(
            log.contains("of a type"),
            "the log of httpd2",
            "why",
            || format!("says {log:?}"),
        )?;
        let said = command("tail -n 1 /var/log/httpd2_error_log");
        self.teller.say(&format!("\n{said}{log}\n"));
        let after = Snapshot::take(&self.host)?;
        hold(before == after, "the tree", "what it was before", || {
            before.difference(&after)
        })?;
        let new = self.new.1.clone();
        self.is_right(&new)?;
        Ok(before.count())
    }

    /// Lets somebody else answer.
    fn between(&mut self) -> Result<()> {
        self.chapter(
            "Somebody in between",
            "Another machine answers under the server's address. The plan ends before anything is sent, and so does a client.\n\
             $ certroll plan --cert renewed.pem --key renewed.key",
        )?;
        let other = Arc::new(Portal::start(&self.other)?);
        self.host.fleet.borrow_mut().between = Some(Arc::clone(&other));
        let request = request(&self.curve);
        let error = match prepare(&self.host, &request) {
            Err(error @ Error::WrongPeer(_)) => error,
            Err(error) => return Err(error),
            Ok(_) => {
                return hold(false, "the plan", "the wrong peer named", || {
                    "is made".to_owned()
                });
            }
        };
        self.teller.say(&format!("error: {error}\n"));
        let accept = pins::load(&self.host)?.get(PEER)?.accept();
        let refused = login(other.port(), accept).is_err();
        hold(refused, "a client that pins", "no login", || {
            "logged in".to_owned()
        })?;
        let (requests, logins) = (other.requests(), other.logins());
        hold(requests == 0, "who answered", "no request", || {
            format!("got {requests}")
        })?;
        self.teller.say(&format!(
            "\n  who answered in its place got {requests} requests and {logins} logins\n"
        ));
        self.host.fleet.borrow_mut().between = None;
        Ok(())
    }

    fn prepared(&self, files: &Files) -> Result<Prepared> {
        prepare(&self.host, &request(files))
    }

    /// Holds that this leaf is served, named by the server, and pinned alone, and that a client logs in by that pin.
    fn is_right(&self, leaf: &Leaf) -> Result<()> {
        let pins = pins::load(&self.host)?;
        let pin = pins.get(PEER)?;
        hold(
            pin.accepted() == [leaf.sha256],
            "the pin",
            &leaf.sha256.colons(),
            || format!("accepts {:?}", pin.accepted()),
        )?;
        let said = self.host.fleet.borrow().says().unwrap_or_default();
        let said = Fingerprint::read(&said)?;
        hold(
            said == leaf.sha256,
            "`api fingerprint`",
            &leaf.sha256.colons(),
            || said.colons(),
        )?;
        let before = self.portal().logins();
        let port = self.portal().port();
        let logged = login(port, pin.accept()).map_err(|e| e.to_string());
        hold(
            logged == Ok(true) && self.portal().logins() == before + 1,
            "a client that pins",
            "a login",
            || format!("{logged:?}"),
        )?;
        let shown = leaf.sha256.colons();
        self.teller.say(&format!(
            "\n  served, named by `api fingerprint` and pinned: SHA-256 {shown}\n  a client that pins it has logged in\n"
        ));
        Ok(())
    }

    fn chapter(&self, title: &str, text: &str) -> Result<()> {
        self.teller.chapter(&self.host, title, text)
    }
}

fn request(files: &Files) -> Request {
    Request {
        profiles: vec!["checkpoint".to_owned()],
        files: files.clone(),
        ..Request::default()
    }
}

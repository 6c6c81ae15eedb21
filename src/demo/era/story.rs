//! The story of a platform of two servers, whose domains may have certificates of their own.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use serde_json::json;

use super::{
    Fault, Platform,
    servers::{DELAY, DOMAIN, DOMAINS, HERE, INSIDE, RESTART, Servers, TOKEN, lay_out},
};
use crate::{
    Prepared,
    cli::{sni, text},
    demo::{
        Told, fold,
        host::DemoHost,
        mint::{Algorithm, Authority, Pair},
        scratch::Scratch,
        snapshot::Snapshot,
        teller::Teller,
        words::hold,
    },
    error::{Error, Result},
    host::{Dial, Host as _},
    peer::Fingerprint,
    plan::View,
    prepare,
    receipt::Outcome,
    rollouts::Request,
    source::Files,
    starttls::Protocol,
};

/// The longest that a handshake may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The host, and what is rolled out to it.
pub(in crate::demo) struct Story<'a> {
    host: DemoHost<Servers>,
    teller: Teller<'a>,
    platform: Arc<Platform>,
    builtin: String,
    /// Each with its leaf: for the directory, to renew it, and for the domain.
    pairs: [(Files, String); 3],
    /// The path of the token, as a person types it.
    token: String,
    /// The scratch host's `/`.
    root: String,
    handshakes: usize,
}

impl<'a> Story<'a> {
    /// Lays the platform's files out, and starts it with the certificate that it comes with.
    pub(in crate::demo) fn new(scratch: &Scratch, teller: Teller<'a>) -> Result<Self> {
        let now = jiff::Timestamp::now().as_second();
        let builtin = Authority::new(now)?.issue("era.invalid", Algorithm::P256, now)?;
        let authority = Authority::new(now)?;
        lay_out(scratch, &authority.root)?;
        let front = (builtin.cert.as_str(), builtin.key.as_str());
        let platform = Arc::new(Platform::start(&DOMAINS, DOMAIN, TOKEN, front, DELAY)?);
        platform.shares(&scratch.root().join(HERE.trim_start_matches('/')));
        let give = |name: &str| -> Result<(Files, String)> {
            let pair: Pair = authority.issue(DOMAIN, Algorithm::P256, now)?;
            let files = Files {
                cert: Some(scratch.pair_file(&format!("{name}.pem"), &pair.cert)?),
                key: Some(scratch.pair_file(&format!("{name}.key"), &pair.key)?),
                ..Files::default()
            };
            Ok((files, pair.leaf()?))
        };
        let mut host = DemoHost::open(&scratch.root(), Servers(Arc::clone(&platform)))?;
        host.lock(Duration::ZERO)?;
        Ok(Self {
            host,
            teller,
            platform,
            builtin: builtin.leaf()?,
            pairs: [give("site")?, give("renewed")?, give("corp")?],
            token: scratch.pair_file("token", &format!("{TOKEN}\n"))?,
            root: scratch.root().display().to_string(),
            handshakes: 0,
        })
    }

    /// Tells all chapters.
    pub(in crate::demo) fn tell(mut self, scratch: &Scratch) -> Result<Told> {
        self.before()?;
        self.directory()?;
        let paths = self.broken()?;
        self.domain()?;
        self.winner(scratch)?;
        let requests = self.platform.requests();
        let keys = requests.iter().filter(|r| r.key).count();
        hold(keys == 1, "the platform", "one key sent to it", || {
            format!("got {keys}")
        })?;
        let handshakes = self.handshakes;
        Ok(Told {
            held: format!(
                "{handshakes} handshakes with two servers, {keys} key sent, {paths} paths as before"
            ),
            figures: vec![("handshakes", handshakes), ("keys", keys), ("paths", paths)],
        })
    }

    fn before(&mut self) -> Result<()> {
        self.chapter(
            "A platform as it is installed",
            &format!(
                "Two servers answer for {DOMAIN}, and present the certificate that they come with, for every name and for none."
            ),
        )?;
        let builtin = self.builtin.clone();
        self.present(Some(DOMAIN), &builtin)?;
        self.present(None, &builtin)
    }

    fn directory(&mut self) -> Result<()> {
        self.chapter(
            "The plan, and the rollout to the directory",
            &format!(
                "The plan says which case of the document the domain is. The pair goes to the directory of the roles, and the exported\n\
                 configuration names it. The second server gets a copy later, and its roles are started after that: until then it is waited for.\n\
                 $ certroll apply --profile era --cert site.pem --key site.key --set restart={RESTART} ... --yes"
            ),
        )?;
        let prepared = self.prepared("era", 0, &[])?;
        self.show(&prepared);
        let said = prepared.plan.findings.iter().find(|f| f.name == "dns-case");
        let said = said.map(|f| f.message.clone()).unwrap_or_default();
        hold(
            said.contains("case 2 of the document"),
            "the plan",
            "case 2 of the document",
            || format!("says {said:?}"),
        )?;
        self.roll(prepared, Outcome::Committed)?;
        let leaf = self.leaf(0);
        self.present(Some(DOMAIN), &leaf)?;
        self.present(None, &leaf)
    }

    /// Rolls out to roles that keep what they had.
    fn broken(&mut self) -> Result<usize> {
        self.chapter(
            "A rollout that breaks",
            "The leaf is renewed. The roles start, take the pair for invalid, and go on with what they had, as they do without a word:\n\
             everything looks well, and only a handshake tells.\n\
             $ certroll apply --cert renewed.pem --key renewed.key --yes",
        )?;
        self.platform.fault(Fault::KeepsOld);
        let before = Snapshot::take(&self.host)?;
        let prepared = self.prepared("era", 1, &[])?;
        self.roll(prepared, Outcome::RolledBack)?;
        self.platform.fault(Fault::None);
        let after = Snapshot::take(&self.host)?;
        hold(before == after, "the tree", "what it was before", || {
            before.difference(&after)
        })?;
        let leaf = self.leaf(0);
        self.present(Some(DOMAIN), &leaf)?;
        Ok(before.count())
    }

    fn domain(&mut self) -> Result<()> {
        self.chapter(
            "A certificate of the domain's own",
            "By the settings API, to a peer that this host's trust anchors vouch for: the key is sent once, what was there before is read\n\
             first, and both servers are asked until they present it. The platform's monitor must have no complaint.\n\
             $ certroll apply corp --profile era --cert corp.pem --key corp.key --set method=domain --set token_file=token ... --yes",
        )?;
        let token = self.token.clone();
        let prepared = self.prepared("corp", 2, &[("method", "domain"), ("token_file", &token)])?;
        self.show(&prepared);
        self.roll(prepared, Outcome::Committed)?;
        let leaf = self.leaf(2);
        self.present(Some(DOMAIN), &leaf)?;
        let directory = self.leaf(0);
        self.present(Some("other.org"), &directory)
    }

    /// Has it explained who answers, and asks the servers whether that is so.
    fn winner(&mut self, scratch: &Scratch) -> Result<()> {
        self.chapter(
            "Who wins",
            &format!(
                "The directory's leaf is still there, and {DOMAIN} does not show it any more. Why is no guess:\n\
                 $ certroll sni explain {DOMAIN} --tree tree.json --config exported.json --dir {INSIDE}={HERE} --cert site.pem"
            ),
        )?;
        let domain =
            |name: &&str| json!({ "name": name, "certificate_pem": self.platform.value(name) });
        let domains: Vec<_> = DOMAINS.iter().map(domain).collect();
        let tree = json!({ "master": "era.local", "domains": domains }).to_string();
        let root = &self.root;
        let mut asked = sni::Explained {
            names: vec![DOMAIN.to_owned()],
            tree: scratch.pair_file("tree.json", &tree)?,
            config: Some(format!("{root}/root/exported.json")),
            dir: vec![format!("{INSIDE}={root}{HERE}")],
            cert: self.pairs[0].0.cert.clone(),
            profile: "era".to_owned(),
        };
        let one = sni::report(&self.host, &asked, None)?;
        self.teller.say(&one.text());
        let shadowed = one.names.iter().flat_map(|n| &n.findings);
        let shadowed = shadowed.map(|f| f.name).collect::<Vec<_>>();
        hold(
            shadowed.contains(&"shadowed"),
            "what is explained",
            "that the domain's certificate is in the way",
            || format!("has {shadowed:?}"),
        )?;
        asked.names.clear();
        asked.cert = None;
        let all = sni::report(&self.host, &asked, None)?;
        self.teller.say(&format!("\n{}", all.text()));
        for name in all.names {
            let leaves = name.answers.into_iter();
            // Roles that read the same directory answer alike.
            let mut leaves: Vec<_> = leaves.map(|a| a.fingerprint.unwrap_or_default()).collect();
            leaves.dedup();
            for leaf in leaves {
                self.present(name.name.as_deref(), &leaf)?;
            }
        }
        Ok(())
    }

    /// Holds that both servers present a leaf for a name, or for none.
    fn present(&mut self, name: Option<&str>, leaf: &str) -> Result<()> {
        let mut servers = Vec::new();
        for server in self.platform.servers().split(' ') {
            let ip = server.parse::<IpAddr>().map_err(|_| Error::Unproved {
                subject: "a server".to_owned(),
                want: "an address".to_owned(),
                found: format!("is `{server}`"),
            })?;
            let mut dial = Dial::new((ip, 443).into(), Protocol::Direct, DOMAIN, PATIENCE);
            dial.sni = name.map(str::to_owned);
            let presented = self.host.handshake(&dial)?;
            let found = presented.certificates.first();
            let found = found.map(|der| Fingerprint::of(der).to_string());
            let found = found.unwrap_or_default();
            hold(found == leaf, server, leaf, || format!("presents {found}"))?;
            self.handshakes += 1;
            servers.push(server.to_owned());
        }
        let asked = name.map_or_else(|| "no name".to_owned(), |name| format!("`{name}`"));
        let short = leaf.get(..16).unwrap_or(leaf);
        self.teller
            .say(&format!("  {}: {short} for {asked}\n", servers.join(", ")));
        Ok(())
    }

    fn leaf(&self, n: usize) -> String {
        let pair = self.pairs.get(n);
        pair.map(|(_, leaf)| leaf.clone()).unwrap_or_default()
    }

    fn prepared(&self, name: &str, n: usize, more: &[(&str, &str)]) -> Result<Prepared> {
        let files = self.pairs.get(n).map(|(files, _)| files.clone());
        let servers = self.platform.servers();
        let mut set: BTreeMap<String, String> = [
            ("domain", DOMAIN),
            ("master", "era.local"),
            ("servers", &servers),
            ("config", "/root/exported.json"),
            ("restart", RESTART),
            ("settle", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let more = more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        set.extend(more);
        let request = Request {
            name: Some(name.to_owned()),
            profiles: vec!["era".to_owned()],
            files: files.unwrap_or_default(),
            set,
            ..Request::default()
        };
        let mut prepared = prepare(&self.host, &request)?;
        // Nobody waits for the end of a story that long.
        prepared.plan.deadline = 2;
        Ok(prepared)
    }

    fn show(&self, prepared: &Prepared) {
        let view = View::of(&prepared.plan, &self.host);
        self.teller.say(&fold::fold(&text::plan(&view, false)));
    }

    fn roll(&mut self, prepared: Prepared, want: Outcome) -> Result<()> {
        let receipt = self.teller.carry_out(&mut self.host, prepared)?;
        self.teller.ended(&receipt, want)
    }

    fn chapter(&self, title: &str, text: &str) -> Result<()> {
        self.teller.chapter(&self.host, title, text)
    }
}

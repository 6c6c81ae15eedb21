//! One host on a disk of its own: what a rollout makes of it, and whether what is left of one is whole.

use std::{fs, path::PathBuf, process::Command};

use super::{
    Judged,
    disks::{Disk, Kind},
};
use crate::{
    common::{Run, Running, Scratch},
    root::{self, Snapshot},
};

/// Services with a directory that a link goes into.
const SERVICES: usize = 20;

/// A host, its disk, and what its trees are.
pub(crate) struct Site<'s> {
    pub(crate) scratch: &'s Scratch,
    /// Names it among the workers, and its profile.
    pub(crate) name: String,
    pub(crate) disk: Disk,
    /// The tree before the rollout.
    pub(crate) old: Snapshot,
    /// The tree after it.
    pub(crate) new: Snapshot,
}

/// A scratch directory with the pair of before, `old`, and the one to roll out, `new`.
pub(crate) fn pairs() -> Scratch {
    let scratch = Scratch::new();
    scratch.mint("old", "site.example.com");
    scratch.mint("new", "site.example.com");
    scratch
}

impl<'s> Site<'s> {
    /// Makes the host, and keeps it before (`fresh`) and after (`placed`) the rollout.
    pub(crate) fn new(scratch: &'s Scratch, kind: Kind, name: &str) -> Self {
        let disk = Disk::new(kind, &scratch.path(&format!("{}-{name}", kind.name())));
        let mut site = Self {
            scratch,
            name: name.to_owned(),
            disk,
            old: Snapshot::new(),
            new: Snapshot::new(),
        };
        site.serve(&format!(
            "[cp, {}/usr/share/certs/server.crt, LOADED]",
            site.host()
        ));
        site.make_host();
        site.old = site.tree();
        site.keep("fresh");
        site.run(&site.does("apply")).exits(0);
        site.new = site.tree();
        site.keep("placed");
        assert_ne!(site.old, site.new);
        site
    }

    /// Where something on the disk is.
    pub(crate) fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.disk.at.display())
    }

    fn host(&self) -> String {
        self.at("host")
    }

    /// Writes the profile: pair, override, a link for each service, hosts with its source, missing directories, and a
    /// command.
    pub(crate) fn serve(&self, command: &str) {
        let host = self.host();
        let command = command.replace("LOADED", &self.at("loaded"));
        let body = format!(
            "resources:\n\
             - {{kind: pem, path: {host}/usr/share/certs/server.key, form: key, group: www-data, mode: \"0640\"}}\n\
             - {{kind: pem, path: {host}/usr/share/certs/server.crt, form: fullchain}}\n\
             - {{kind: template, path: {host}/etc/custom/certificate/override.yml, from: override.yml.tera}}\n\
             - {{kind: link, each: \"{host}/etc/svc*/conf.d\", name: 010-custom.yml, to: {host}/etc/custom/certificate/override.yml}}\n\
             - {{kind: template, path: {host}/etc/custom/templates/system/etc/hosts, from: hosts.tera, swept: {host}/etc/custom/templates}}\n\
             - {{kind: hosts, path: {host}/etc/hosts, from: {host}/etc/custom/templates/system/etc/hosts}}\n\
             services: [{{manager: command, command: {command}, limit: 30}}]\n"
        );
        self.scratch.profile(&self.name, &body);
        let folder = format!("P/{}", self.name);
        self.scratch.file(
            &format!("{folder}/override.yml.tera"),
            "host: \"{{ identity.name }}\"\n",
        );
        self.scratch.file(
            &format!("{folder}/hosts.tera"),
            "127.0.0.1\tlocalhost {{ identity.name }}\n",
        );
    }

    fn make_host(&self) {
        let host = PathBuf::from(self.host());
        for n in 1..=SERVICES {
            fs::create_dir_all(host.join(format!("etc/svc{n:02}/conf.d"))).unwrap();
        }
        fs::create_dir_all(host.join("usr/share/certs")).unwrap();
        let pair = host.join("usr/share/certs/server");
        fs::copy(self.scratch.path("old.key"), pair.with_extension("key")).unwrap();
        fs::copy(self.scratch.path("old.pem"), pair.with_extension("crt")).unwrap();
        fs::write(
            host.join("etc/hosts"),
            "127.0.0.1\tlocalhost\n127.0.1.1\tpbx.example.com\tpbx\n",
        )
        .unwrap();
        // Owners, modes and an attribute that nobody would make by default, to be found again.
        self.scratch.sh(&format!(
            "cd {}; chown 12:34 usr/share/certs/server.key; chmod 400 usr/share/certs/server.key; chmod 664 etc/hosts
             setfattr -n trusted.note -v kept etc/hosts; chown 56:78 etc/svc02/conf.d; chmod 2750 etc/svc02/conf.d
             ln -s /nowhere etc/svc03/conf.d/other",
            host.display()
        ));
    }

    /// A command line that does something here.
    pub(crate) fn does(&self, verb: &str) -> String {
        match verb {
            "apply" => self.line(&format!("apply --yes {}", self.asked())),
            "rollback" => self.line("rollback --yes"),
            other => self.line(other),
        }
    }

    fn asked(&self) -> String {
        format!("--profile {} --cert new.pem --key new.key", self.name)
    }

    /// A command line of certroll with the state on this disk.
    pub(crate) fn line(&self, rest: &str) -> String {
        format!("--state {} --profiles P {rest}", self.at("state"))
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        self.scratch.command(&line.split(' ').collect::<Vec<_>>())
    }

    pub(crate) fn run(&self, line: &str) -> Run {
        Running::start(&mut self.command(line)).end()
    }

    /// What stands on the host.
    pub(crate) fn tree(&self) -> Snapshot {
        root::snapshot(&self.disk.at.join("host"))
    }

    fn kept(&self, name: &str) -> String {
        self.scratch.text(&format!(
            "kept-{}-{}/{name}",
            self.disk.kind.name(),
            self.name
        ))
    }

    /// Keeps everything on the disk under a name.
    pub(crate) fn keep(&self, name: &str) {
        let (kept, at) = (self.kept(name), self.disk.at.display());
        self.scratch.sh(&format!(
            "mkdir -p {kept}; cp -a {at}/. {kept}/; rm -rf {kept}/lost+found"
        ));
    }

    /// Puts on the disk what was kept, and nothing else.
    pub(crate) fn restore(&self, name: &str) {
        let (kept, at) = (self.kept(name), self.disk.at.display());
        self.scratch.sh(&format!(
            "cd {at}; rm -rf host state loaded; cp -a {kept}/. {at}/"
        ));
    }

    /// Judges what is there after a recovery: the tree, the service, and whether certroll goes on.
    pub(crate) fn judge(&self) -> Judged {
        let tree = self.tree();
        let new = tree == self.new;
        if !new && tree != self.old {
            let (old, new) = (differences(&self.old, &tree), differences(&self.new, &tree));
            return Judged::Broken(format!("neither old: {old:#?}\nnor new: {new:#?}"));
        }
        let plan = self.run(&self.line(&format!("plan {}", self.asked())));
        if plan.code != if new { 0 } else { 5 } {
            return Judged::Broken(format!("the next plan: {plan:#?}"));
        }
        Judged::Whole { new }
    }

    /// Says what the service has loaded that is not there.
    pub(crate) fn loads_something_else(&self) -> Option<String> {
        let loaded = fs::read(self.disk.at.join("loaded")).ok()?;
        let there = fs::read(self.disk.at.join("host/usr/share/certs/server.crt")).unwrap();
        (loaded != there).then(|| "the service was not told what is there".to_owned())
    }
}

fn differences(wanted: &Snapshot, found: &Snapshot) -> Vec<String> {
    let paths: std::collections::BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
    let differ = paths
        .into_iter()
        .filter(|path| wanted.get(*path) != found.get(*path));
    differ
        .map(|path| format!("{path}: {:?} => {:?}", wanted.get(path), found.get(path)))
        .collect()
}

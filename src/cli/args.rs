//! The command line as data.

use clap::{Parser, Subcommand, ValueEnum};

mod acme;
mod issue;
mod peers;
mod rollout;
mod serve;
mod sni;
mod stores;
mod trust;
mod watch;

pub(crate) use acme::{Acme, Renew};
pub(crate) use issue::{Issue, Made, MadeByCa};
pub(crate) use peers::{Pin, Probing};
pub(crate) use rollout::{Go, Revert, Rollout};
pub(crate) use serve::{Backend, Serve};
pub(crate) use sni::{Explained, Sni};
pub(crate) use stores::{Keystore, NewStore, Opened, StoreFormat};
pub(crate) use trust::{Anchor, Trust};
pub(crate) use watch::{Shape, Watching};

/// Rolls a certificate across every service of a host, proves by handshake that each one serves it, or puts
/// everything back.
#[derive(Debug, Parser)]
#[command(name = "certroll", version, max_term_width = 120, after_help = AFTER)]
pub(crate) struct Cli {
    /// Work on the tree at DIR as if it were `/`: no service is told, nothing is probed
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub(crate) root: Option<String>,
    /// Keep state in DIR [default: /var/lib/certroll below the root]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub(crate) state: Option<String>,
    /// Look for profiles in DIR before the built-in ones
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub(crate) profiles: Option<String>,
    /// Print one JSON document on standard output, errors included
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// Colour the output
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Print the outcome and errors only
    #[arg(short, long, global = true, help_heading = EVERYWHERE, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print notes and every probe as well
    #[arg(short, long, global = true, help_heading = EVERYWHERE, overrides_with = "verbose")]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The heading of the options that every command has.
const EVERYWHERE: &str = "Everywhere";

const AFTER: &str = "Examples:
  certroll plan --profile wazo --cert site.pem --key site.key
                      what would change, exactly
  certroll apply --profile wazo --cert site.pem --key site.key
                      do it, prove it, or put everything back
  certroll status     drift, what is owed, what every endpoint presents
  certroll rollback   the newest rollout back, proved
  certroll demo       the whole story on a scratch host, no root needed

Exit codes: 0 done or nothing to do, 1 failed and unchanged, 2 usage or unfit
identity, 3 rolled back, 4 stuck or open, 5 differences, 6 locked, 7 stale,
8 wrong peer.";

/// What a saved plan has already.
const APPROVED: [&str; 12] = [
    "from",
    "name",
    "until",
    "profile",
    "cert",
    "key",
    "chain",
    "password_file",
    "previous_cert",
    "previous_key",
    "set",
    "allow",
];

/// A story of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Story {
    /// Twenty daemons of a Wazo host
    Wazo,
    /// A Check Point management server whose clients pin its leaf
    Checkpoint,
    /// An Era platform of two servers, with domains of their own
    Era,
    /// A Speechmatics appliance over the network
    Speechmatics,
    /// A WSO2 gateway whose backend demands a client certificate
    Wso2,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what a rollout would do: findings, diffs, commands, probes; changes nothing
    #[command(after_help = "Examples:
  certroll plan --profile wazo --cert site.pem --key site.key
  certroll plan --profile wazo --cert site.p12 --password-file secret \\
      --set host=wazo.example.com
  certroll plan --profile wazo --from certbot:wazo.example.com
  certroll plan    the remembered rollout, against the host as it is
  certroll --root /mnt/image plan --profile wazo \\
      --cert site.pem --key site.key --out plan.json
  certroll plan --profile speechmatics \\
      --cert /root/site.pem --key /root/site.key --emit-script asr1.sh

The script of --emit-script is for an operator to read and to run without
certroll: it names keys and passwords by their files, goes back where something
fails, and says in its head what it does not do. It replaces no file. What it
places and is in no file that was named comes in FILE.files beside it. Of a
rotation it does the phase that is planned.

Exits with 0 if there is nothing to do, 5 if there are differences, 2 or 1 if a
fatal finding stands in the way.")]
    Plan {
        #[command(flatten)]
        rollout: Rollout,
        /// Show what `revert` would do instead
        #[arg(long, conflicts_with_all = ["cert", "key", "chain", "from", "password_file"])]
        revert: bool,
        /// Go as far as this phase of a rotation, and no further
        #[arg(long, value_name = "PHASE", conflicts_with = "revert")]
        until: Option<String>,
        /// Save the plan to FILE, for `apply --plan FILE`
        #[arg(long, value_name = "FILE")]
        out: Option<String>,
        /// Write the rollout to FILE as a shell script of openssl and curl, where there is something to do
        #[arg(long, value_name = "FILE")]
        emit_script: Option<String>,
        /// Write the plan to FILE as a page of HTML, which needs no network and no script
        #[arg(long, value_name = "FILE")]
        html: Option<String>,
    },
    /// Do what `plan` shows, prove it by handshake, or put everything back
    #[command(after_help = "Examples:
  certroll apply --profile wazo --cert site.pem --key site.key
  certroll apply --yes                    the remembered rollout, as a hook does
  certroll apply --plan plan.json --yes   an approved plan, refused if stale

Asks before it changes anything; without a terminal it needs --yes.")]
    Apply {
        #[command(flatten)]
        rollout: Rollout,
        /// Go as far as this phase of a rotation, and no further [default: all, where an identity is given]
        #[arg(long, value_name = "PHASE")]
        until: Option<String>,
        /// Apply the plan saved in FILE, if the host and the inputs still give the same
        #[arg(long, value_name = "FILE", conflicts_with_all = APPROVED)]
        plan: Option<String>,
        #[command(flatten)]
        go: Go,
        /// Change files now, leave services and proof to a later run
        #[arg(long)]
        defer: bool,
    },
    /// Show drift, what is owed, steps for people, every certificate's end, and what endpoints present; changes nothing
    #[command(after_help = watch::AFTER)]
    Status {
        #[command(flatten)]
        rollout: Rollout,
        #[command(flatten)]
        watching: Watching,
    },
    /// Say why it does not work: verdict, evidence, the command that shows it, the fix; changes nothing
    #[command(after_help = "Examples:
  certroll doctor    the remembered rollout: files, units, calls, endpoints
  certroll doctor wazo.example.com:443
                     one endpoint, as its clients see it
  certroll doctor --log /var/log/nginx/error.log
                     known lines of a log, explained

Exits with 0 if no fault was found, 5 if one was; -v shows what is in order as
well.",
        mut_arg("name", |name| name.value_name("ROLLOUT|HOST:PORT").help(
            "Name of the rollout, or an endpoint [default: the only remembered rollout]")))]
    Doctor {
        #[command(flatten)]
        rollout: Rollout,
        /// Explain the known lines of FILE
        #[arg(long, value_name = "FILE")]
        log: Option<String>,
    },
    /// Take the newest generation of a rollout back, or return to the state after generation N
    Rollback {
        /// Return to the state after this generation
        #[arg(value_name = "N")]
        generation: Option<u64>,
        /// Name of the rollout [default: the profiles' names, or the only remembered one]
        #[arg(long = "rollout", value_name = "ROLLOUT")]
        name: Option<String>,
        /// Name the rollout by its profile; by all of them where it has several
        #[arg(long, value_name = "NAME", conflicts_with = "name")]
        profile: Vec<String>,
        #[command(flatten)]
        go: Go,
        /// Accept FINDING by name
        #[arg(long, value_name = "FINDING")]
        allow: Vec<String>,
    },
    /// Take the platform back to its own default: planned, proved and undone like a rollout
    #[command(after_help = "Examples:
  certroll plan --revert           what would change, exactly; changes nothing
  certroll revert                  the remembered rollout's platform
  certroll revert --profile wazo   a host that was changed by hand

What somebody else changed is kept and named. The rollout is forgotten;
`certroll rollback` brings it back.")]
    Revert(Revert),
    /// Finish what a run that died left open: everything back, services proved
    Recover {
        /// Files only, from the journal alone: nothing is started or probed, that stays owed to the next `recover`
        #[arg(long, conflicts_with = "abandon")]
        boot: bool,
        /// Give the open generation up and leave what is there
        #[arg(long)]
        abandon: bool,
    },
    /// List the generations: how each ended, who ran it and why, how long it took, which leaf went and which came
    History,
    /// Show what one generation did
    Show {
        /// Number of the generation
        #[arg(value_name = "N")]
        generation: u64,
        /// Write it to FILE as a page of HTML too, which needs no network and no script
        #[arg(long, value_name = "FILE")]
        html: Option<String>,
    },
    /// Forget a rollout: its files stay as they are, its generations and remembered identity go
    Forget {
        /// Name of the rollout
        #[arg(value_name = "ROLLOUT")]
        name: String,
    },
    /// Show what an identity or a keystore is, and every finding
    #[command(after_help = "Examples:
  certroll inspect site.pem site.key
  certroll inspect site.p12 --password-file secret
  certroll inspect client-truststore.jks --password-file secret")]
    Inspect {
        /// Files that hold the key, leaf and chain, in any order; or one keystore
        #[arg(value_name = "FILE", required = true)]
        files: Vec<String>,
        /// Read the password of an encrypted key or store from FILE
        #[arg(long, value_name = "FILE")]
        password_file: Option<String>,
        /// Accept FINDING by name
        #[arg(long, value_name = "FINDING")]
        allow: Vec<String>,
    },
    /// Show what an endpoint presents and offers: leaf, chain, fingerprints, what clients say, versions, suites
    #[command(after_help = "Examples:
  certroll probe wazo.example.com:443
  certroll probe asr1.example.com --rules speechmatics-v1
  certroll probe 192.0.2.10:443 --sni a.example.com --sni b.example.com --no-sni
  certroll probe pbx.example.com:8443 --client-cert me.pem --client-key me.key
  certroll probe smtp://mx.example.com imap://mail.example.com:143

One target is asked for everything; several are asked side by side for what
they present, a line for each. Versions and suites take some thirty
connections, and behind a scheme are asked for with --rules alone.
Schemes that ask for TLS in the clear first: ftp, imap, ldap, mysql, nntp,
pop3, postgres, sieve, smtp, xmpp.

Exits with 1 if a target is silent, 5 if rules do not hold.")]
    Probe(Probing),
    /// Keep the leaves that peers must present, and check them
    Pin {
        #[command(subcommand)]
        command: Pin,
    },
    /// List the entries of a Java keystore, take one out, or make a new store
    Keystore {
        #[command(subcommand)]
        command: Keystore,
    },
    /// Have an identity issued, and keep it where a rollout can follow it
    Issue {
        #[command(subcommand)]
        command: Issue,
    },
    /// Give clients what they must trust, or have this host trust it
    Trust {
        #[command(subcommand)]
        command: Trust,
    },
    /// Serve for proof: a backend that says which client certificate it saw
    Serve {
        #[command(subcommand)]
        command: Serve,
    },
    /// Say which certificate answers for a name, where a platform keeps one for each domain
    Sni {
        #[command(subcommand)]
        command: Sni,
    },
    /// Renew what `issue acme` had issued where it is due, and roll it out with proof
    #[command(after_help = "Examples:
  certroll renew                            what is due, as the timer does
  certroll renew --force www.example.org    now

Due is what the server says (RFC 9773), else when a third of the lifetime is
left. What fails is tried again after an hour, then two, up to a day, is shown
by `status`, and fails the unit.")]
    Renew(Renew),
    /// Have the host call certroll when it must: at boot, after renewals and upgrades, and when files change
    Hooks {
        #[command(subcommand)]
        command: Hooks,
    },
    /// List, show or check profiles
    Profiles {
        #[command(subcommand)]
        command: Profiles,
    },
    /// Tell the whole story on a scratch host, no root needed
    Demo {
        /// Which platform's
        #[arg(value_enum, default_value = "wazo")]
        name: Story,
    },
    /// Be one daemon of the demo's scratch host
    #[command(hide = true)]
    DemoDaemon {
        /// Name of its unit
        unit: String,
    },
}

impl Command {
    /// Tells whether its own options ask for a JSON document, as `--json` does.
    pub(crate) fn wants_json(&self) -> bool {
        matches!(self, Self::Status { watching, .. } if watching.format == Shape::Json)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Hooks {
    /// Show the units and hooks that call certroll at boot, after renewals and upgrades, ask, and write them
    Install {
        #[command(flatten)]
        go: Go,
    },
    /// Show what is there of them, ask, and remove it
    Remove {
        #[command(flatten)]
        go: Go,
    },
    /// Apply every remembered rollout again, as hooks do: quiet where there is nothing to do
    Run {
        /// Name of the hook that calls, for the receipt
        #[arg(value_name = "HOOK")]
        hook: String,
        /// Change files now, leave services and proof to a later run
        #[arg(long)]
        defer: bool,
        /// Wait up to SECS seconds for another run to end
        #[arg(long, value_name = "SECS", default_value_t = 300)]
        wait: u64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Profiles {
    /// List the profiles and what they are for
    List,
    /// Show a profile's settings, resources, services and probes
    Show {
        /// Name of the profile
        name: String,
    },
    /// Check a profile's file, with its templates beside it
    Check {
        /// Path of its `profile.yaml`
        file: String,
    },
}

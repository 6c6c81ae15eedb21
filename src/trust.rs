//! The trust anchor that clients of an identity need: what it is, how each sort of client is given it, and what has this
//! host trust it, told as a plan like any other.

use crate::{
    desired::{Action, Service, Step, Target},
    error::{Error, Result},
    host::{Command, EntryKind, Host},
    identity::{Certificate, Identity},
    pins::Leaf,
    plan::{Change, Plan, observe},
    preflight::{Finding, Severity},
    probe::Says,
    render::shell_word,
    service,
    state::{Content, HostPath, State},
};

/// Where Debian's ca-certificates takes local anchors from (update-ca-certificates(8)).
const LOCAL: &str = "/usr/local/share/ca-certificates";

/// Where it puts a link to each of them.
const LINKS: &str = "/etc/ssl/certs";

/// Name of the rollout that a generation of anchors belongs to; no file of `rollouts.d` is called so.
pub(crate) const ROLLOUT: &str = "certroll trust";

/// What has the host trust what is there, the same on both ways. Without `--fresh` update-ca-certificates leaves the links of
/// an anchor that is gone, and with it clients find none for a while; so those are removed after it.
const TELL: [&[&str]; 3] = [
    &["update-ca-certificates"],
    &[
        "find",
        "-L",
        LINKS,
        "-maxdepth",
        "1",
        "-name",
        "certroll-*",
        "-type",
        "l",
        "-delete",
    ],
    &["openssl", "rehash", LINKS],
];

/// How one sort of client is given an anchor; `{file}` and `{name}` stand for its file and a name for it.
struct Client {
    name: &'static str,
    pem: &'static str,
    der: &'static str,
    /// Where a self-signed leaf that is no CA is given otherwise: PEM, DER.
    leaf: Option<(&'static str, &'static str)>,
}

/// update-ca-certificates(8), update-ca-trust(8), keytool(1), certutil(1) of NSS, and the reference of Windows' own `certutil`.
const CLIENTS: &[Client] = &[
    Client {
        name: "Debian, Ubuntu",
        pem: "install -m 0644 {file} /usr/local/share/ca-certificates/{name}.crt && update-ca-certificates",
        der: "openssl x509 -inform DER -in {file} -out /usr/local/share/ca-certificates/{name}.crt && update-ca-certificates",
        leaf: None,
    },
    Client {
        name: "RHEL, Fedora",
        pem: "install -m 0644 {file} /etc/pki/ca-trust/source/anchors/{name}.crt && update-ca-trust",
        der: "install -m 0644 {file} /etc/pki/ca-trust/source/anchors/{name}.crt && update-ca-trust",
        leaf: None,
    },
    Client {
        name: "Java, asks for the store's password",
        pem: "keytool -importcert -noprompt -cacerts -alias {name} -file {file}",
        der: "keytool -importcert -noprompt -cacerts -alias {name} -file {file}",
        leaf: None,
    },
    Client {
        name: "Firefox, in each profile",
        pem: "certutil -A -d sql:$HOME/.mozilla/firefox/PROFILE -n {name} -t C,, -a -i {file}",
        der: "certutil -A -d sql:$HOME/.mozilla/firefox/PROFILE -n {name} -t C,, -i {file}",
        leaf: Some((
            "certutil -A -d sql:$HOME/.mozilla/firefox/PROFILE -n {name} -t P,, -a -i {file}",
            "certutil -A -d sql:$HOME/.mozilla/firefox/PROFILE -n {name} -t P,, -i {file}",
        )),
    },
    Client {
        name: "Chrome on Linux, other programs of NSS",
        pem: "certutil -A -d sql:$HOME/.pki/nssdb -n {name} -t C,, -a -i {file}",
        der: "certutil -A -d sql:$HOME/.pki/nssdb -n {name} -t C,, -i {file}",
        leaf: Some((
            "certutil -A -d sql:$HOME/.pki/nssdb -n {name} -t P,, -a -i {file}",
            "certutil -A -d sql:$HOME/.pki/nssdb -n {name} -t P,, -i {file}",
        )),
    },
    Client {
        name: "Windows, as administrator",
        pem: "certutil -addstore -f Root {file}",
        der: "certutil -addstore -f Root {file}",
        leaf: None,
    },
];

/// Returns what clients of an identity must trust: the root that came with it, or the leaf where it is signed by itself.
///
/// # Errors
/// [`Error::Input`] where its root did not come with it.
pub fn anchor(identity: &Identity) -> Result<&Certificate> {
    let leaf = &identity.leaf;
    let own = leaf.self_signed.then_some(leaf);
    own.or(identity.anchor.as_ref()).ok_or_else(|| {
        let top = identity.chain.last().unwrap_or(leaf);
        Error::Input {
            subject: format!("`{}`", leaf.title()),
            message: format!("its root, `{}`, is not among what was given", top.issuer),
            hint: "give the root of its CA; clients trust that of a public CA already".to_owned(),
        }
    })
}

/// Returns a name for an anchor that no other has.
#[must_use]
pub fn name(anchor: &Certificate) -> String {
    let short = anchor.sha256.get(..16).unwrap_or_default();
    format!("certroll-{short}")
}

/// Returns the command for each sort of client, with who that is.
#[must_use]
pub fn commands(anchor: &Certificate, file: &str, der: bool) -> Vec<(&'static str, String)> {
    let line = |client: &Client| {
        let own = client.leaf.filter(|_| !anchor.is_ca);
        let (pem, of_der) = own.unwrap_or((client.pem, client.der));
        let line = if der { of_der } else { pem };
        let line = line.replace("{name}", &name(anchor));
        (client.name, line.replace("{file}", &shell_word(file)))
    };
    CLIENTS.iter().map(line).collect()
}

/// Plans what has this host trust an anchor; `pem` is its text.
///
/// # Errors
/// [`Error::Usage`] where this is no host of Debian's ca-certificates. The host is unchanged.
pub fn install(host: &dyn Host, anchor: &Certificate, pem: String) -> Result<Plan> {
    let path = place(host, anchor)?;
    let target = Target::of(path, "anchor", Content::File(pem.into()), Some(0o644));
    let owner = host.effective_uid();
    let observed = observe(host, vec![target], (owner, owner))?;
    let mut plan = plan(host, observed.changes);
    plan.findings = observed.findings;
    plan.steps = steps(host, &plan.changes)?;
    let message = format!(
        "`{}`, SHA-256 fingerprint {}: programs of this host trust it from then on",
        anchor.title(),
        anchor.sha256
    );
    plan.findings
        .push(Finding::input(Severity::Note, "anchor", message));
    if !plan.services.is_empty() {
        // What it made says that it took the anchor in.
        let link = format!("{LINKS}/{}.pem", name(anchor));
        let argv = [
            "openssl",
            "x509",
            "-in",
            &link,
            "-noout",
            "-fingerprint",
            "-sha256",
        ];
        plan.says = Says::all(vec![command(&argv)], &Leaf::from(anchor));
        plan.commands
            .extend(plan.says.iter().map(|says| says.command.clone()));
    }
    Ok(plan)
}

/// Plans what has this host trust an anchor no more that [`install`] brought.
///
/// # Errors
/// As [`install`].
pub fn remove(host: &dyn Host, anchor: &Certificate) -> Result<Plan> {
    let path = place(host, anchor)?;
    let before = host.read(&path)?;
    let changes = (before != State::Absent).then(|| Change::removal(path, "anchor", before));
    let mut plan = plan(host, changes.into_iter().collect());
    plan.steps = steps(host, &plan.changes)?;
    Ok(plan)
}

/// Returns what is left to people where these anchors come or go.
///
/// # Errors
/// [`Error::Io`]
pub(crate) fn steps(host: &dyn Host, changes: &[Change]) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    if !host.is_live() && !changes.is_empty() {
        let lines: Vec<String> = TELL.iter().map(|argv| argv.join(" ")).collect();
        steps.push(format!("On that host itself, run: {}", lines.join("; ")));
    }
    let java = HostPath::new("/etc/ssl/certs/java/cacerts").unwrap_or_default();
    let gone: Vec<&Change> = (changes.iter())
        .filter(|change| change.after == State::Absent)
        .collect();
    // Its hook is told what came, and not what went without --fresh (ca-certificates-java, `jks-keystore`).
    if !gone.is_empty() && host.read(&java)? != State::Absent {
        steps.extend(gone.iter().map(|change| {
            let name = change.path.name().trim_end_matches(".crt");
            format!("Java's own store keeps it: keytool -delete -cacerts -alias debian:{name}.pem")
        }));
    }
    let step = |text| Step { text, gone: None };
    Ok(steps.into_iter().map(step).collect())
}

fn place(host: &dyn Host, anchor: &Certificate) -> Result<HostPath> {
    let dir = HostPath::new(LOCAL).unwrap_or_default();
    let programs = HostPath::new("/usr/sbin").unwrap_or_default();
    let programs = host.list(&programs)?.unwrap_or_default();
    let has_program = programs
        .iter()
        .any(|entry| entry.name == TELL[0][0] && entry.kind != EntryKind::Dir);
    if has_program && host.is_dir(&dir)? {
        return Ok(dir.join(&format!("{}.crt", name(anchor))));
    }
    Err(Error::Usage {
        message: format!("there is no `{LOCAL}` with `/usr/sbin/{}`", TELL[0][0]),
        hint: "`certroll trust export FILE --out ANCHOR` has the commands for other hosts"
            .to_owned(),
    })
}

fn plan(host: &dyn Host, changes: Vec<Change>) -> Plan {
    let mut plan = Plan {
        rollout: ROLLOUT.to_owned(),
        live: host.is_live(),
        changes,
        ..Plan::default()
    };
    if plan.changes.is_empty() {
        return plan;
    }
    if plan.live {
        plan.services = TELL
            .iter()
            .map(|argv| Service::of(Action::Reload, command(argv)))
            .collect();
        plan.commands = service::commands(&plan.services, &plan.units);
    }
    plan
}

/// Hashing a few hundred anchors takes seconds, on a slow machine a minute.
const LIMIT: u64 = 120;

fn command(argv: &[&str]) -> Command {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    Command { argv, limit: LIMIT }
}

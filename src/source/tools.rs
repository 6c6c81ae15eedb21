//! Folders that other tools fill, known by name: `--from certbot:NAME`, and `from:` in a rollout's file.

use super::{Files, certmonger};
use crate::{
    error::{Error, Result, backticked},
    host::{EntryKind, Tree},
    preflight::{Finding, Severity},
    state::HostPath,
};

/// How a tool lays its identities out.
struct Layout {
    /// As in `--from KIND:NAME`.
    kind: &'static str,
    /// Folders that it may keep them in; the first that has the name is taken.
    tops: &'static [&'static str],
    /// Ways it names the files below, `NAME` standing for the name; the first that is there is taken.
    forms: &'static [Form],
}

/// Files of one identity.
struct Form {
    /// Holds the leaf, and the chain where the tool writes both to one file.
    cert: &'static str,
    key: &'static str,
    /// Holds the chain, where it may be in a file of its own; need not be there.
    chain: Option<&'static str>,
}

const fn pair(cert: &'static str, key: &'static str) -> Form {
    Form {
        cert,
        key,
        chain: None,
    }
}

const ACME_SH_TOPS: &[&str] = &["/root/.acme.sh", "/etc/acme.sh", "/var/lib/acme.sh"];
const ACME_SH_ECC: Form = pair("NAME_ecc/fullchain.cer", "NAME_ecc/NAME.key");

/// certbot: its documentation, "Where are my certificates?". acme.sh: its wiki, "How to issue a cert" (`~/.acme.sh/NAME`, and
/// `NAME_ecc` for keys on curves). lego: "Obtain a Certificate" (`./.lego/certificates` where it was run; a wildcard is `_.NAME`).
/// dehydrated: its sample `config`, `CERTDIR`; Debian's package has `BASEDIR=/var/lib/dehydrated`. step: the template unit
/// `cert-renewer@.service` of smallstep's documentation, "Renewal".
const LAYOUTS: &[Layout] = &[
    Layout {
        kind: "certbot",
        tops: &["/etc/letsencrypt/live"],
        forms: &[pair("NAME/fullchain.pem", "NAME/privkey.pem")],
    },
    Layout {
        kind: "acme.sh",
        tops: ACME_SH_TOPS,
        forms: &[pair("NAME/fullchain.cer", "NAME/NAME.key"), ACME_SH_ECC],
    },
    Layout {
        kind: "acme.sh-ecc",
        tops: ACME_SH_TOPS,
        forms: &[ACME_SH_ECC],
    },
    Layout {
        kind: "lego",
        tops: &[
            "/root/.lego/certificates",
            "/etc/lego/certificates",
            "/var/lib/lego/certificates",
        ],
        forms: &[Form {
            cert: "NAME.crt",
            key: "NAME.key",
            chain: Some("NAME.issuer.crt"),
        }],
    },
    Layout {
        kind: "dehydrated",
        tops: &["/var/lib/dehydrated/certs", "/etc/dehydrated/certs"],
        forms: &[pair("NAME/fullchain.pem", "NAME/privkey.pem")],
    },
    Layout {
        kind: "step",
        tops: &["/etc/step/certs"],
        forms: &[pair("NAME.crt", "NAME.key")],
    },
];

/// How the name of a file ends that may be part of an identity.
const ENDINGS: &[&str] = &["pem", "crt", "cer", "cert", "der", "key", "p12", "pfx"];

/// Returns the files that `KIND:NAME` names on the host, with what is to be said of them.
///
/// # Errors
/// [`Error::Unknown`] for another kind; [`Error::Input`] where the files are not there, with the names that are.
pub(crate) fn locate(tree: &dyn Tree, text: &str) -> Result<(Files, Vec<Finding>)> {
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    let layout = LAYOUTS.iter().find(|layout| layout.kind == kind);
    match (layout, kind) {
        (None, "dir") => Ok((folder(tree, name)?, Vec::new())),
        (None, "certmonger") => Ok((certmonger::files(tree, name)?, Vec::new())),
        (None, _) => Err(Error::Unknown {
            what: "kind of source",
            name: kind.to_owned(),
            known: kinds(),
        }),
        (Some(layout), _) => layout.files(tree, name),
    }
}

fn kinds() -> Vec<String> {
    let tools = LAYOUTS.iter().map(|layout| layout.kind);
    tools
        .chain(["certmonger", "dir"])
        .map(str::to_owned)
        .collect()
}

impl Layout {
    fn files(&self, tree: &dyn Tree, text: &str) -> Result<(Files, Vec<Finding>)> {
        let bad = |message: String, hint: String| Error::Input {
            subject: format!("`{}:{text}`", self.kind),
            message,
            hint,
        };
        // A folder that is not where the tool has it by default stands before the name.
        let (tops, name) = match text.rsplit_once('/') {
            Some((top, name)) if top.starts_with('/') => (vec![top], name),
            Some(_) => (Vec::new(), ""),
            None => (self.tops.to_vec(), text),
        };
        if name.is_empty() || name.starts_with('.') {
            let hint = format!("--from {}:NAME, or --from {0}:/FOLDER/NAME", self.kind);
            return Err(bad("is not a name".to_owned(), hint));
        }
        let tops: Vec<HostPath> = tops.iter().filter_map(|t| HostPath::new(t).ok()).collect();
        let all = tops
            .iter()
            .flat_map(|top| self.forms.iter().map(move |form| form.below(top, name)));
        let there: Vec<Files> = all
            .filter(|files| files.paths().iter().take(2).any(|path| is_file(tree, path)))
            .collect();
        let whole = self.names(tree, &tops);
        let Some(files) = there.first() else {
            let hint = if whole.is_empty() {
                format!(
                    "no certificate is there; where the folder is another: --from {}:/FOLDER/{name}",
                    self.kind
                )
            } else {
                format!("there are {}", backticked(&whole))
            };
            let tops: Vec<String> = tops.iter().map(HostPath::to_string).collect();
            return Err(bad(
                format!("nothing of that name in {}", backticked(&tops)),
                hint,
            ));
        };
        if let Some(path) = files
            .paths()
            .iter()
            .take(2)
            .find(|path| !is_file(tree, path))
        {
            let also = if whole.is_empty() {
                String::new()
            } else {
                format!("; whole are {}", backticked(&whole))
            };
            let hint = format!("wait until {} has written it{also}", self.kind);
            return Err(bad(format!("half-written: `{path}` is missing"), hint));
        }
        let also = there.iter().skip(1).filter_map(|files| files.cert.as_ref());
        let also: Vec<Finding> = also
            .map(|path| {
                let message =
                    format!("`{path}` is of this name too, and is not the one that is taken");
                Finding::input(Severity::Note, "source-also", message)
            })
            .collect();
        let mut files = files.clone();
        files.chain = files.chain.filter(|path| is_file(tree, path));
        Ok((files, also))
    }

    /// Returns the names of which everything is there that is needed.
    fn names(&self, tree: &dyn Tree, tops: &[HostPath]) -> Vec<String> {
        let mut names = Vec::new();
        for (top, form) in tops
            .iter()
            .flat_map(|t| self.forms.iter().map(move |f| (t, f)))
        {
            let ends = form.cert.strip_prefix("NAME").unwrap_or_default();
            let ends = ends.split('/').next().unwrap_or_default();
            for entry in tree.list(top).ok().flatten().unwrap_or_default() {
                let Some(name) = entry.name.strip_suffix(ends) else {
                    continue;
                };
                let files = form.below(top, name);
                if files.paths().iter().take(2).all(|path| is_file(tree, path)) {
                    names.push(name.to_owned());
                }
            }
        }
        names.sort();
        names.dedup();
        names
    }
}

impl Form {
    fn below(&self, top: &HostPath, name: &str) -> Files {
        let path = |form: &str| format!("{top}/{}", form.replace("NAME", name));
        Files {
            cert: Some(path(self.cert)),
            key: Some(path(self.key)),
            chain: self.chain.map(path),
            ..Files::default()
        }
    }
}

fn is_file(tree: &dyn Tree, path: &str) -> bool {
    let found = HostPath::new(path).map(|path| tree.read_followed(&path));
    matches!(found, Ok(Ok((_, state))) if state.bytes().is_some())
}

/// Returns the files of a folder that anybody may fill: whatever their names are, each part of an identity tells what it is.
fn folder(tree: &dyn Tree, text: &str) -> Result<Files> {
    let bad = |message: String, hint: String| Error::Input {
        subject: format!("`dir:{text}`"),
        message,
        hint,
    };
    let dir = HostPath::new(text).map_err(|e| {
        bad(
            e.to_string(),
            "name it from `/`: --from dir:/FOLDER".to_owned(),
        )
    })?;
    let Some(entries) = tree.list(&dir)? else {
        return Err(bad("is not a directory".to_owned(), String::new()));
    };
    let is_part = |name: &str| {
        let ending = name
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_lowercase());
        ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
    };
    let (parts, rest): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .filter(|entry| entry.kind != EntryKind::Dir)
        .map(|entry| entry.name)
        .partition(|name| is_part(name));
    if parts.is_empty() {
        let hint = if rest.is_empty() {
            "it holds no file at all".to_owned()
        } else {
            format!("there are {}", backticked(&rest))
        };
        let message = format!("no file in it ends in .{}", ENDINGS.join(", ."));
        return Err(bad(message, hint));
    }
    Ok(Files {
        others: parts
            .iter()
            .map(|name| dir.join(name).to_string())
            .collect(),
        ..Files::default()
    })
}

//! Where profiles come from: built in, or a folder of the user's.

use std::collections::BTreeMap;

use super::Profile;
use crate::{
    error::{Error, Result},
    host::{Deciding, Host, ours_alone},
};

/// One built-in profile: its name and the files of its folder.
type Embedded = (&'static str, &'static [(&'static str, &'static str)]);

/// The folders of `templates/`, built in; nothing is parsed before it is asked for.
const EMBEDDED: &[Embedded] = &include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The longest name of a profile.
const LONGEST_NAME: usize = 64;

/// Returns the names of the built-in profiles.
#[must_use]
pub fn embedded() -> Vec<&'static str> {
    EMBEDDED.iter().map(|(name, _)| *name).collect()
}

/// Parses a built-in profile.
///
/// # Errors
/// [`Error::Unknown`] where there is none of that name.
pub fn parse_embedded(name: &str) -> Result<Profile> {
    let Some((name, files)) = EMBEDDED.iter().find(|(known, _)| *known == name) else {
        return Err(unknown(name, embedded().into_iter().map(str::to_owned)));
    };
    let mut files: BTreeMap<String, String> = files
        .iter()
        .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
        .collect();
    let text = files.remove("profile.yaml").unwrap_or_default();
    Profile::parse(&format!("templates/{name}/profile.yaml"), &text, &files)
}

/// Reads a profile by name: from `dir/NAME/` where it is there, else the built-in one.
///
/// # Errors
/// [`Error::Usage`] for a name that is a path, and for files that others than root can write when run as root;
/// [`Error::Unknown`] where there is none; [`Error::Parse`] where it is not one.
pub fn load(name: &str, host: &dyn Host, dir: Option<&str>) -> Result<Profile> {
    check_name(name)?;
    let Some(dir) = dir else {
        return parse_embedded(name);
    };
    let mut own = host.list_input(dir)?;
    own.sort();
    if !own.iter().any(|entry| entry == name) {
        return parse_embedded(name).map_err(|error| match error {
            Error::Unknown { .. } => unknown(
                name,
                own.into_iter()
                    .filter(|n| check_name(n).is_ok())
                    .chain(embedded().into_iter().map(str::to_owned)),
            ),
            other => other,
        });
    }
    let folder = format!("{}/{name}", dir.trim_end_matches('/'));
    read(host, &folder, "profile.yaml")
}

/// Reads a profile by the path of its file, as `profiles check FILE` does.
///
/// # Errors
/// As [`load`].
pub fn load_file(path: &str, host: &dyn Host) -> Result<Profile> {
    if host.list_input(path).is_ok() {
        return Err(Error::Input {
            subject: format!("`{path}`"),
            message: "is a directory, want the file of a profile".to_owned(),
            hint: format!(
                "certroll profiles check {}/profile.yaml",
                path.trim_end_matches('/')
            ),
        });
    }
    // What cannot be read says so itself, whatever is beside it.
    host.read_input(path)?;
    let (folder, file) = path.rsplit_once('/').unwrap_or((".", path));
    read(host, folder, file)
}

fn read(host: &dyn Host, folder: &str, main: &str) -> Result<Profile> {
    let mut files = BTreeMap::new();
    for file in host.list_input(folder)? {
        let known = ["tera", "yaml"]
            .iter()
            .any(|e| file.rsplit_once('.').is_some_and(|(_, end)| end == *e));
        if file != main && (file.starts_with('.') || !known) {
            continue;
        }
        let path = format!("{folder}/{file}");
        ours_alone(
            host,
            Deciding::Profile(&path),
            "it decides what root writes",
        )?;
        let bytes = host.read_input(&path)?;
        let text = String::from_utf8(bytes.reveal().to_vec()).map_err(|_| Error::Input {
            subject: format!("`{path}`"),
            message: "is not UTF-8 text".to_owned(),
            hint: String::new(),
        })?;
        files.insert(file, text);
    }
    let path = format!("{folder}/{main}");
    let text = files.remove(main).ok_or_else(|| Error::Input {
        subject: format!("`{folder}`"),
        message: format!("has no `{main}`"),
        hint: format!("write it: `{path}`"),
    })?;
    Profile::parse(&path, &text, &files)
}

pub(super) fn check_name(name: &str) -> Result<()> {
    let ok = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty()
        || name.len() > LONGEST_NAME
        || name.starts_with('.')
        || name.contains("..")
        || !name.chars().all(ok)
    {
        return Err(Error::Usage {
            message: format!("profile `{}` is not a name", name.escape_debug()),
            hint: "name a folder of `--profiles DIR`, without `/` and `..`".to_owned(),
        });
    }
    Ok(())
}

fn unknown(name: &str, known: impl Iterator<Item = String>) -> Error {
    let mut known: Vec<String> = known.collect();
    known.sort();
    known.dedup();
    Error::Unknown {
        what: "profile",
        name: name.to_owned(),
        known,
    }
}

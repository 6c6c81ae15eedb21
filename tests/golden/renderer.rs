//! A stand-in for the platform's own renderer, `xivo-update-config`, for the module `system`.
//!
//! It does what that shell script does: every `XIVO_*` and `_XIVO_*` of /etc/xivo/common.conf is put for `#VAR#` in a
//! copy of the stock templates with the custom ones laid over them (`find -type f`, so links are passed over); where a
//! placeholder is left anywhere the whole module fails; a result that differs from the live file is copied over it with
//! the mode and the owner of the template (`cp -a`).
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a part of a test: it reads and writes a scratch root"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::PathBuf,
};

use super::root::Root;

const STOCK: &str = "/usr/share/xivo-config/templates/system";
const CUSTOM: &str = "/etc/xivo/custom-templates/system";
const SETTINGS: &str = "/etc/xivo/common.conf";

/// Renders, and returns the live files that had to be written.
pub(super) fn update(root: &Root) -> Result<Vec<String>, String> {
    let settings = fs::read_to_string(root.at(SETTINGS)).unwrap();
    let mut templates: BTreeMap<String, PathBuf> = BTreeMap::new();
    for base in [STOCK, CUSTOM] {
        let top = root.at(base);
        if !top.is_dir() {
            continue;
        }
        for entry in walkdir::WalkDir::new(&top) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                let below = entry.path().strip_prefix(&top).unwrap().to_str().unwrap();
                templates.insert(format!("/{below}"), entry.path().to_owned());
            }
        }
    }
    let mut results = BTreeMap::new();
    for (live, template) in templates {
        let mut text = fs::read_to_string(&template).unwrap();
        for line in settings.lines() {
            if let Some((name, value)) = line.split_once('=')
                && (name.starts_with("XIVO_") || name.starts_with("_XIVO_"))
            {
                text = text.replace(&format!("#{name}#"), value);
            }
        }
        if placeholder_left(&text) {
            return Err(format!(
                "generation from template 'system' failed because all variables could not be expanded: {live}"
            ));
        }
        results.insert(live, (text, fs::metadata(template).unwrap()));
    }
    let mut updated = Vec::new();
    for (live, (text, meta)) in results {
        let at = root.at(&live);
        if fs::read_to_string(&at).ok().as_ref() == Some(&text) {
            continue;
        }
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, text).unwrap();
        chown(&at, Some(meta.uid()), Some(meta.gid())).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(meta.mode() & 0o7777)).unwrap();
        updated.push(live);
    }
    Ok(updated)
}

/// `#[A-Z0-9_]+#`, as the script greps for it.
fn placeholder_left(text: &str) -> bool {
    let name = |part: &str| {
        let inside = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        !part.is_empty() && part.chars().all(inside)
    };
    text.lines().any(|line| {
        let parts: Vec<&str> = line.split('#').collect();
        parts.len() > 2 && parts[1..parts.len() - 1].iter().any(|part| name(part))
    })
}

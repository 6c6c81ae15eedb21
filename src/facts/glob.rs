//! Directories that a pattern matches, with one listing for each component that has a wildcard.

use crate::{
    error::Result,
    host::{Entry, EntryKind, Tree},
    state::HostPath,
};

/// Directories that matched, in the order of their names, each with what it holds.
pub type Globbed = Vec<(HostPath, Vec<Entry>)>;

/// Returns the directories that a pattern matches: `*`, `?`, `[..]` and `{a,b}` within a component, never across `/`,
/// and no name that starts with a dot unless the pattern's does (glob(7)).
///
/// Links to directories count, as they do for a shell. A literal last component costs one listing and nothing more.
///
/// # Errors
/// [`crate::error::Error::Io`] where a directory cannot be listed.
pub fn glob(tree: &dyn Tree, pattern: &str) -> Result<Globbed> {
    let components: Vec<&str> = split(pattern);
    let Ok(root) = HostPath::new("/") else {
        return Ok(Vec::new());
    };
    let mut at = vec![root];
    for component in &components {
        if !component.contains(['*', '?', '[', '{']) {
            at = at.iter().map(|dir| dir.join(component)).collect();
            continue;
        }
        let mut next = Vec::new();
        for dir in &at {
            for entry in tree.list(dir)?.unwrap_or_default() {
                let hidden = entry.name.starts_with('.') && !component.starts_with('.');
                let may = matches!(entry.kind, EntryKind::Dir | EntryKind::Link);
                if may && !hidden && fast_glob::glob_match(component, &entry.name) {
                    next.push(dir.join(&entry.name));
                }
            }
        }
        at = next;
    }
    let mut found = Vec::with_capacity(at.len());
    for dir in at {
        // A directory that cannot be listed does not match, as for a shell.
        if let Ok(Some(entries)) = tree.list(&dir) {
            found.push((dir, entries));
        }
    }
    Ok(found)
}

/// Splits at `/` outside braces.
fn split(pattern: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = pattern.split(|c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '/' && depth == 0
    });
    parts.filter(|p| !p.is_empty()).collect()
}

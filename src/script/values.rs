//! Values that requests replace: the new one out of the caller's files, and the one of before as the peer tells it.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Line, Scribe, far::quoted, refused};
use crate::{
    desired::Lacks,
    error::Result,
    far::{Far, Secret},
    identity::Input,
    render::shell_word,
};

impl<'a> Scribe<'a> {
    /// Returns what writes a document with a value: on the way there a new one, and on the way back that of before.
    pub(super) fn member(
        &mut self,
        far: &Far,
        members: &Map<String, Value>,
        name: &str,
        new: Option<&Secret>,
        logins: &str,
    ) -> Result<String> {
        let public = Value::Object(members.clone()).to_string();
        let public = public.strip_suffix('}').unwrap_or(&public);
        let comma = if members.is_empty() { "" } else { ", " };
        let head = shell_word(&format!("{public}{comma}\"{}\": ", quoted(name)));
        let Some(secret) = new else {
            let number = self.value(far, logins)?;
            return Ok(format!("before {head} {number}"));
        };
        let bytes = self.sent.iter().find(|(known, _)| match secret {
            Secret::Kept(kept) => known == kept,
            Secret::File(_) | Secret::Public(_) => false,
        });
        let text: Option<Zeroizing<String>> = bytes
            .and_then(|(_, b)| serde_json::from_slice(b.reveal()).ok())
            .map(Zeroizing::new);
        let text =
            text.ok_or_else(|| refused(&format!("the {name} of {} is not kept", far.peer), ""))?;
        let files = self.files_of(&text, &format!("in the {name} that is sent"))?;
        self.pairs(&files)?;
        let names: Vec<String> = files.iter().map(|file| shell_word(&file.name)).collect();
        Ok(format!("member {head} {}", names.join(" ")))
    }

    /// Has what is there read before anything is changed; returns its number.
    fn value(&mut self, far: &Far, logins: &str) -> Result<usize> {
        let plain = |name: &String| {
            name.chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        };
        let Some((path, [name])) = far.was.as_ref().map(|(path, at)| (path, at.as_slice())) else {
            return Err(refused(
                &format!("the {} of before stands in no file", far.what),
                "`certroll apply` keeps it, and puts it back",
            ));
        };
        if !plain(name) {
            return Err(refused(
                &format!("`{name}` is no plain name of a value"),
                "",
            ));
        }
        let number = self.reads.len() + 1;
        let (peer, path) = (shell_word(&far.peer), shell_word(path));
        self.reads
            .push(format!("value {number} {peer} {path} {logins} {name}"));
        Ok(number)
    }

    /// Returns the files whose contents make a text, one after the other.
    fn files_of(&self, text: &str, what: &str) -> Result<Vec<&'a Input>> {
        let (mut rest, mut found) = (text, Vec::new());
        while !rest.is_empty() {
            let next = self.files.iter().find_map(|file| {
                let content = std::str::from_utf8(file.bytes.reveal()).ok()?;
                let rest = rest.strip_prefix(content).filter(|_| !content.is_empty())?;
                Some((file.bytes.clone(), rest))
            });
            let (bytes, after) = next.unwrap_or_else(|| (rest.to_owned().into(), ""));
            found.push(self.file(&bytes, what)?);
            rest = after;
        }
        Ok(found)
    }

    /// Has what was read kept, where it could not be put back.
    pub(super) fn left(&mut self) {
        if !self.reads.is_empty() {
            let line = "if [ \"$bad\" != 0 ]; then leave; fi";
            self.back.push(Line::Plain(line.to_owned()));
        }
    }
}

/// Returns two patterns of grep(1): what an answer has that can be read, and what stands in none that lacks an entry. What
/// has the entry further on, in another place, is taken to have it here: the proof fails rather than to hold by chance.
pub(super) fn patterns(lacks: &Lacks) -> Option<[String; 2]> {
    let (last, way) = lacks.at.split_last()?;
    let [(name, text)] = lacks.members.as_slice() else {
        return None;
    };
    let colon = "[[:space:]]*:";
    let there: Vec<String> = way
        .iter()
        .map(|name| format!("\"{}\"{colon}[[:space:]]*{{", literal(name)))
        .collect();
    let listed = format!(
        "\"{}\"{colon}.*\"{}\"{colon}[[:space:]]*\"{}\"",
        literal(last),
        literal(name),
        literal(text)
    );
    Some([there.join(".*"), listed])
}

/// Text in a pattern that stands for itself.
fn literal(text: &str) -> String {
    let special = |c: char| "\\.[*^$".contains(c);
    text.chars()
        .flat_map(|c| special(c).then_some('\\').into_iter().chain([c]))
        .collect()
}

//! Values that a platform keeps in files of its own, as passwords: read where they are needed, and passed through no
//! expression, so that no plan, journal or receipt comes to hold one.

use super::{Asking, way::Way};
use crate::{
    desired::Given,
    document::{Format, Hop, said},
    error::Result,
    preflight::{Finding, Severity},
    profile::Fields,
    render::Expr,
    source::password_in,
    state::{Bytes, HostPath},
    yaml::Node,
};

/// Where a value is kept, as a profile says it.
#[derive(Debug)]
pub(super) struct HeldSpec {
    file: Expr,
    inside: Option<(Format, Way)>,
    default: Option<Expr>,
}

/// Where a value is kept.
#[derive(Debug, PartialEq)]
pub(super) struct Held {
    /// The file.
    pub(super) file: HostPath,
    /// Where it stands in a document; none: it is the first line.
    inside: Option<(Format, Vec<Hop>)>,
    /// What holds where the document does not say.
    default: Option<String>,
}

impl HeldSpec {
    /// Parses where in a document a value is kept.
    ///
    /// # Errors
    /// [`crate::error::Error::Parse`] where a key is missing or unknown.
    pub(super) fn parse(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "place of a value", node)?;
        let file = fields.need("file")?;
        let format = fields.word("format", &Format::NAMES)?;
        let at = fields.node("at").map(|node| Way::parse(path, node));
        let inside = match (format, at.transpose()?) {
            (Some(format), Some(at)) => Some((format, at)),
            (None, None) => None,
            _ => return Err(fields.error("`format` and `at` belong together", "")),
        };
        let spec = Self {
            file,
            inside,
            default: fields.text("default")?,
        };
        fields.done()?;
        Ok(spec)
    }

    /// The first line of a file.
    pub(super) fn first_line(file: Expr) -> Self {
        Self {
            file,
            inside: None,
            default: None,
        }
    }

    pub(super) fn render(&self, at: &Asking<'_>) -> Result<Held> {
        let inside = self.inside.as_ref();
        let inside = inside.map(|(format, way)| Ok::<_, crate::Error>((*format, way.render(at)?)));
        let default = self.default.as_ref();
        let default = default.map(|text| at.renderer.text(text, at.scope));
        Ok(Held {
            file: at.path(&self.file)?,
            inside: inside.transpose()?,
            default: default.transpose()?,
        })
    }
}

impl Held {
    /// Returns the value; `name` is that of the finding where there is none.
    pub(super) fn read(&self, given: &Given, name: &'static str) -> Result<Bytes, Finding> {
        let path = &self.file;
        let fatal = |message: String| Finding::host(Severity::Fatal, name, message);
        let missing = |message: String| match &self.default {
            Some(text) => Ok(Bytes::from(text.clone())),
            None => Err(fatal(message).hinted(format!("check the path: `ls -l {path}`"))),
        };
        let Some(bytes) = given.files.get(path) else {
            return missing(format!("`{path}` is not there"));
        };
        let Some((format, at)) = &self.inside else {
            return password_in(path.as_str(), bytes).map_err(|error| {
                let finding = fatal(error.to_string());
                match error.hint() {
                    Some(hint) => finding.hinted(hint),
                    None => finding,
                }
            });
        };
        let found =
            said(*format, bytes.reveal(), at).map_err(|fault| fatal(format!("{path}:{fault}")))?;
        let way = crate::document::way(at);
        match found.as_slice() {
            [] => missing(format!("`{path}` has no {way}")),
            // As `$secret{alias}` of a vault, `$env{NAME}` or `$sys{name}`: who reads the file resolves it at its start.
            [text] if text.starts_with('$') && text.contains('{') => Err(fatal(format!(
                "{way} of `{path}` stands elsewhere, in a vault or the environment: certroll does not resolve it"
            ))
            .hinted("write the password in the first line of a file that root alone can read, and name that")),
            [text] => Ok(Bytes::from(text.clone())),
            several => Err(fatal(format!(
                "`{path}` has {} values of {way}: want one",
                several.len()
            ))),
        }
    }
}

//! `template`: a file rendered from a template that stands beside the profile.

use super::{Ask, Asking, Kind};
use crate::{
    desired::Target,
    error::Result,
    profile::Fields,
    render::Expr,
    state::{Content, Sensitivity},
    yaml::{self, Dialect},
};

/// What a rendered text is checked to be.
#[derive(Debug, Clone, Copy)]
enum Syntax {
    Yaml,
}

/// The kind.
#[derive(Debug)]
pub(super) struct Template;

#[derive(Debug)]
struct File {
    path: Expr,
    from: Expr,
    syntax: Option<Syntax>,
}

impl Kind for Template {
    fn name(&self) -> &'static str {
        "template"
    }

    fn summary(&self) -> &'static str {
        "a file at `path` rendered from `from`, checked against `syntax` (yaml) where given"
    }

    fn parse(&self, fields: &mut Fields<'_>) -> Result<Box<dyn Ask>> {
        Ok(Box::new(File {
            path: fields.need("path")?,
            from: fields.need("from")?,
            syntax: fields.word("syntax", &[("yaml", Syntax::Yaml)])?,
        }))
    }
}

impl Ask for File {
    fn template(&self) -> Option<&Expr> {
        Some(&self.from)
    }

    fn place(&self) -> String {
        self.path.text.clone()
    }

    fn ask(&self, at: &mut Asking<'_>) -> Result<Vec<Target>> {
        let path = at.path(&self.path)?;
        let text = at.renderer.template(&self.from.text, at.scope)?;
        match self.syntax {
            // A file that its readers cannot parse is skipped by them without a word: it must never be written.
            Some(Syntax::Yaml) => {
                yaml::parse(path.as_str(), &text, Dialect::Strict)?;
            }
            None => {}
        }
        let content = Content::File(text.into_bytes().into());
        Ok(vec![at.target(path, content, Sensitivity::Public)])
    }
}

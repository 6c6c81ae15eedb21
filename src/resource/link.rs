//! `link`: a symbolic link, or one of the same name in every directory of a list.

use super::{Ask, Asking, Kind, no_list};
use crate::{
    desired::Target,
    error::Result,
    profile::Fields,
    render::Expr,
    state::{Content, HostPath, Sensitivity},
};

/// The kind.
#[derive(Debug)]
pub(super) struct Link;

#[derive(Debug)]
enum Where {
    /// One link at this path.
    Path(Expr),
    /// One of this name in each directory that a pattern matches.
    Glob { pattern: Expr, name: Expr },
    /// One of this name in each directory of a fact.
    List { list: Expr, name: Expr },
}

#[derive(Debug)]
struct Links {
    place: Where,
    to: Expr,
}

impl Kind for Link {
    fn name(&self) -> &'static str {
        "link"
    }

    fn summary(&self) -> &'static str {
        "a link to `to` at `path`, or one called `name` in each directory of `each` (a pattern, or a list of facts)"
    }

    fn parse(&self, fields: &mut Fields<'_>) -> Result<Box<dyn Ask>> {
        let to = fields.need("to")?;
        let (path, each) = (fields.text("path")?, fields.text("each")?);
        let place = match (path, each) {
            (Some(path), None) => Where::Path(path),
            (None, Some(each)) => {
                let name = fields.need("name")?;
                if name.text.contains('/') || name.text.starts_with('.') {
                    let hint = "a plain name: readers skip names that start with a dot";
                    return Err(name.error(format!("`{}` is not a name", name.text), hint));
                }
                if each.text.starts_with('/') {
                    Where::Glob {
                        pattern: each,
                        name,
                    }
                } else {
                    Where::List { list: each, name }
                }
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(fields.error("`link` wants `path`, or `each` with `name`", ""));
            }
        };
        Ok(Box::new(Links { place, to }))
    }
}

impl Ask for Links {
    fn glob(&self) -> Option<&str> {
        match &self.place {
            Where::Glob { pattern, .. } => Some(&pattern.text),
            Where::Path(_) | Where::List { .. } => None,
        }
    }

    fn list(&self) -> Option<&Expr> {
        match &self.place {
            Where::List { list, .. } => Some(list),
            Where::Path(_) | Where::Glob { .. } => None,
        }
    }

    fn place(&self) -> String {
        match &self.place {
            Where::Path(path) => path.text.clone(),
            Where::Glob { pattern, name } => format!("{}/{}", pattern.text, name.text),
            Where::List { list, name } => format!("{}/{}", list.text, name.text),
        }
    }

    fn ask(&self, at: &mut Asking<'_>) -> Result<Vec<Target>> {
        let to = at.renderer.text(&self.to, at.scope)?;
        let paths: Vec<HostPath> = match &self.place {
            Where::Path(path) => vec![at.path(path)?],
            Where::Glob { pattern, name } => {
                let name = at.renderer.text(name, at.scope)?;
                let dirs = at.facts.globbed(&pattern.text);
                dirs.iter().map(|dir| dir.join(&name)).collect()
            }
            Where::List { list, name } => {
                let name = at.renderer.text(name, at.scope)?;
                let dirs = at.facts.list(&list.text).ok_or_else(|| no_list(list))?;
                dirs.iter()
                    .map(|dir| {
                        let text = dir.as_str().unwrap_or_default();
                        let dir = HostPath::new(text);
                        dir.map(|d| d.join(&name))
                            .map_err(|why| list.error(format!("directory `{text}` {why}"), ""))
                    })
                    .collect::<Result<_>>()?
            }
        };
        let make = |path| at.target(path, Content::Link(to.clone()), Sensitivity::Public);
        Ok(paths.into_iter().map(make).collect())
    }
}

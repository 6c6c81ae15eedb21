//! `pem`: one form of the identity as a PEM file.

use super::{Ask, Asking, Kind};
use crate::{
    desired::Target,
    error::Result,
    profile::Fields,
    render::Expr,
    state::{Content, Sensitivity},
};

/// Every form, and whether it holds the private key.
const FORMS: &[(&str, (&str, Sensitivity))] = &[
    ("key", ("key", Sensitivity::Secret)),
    ("leaf", ("leaf", Sensitivity::Public)),
    ("chain", ("chain", Sensitivity::Public)),
    ("fullchain", ("fullchain", Sensitivity::Public)),
    ("bundle", ("bundle", Sensitivity::Secret)),
    ("anchor", ("anchor", Sensitivity::Public)),
];

/// The kind.
#[derive(Debug)]
pub(super) struct Pem;

#[derive(Debug)]
struct File {
    path: Expr,
    form: &'static str,
    sensitivity: Sensitivity,
}

impl Kind for Pem {
    fn name(&self) -> &'static str {
        "pem"
    }

    fn summary(&self) -> &'static str {
        "a form of the identity (`form`: key, leaf, chain, fullchain, bundle, anchor) as PEM at `path`"
    }

    fn parse(&self, fields: &mut Fields<'_>) -> Result<Box<dyn Ask>> {
        let path = fields.need("path")?;
        let Some((form, sensitivity)) = fields.word("form", FORMS)? else {
            return Err(fields.error("`pem` has no `form`", "add `form: fullchain`"));
        };
        Ok(Box::new(File {
            path,
            form,
            sensitivity,
        }))
    }
}

impl Ask for File {
    fn place(&self) -> String {
        self.path.text.clone()
    }

    fn ask(&self, at: &mut Asking<'_>) -> Result<Vec<Target>> {
        let path = at.path(&self.path)?;
        let Some(bytes) = at.identity.forms.get(self.form) else {
            return Err(self.path.error(
                format!("identity has no form `{}` for `{path}`", self.form),
                "give the chain or the trust anchor with the identity",
            ));
        };
        let mut target = at.target(path, Content::File(bytes.clone()), self.sensitivity);
        target.identity = true;
        Ok(vec![target])
    }
}

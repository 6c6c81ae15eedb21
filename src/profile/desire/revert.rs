//! What a revert takes away, and how it gets the default pair: rendered.

use super::{COMMAND_LIMIT, One};
use crate::{
    desired::{Desired, Like, Regenerate, Removal},
    error::Result,
    profile::{RemovalSpec, revert::LikeSpec},
    render::Scope,
    state::Content,
};

impl One<'_> {
    pub(super) fn revert(&self, desired: &mut Desired) -> Result<()> {
        let Some(back) = &self.profile.back else {
            return Ok(());
        };
        for spec in &back.remove {
            self.for_each(spec.each.as_ref(), spec.when.as_ref(), |scope| {
                desired.removals.push(self.removal(spec, scope)?);
                Ok(())
            })?;
        }
        if let Some(spec) = &back.regenerate
            && let Some(command) = self.command(&spec.command, COMMAND_LIMIT)?
        {
            desired.regenerate = Some(Regenerate {
                key: self.path(&spec.key, &self.scope)?,
                leaf: self.path(&spec.leaf, &self.scope)?,
                command,
            });
        }
        Ok(())
    }

    fn removal(&self, spec: &RemovalSpec, scope: &Scope) -> Result<Removal> {
        let like = match &spec.like {
            None => Like::Nothing,
            Some(LikeSpec::Any) => Like::Anything,
            Some(LikeSpec::Link(to)) => Like::This(Content::Link(self.text(to, scope)?)),
            Some(LikeSpec::From(name)) => {
                let text = self.renderer().template(&name.text, scope)?;
                Like::This(Content::File(text.into()))
            }
        };
        Ok(Removal {
            path: self.path(&spec.path, scope)?,
            like,
        })
    }
}

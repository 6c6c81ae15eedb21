//! Phases of a profile: which there are, and from which on a resource or probe is wanted.

use super::{Fields, ProbeSpec};
use crate::{
    error::{Error, Result, known},
    render::Expr,
    resource::Resource,
};

/// The fewest that a rotation has: trust comes, an identity switches, trust goes.
const FEWEST: usize = 3;

/// Reads the list of names.
pub(super) fn phases(top: &mut Fields<'_>) -> Result<Vec<String>> {
    let named = top.texts("phases")?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    for (n, expr) in named.iter().enumerate() {
        if expr.text.is_empty() || !expr.text.chars().all(plain) {
            let hint = "use small letters, digits and `-`";
            return Err(expr.error(format!("`{}` cannot name a phase", expr.text), hint));
        }
        if named.iter().take(n).any(|other| other.text == expr.text) {
            return Err(expr.error(format!("two phases are called `{}`", expr.text), ""));
        }
    }
    if let Some(first) = named.first().filter(|_| named.len() < FEWEST) {
        let message = format!("{} phases: want {FEWEST} at least", named.len());
        let hint = "one in which trust comes, one for each side that switches, one in which old trust goes";
        return Err(first.error(message, hint));
    }
    Ok(named.into_iter().map(|expr| expr.text).collect())
}

/// Finds the phase of each resource and probe.
///
/// # Errors
/// [`Error::Parse`] where one names none of them, or a resource none at all: in which phase a key switches is nothing to guess.
pub(super) fn settle(
    path: &str,
    phases: &[String],
    resources: &mut [Resource],
    probes: &mut [ProbeSpec],
) -> Result<()> {
    for resource in resources {
        if resource.phase_name.is_none() && !phases.is_empty() {
            return Err(Error::Parse {
                path: path.to_owned(),
                line: resource.line,
                column: 1,
                message: format!("resource `{}` has no `phase`", resource.place()),
                hint: known(phases),
            });
        }
        resource.phase = number(phases, resource.phase_name.as_ref())?;
    }
    for probe in probes {
        probe.phase = number(phases, probe.phase_name.as_ref())?;
    }
    Ok(())
}

fn number(phases: &[String], name: Option<&Expr>) -> Result<usize> {
    let Some(name) = name else { return Ok(0) };
    let found = phases.iter().position(|phase| *phase == name.text);
    found.ok_or_else(|| name.error(format!("unknown phase `{}`", name.text), known(phases)))
}

//! What a plan says about units before anything is done.

use std::collections::HashSet;

use super::{UnitState, unit_name};
use crate::{
    desired::{Manager, Service},
    preflight::{Finding, Severity},
};

/// Finds what stands in the way of units, and what a person should know of them.
#[must_use]
pub fn findings(services: &[Service], units: &[UnitState]) -> Vec<Finding> {
    let acted: HashSet<String> = services
        .iter()
        .filter(|service| service.manager == Manager::Systemd)
        .flat_map(|service| service.units.iter().map(|unit| unit_name(unit)))
        .collect();
    let about = |state: &UnitState| remarks(state, acted.contains(&state.unit));
    units.iter().flat_map(about).collect()
}

fn remarks(state: &UnitState, acted: bool) -> Vec<Finding> {
    let unit = &state.unit;
    let mut found = Vec::new();
    if !state.is_active() {
        found.push(down(state));
        return found;
    }
    if state.load == "masked" && acted {
        let message =
            format!("`{unit}` runs, and is masked: systemd would neither reload nor restart it");
        found.push(
            Finding::host(Severity::Fatal, "unit-masked", message)
                .hinted(format!("systemctl unmask {unit}")),
        );
    }
    if state.needs_reload {
        let message = format!(
            "the unit file of `{unit}` changed and systemd has not read it: a restart starts the old one"
        );
        found.push(
            Finding::host(Severity::Warning, "unit-changed", message)
                .hinted("systemctl daemon-reload"),
        );
    }
    if state.setup.disabled {
        let message = format!("`{unit}` runs, and is disabled: it will not come back at boot");
        found.push(
            Finding::host(Severity::Note, "unit-disabled", message)
                .hinted(format!("systemctl enable {unit}")),
        );
    }
    found
}

/// A unit that does not run is left alone, whatever is wrong with it.
fn down(state: &UnitState) -> Finding {
    let unit = &state.unit;
    let left = "it is neither started nor judged";
    match state.load.as_str() {
        "not-found" => Finding::host(
            Severity::Warning,
            "unit-missing",
            format!("`{unit}` is not installed: {left}"),
        )
        .hinted(format!("systemctl list-unit-files '{}*'", stem(unit))),
        _ => Finding::host(
            Severity::Note,
            "unit-down",
            format!("`{unit}` is `{}`: {left}", state.condition()),
        )
        .hinted(format!("systemctl status {unit}")),
    }
}

/// The name up to an instance or suffix, by which a similar one is found.
fn stem(unit: &str) -> &str {
    unit.split(['@', '.']).next().unwrap_or(unit)
}

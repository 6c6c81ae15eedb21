//! Who has loaded what a run placed without telling anybody: a unit that somebody else has started since.

use std::collections::HashMap;

use super::{UnitState, unit_name};
use crate::desired::{Action, Manager, Service};

/// Leaves out the units that were started after `before` was observed, and the services without another unit. Where some
/// units of a platform's script are left, systemd restarts these alone: the script would restart all.
#[must_use]
pub fn not_started_since(
    services: Vec<Service>,
    before: &[UnitState],
    now: &[UnitState],
) -> Vec<Service> {
    let by_name = |states: &'_ [UnitState]| -> HashMap<String, UnitState> {
        let named = |state: &UnitState| (state.unit.clone(), state.clone());
        states.iter().map(named).collect()
    };
    let (before, now) = (by_name(before), by_name(now));
    let is_left = |unit: &String| {
        let unit = unit_name(unit);
        match (before.get(&unit), now.get(&unit)) {
            (_, Some(state)) if !state.is_active() => false,
            (Some(was), Some(is)) => !is.is_newer_than(was),
            (None, _) | (_, None) => true,
        }
    };
    let left = |mut service: Service| {
        if service.units.is_empty() {
            return Some(service);
        }
        let units: Vec<String> = service
            .units
            .iter()
            .filter(|u| is_left(u))
            .cloned()
            .collect();
        if service.manager == Manager::WazoService && units.len() < service.units.len() {
            service = Service {
                manager: Manager::Systemd,
                action: Action::Restart,
                command: None,
                ..service
            };
        }
        if service.manager == Manager::Systemd {
            service.units.clone_from(&units);
        }
        (!units.is_empty()).then_some(service)
    };
    services.into_iter().filter_map(left).collect()
}

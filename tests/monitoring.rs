//! What monitoring and people are told: the line for Nagios, the metrics for Prometheus, where every certificate is, and what
//! earlier runs did.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests make the host they work on and fail by panicking"
)]

mod common;
#[path = "monitoring/metrics.rs"]
mod metrics;
#[path = "common/nginx.rs"]
mod nginx;
#[path = "monitoring/notify.rs"]
mod notify;
#[path = "monitoring/places.rs"]
mod places;
#[path = "monitoring/plugin.rs"]
mod plugin;
#[path = "monitoring/records.rs"]
mod records;
#[path = "monitoring/renewals.rs"]
mod renewals;
#[path = "monitoring/told.rs"]
mod told;

use common::{Run, Scratch};

/// A root with a profile `own` that puts a pair at `/t/site.key` and `/t/site.pem`.
fn root() -> Scratch {
    let scratch = Scratch::new();
    scratch.dir("R/t");
    scratch.profile(
        "own",
        "resources:\n  - {kind: pem, path: /t/site.key, form: key}\n  - {kind: pem, path: /t/site.pem, form: fullchain}\n",
    );
    scratch
}

/// Rolls a pair out to the root.
#[track_caller]
fn rolled(scratch: &Scratch, pair: &str) {
    let line =
        format!("apply --profile own --cert {pair}.pem --key {pair}.key --allow expired --yes");
    on(scratch, &line).exits(0);
}

#[track_caller]
fn on(scratch: &Scratch, line: &str) -> Run {
    scratch.on_root(&format!("--profiles P {line}"))
}

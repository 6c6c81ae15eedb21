//! certroll on whole hosts: systemd as PID 1, units, other machines that look at them, and power that goes off.
//!
//! Run by `scripts/test --lab`, since no plain `cargo test` takes this target along (`test = false` in Cargo.toml). A test
//! here never passes without its hosts: where the machine cannot boot any, it fails with what `tests/lab/check` says.

mod boot;
#[path = "../common/mod.rs"]
mod common;
mod host;
mod nginx;
mod rollout;
mod sandbox;
mod services;
mod units;

//! certroll on whole hosts: systemd as PID 1, units, other machines that look at them, and power that goes off.
//!
//! Run by `scripts/test --lab`, since no plain `cargo test` takes this target along (`test = false` in Cargo.toml). A test
//! here never passes without its hosts: where the machine cannot boot any, it fails with what `tests/lab/check` says.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests on hosts run programs, say what they measured, and fail by panicking"
)]

mod boot;
mod catalogue;
#[path = "../common/mod.rs"]
mod common;
mod doctor;
mod hooks;
mod host;
mod load;
mod nginx;
mod revert;
mod rollout;
mod sandbox;
mod services;
mod units;
mod wazo;

//! What certroll writes for other programs to show, shown by them: pages by Chromium, metrics and alerts by Prometheus' own tool.
//!
//! Run by `scripts/test --lab`, which installs them, since no plain `cargo test` takes this target along (`test = false` in
//! Cargo.toml). A test here never passes without its program: it fails.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests run programs and fail by panicking"
)]

mod alerts;
mod browser;
#[path = "../common/mod.rs"]
mod common;
mod metrics;
#[path = "../common/nginx.rs"]
mod nginx;
mod pages;

//! Identities from ACME servers: Debian's pebble, with refused nonces, and Debian's Caddy, each test in namespaces of its
//! own, where every name leads to loopback and port 80 is free.
//!
//! Run by `scripts/test --lab`, which installs them, since no plain `cargo test` takes this target along (`test = false` in
//! Cargo.toml). A test here never passes without its server: it fails.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests run programs and fail by panicking"
)]

mod caddy;
#[path = "../common/mod.rs"]
mod common;
mod issue;
mod killed;
mod lane;
mod moody;
#[path = "../common/nginx.rs"]
mod nginx;
mod refused;
mod story;
mod update;
mod watcher;

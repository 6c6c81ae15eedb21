//! Rotations of mutual-TLS identities in phases, on real servers: a gateway that calls a backend, both Debian's nginx.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests start servers and call them, and one that cannot go on says so"
)]

#[path = "rotate/calls.rs"]
mod calls;
mod common;
#[path = "common/emitted.rs"]
mod emitted;
#[path = "common/nginx.rs"]
mod nginx;
#[path = "rotate/pair.rs"]
mod pair;
#[path = "rotate/phases.rs"]
mod phases;
#[path = "rotate/profile.rs"]
mod profile;
#[path = "rotate/script.rs"]
mod script;
#[path = "rotate/stores.rs"]
mod stores;

//! What certroll writes for other languages, run by their own compilers and tools.
//!
//! Run by `scripts/test --lab`, which installs them, since no plain `cargo test` takes this target along (`test = false` in
//! Cargo.toml). A test here never passes without its compiler: it fails.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests run programs and fail by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/double.rs"]
mod double;
mod keystores;
mod keytool;
#[path = "../pins/speaks.rs"]
mod speaks;
mod wso2;

use speaks::speaks_to_the_pinned_peer_alone;

#[test]
fn the_java_program_speaks_to_nobody_but_the_pinned_peer() {
    speaks_to_the_pinned_peer_alone("java", "Pinned.java", &["java", "Pinned.java"], false);
}

#[test]
fn the_go_program_speaks_to_nobody_but_the_pinned_peer() {
    speaks_to_the_pinned_peer_alone("go", "pinned.go", &["go", "run", "pinned.go"], false);
}

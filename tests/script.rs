//! A plan as a script: without certroll it reaches what `apply` reaches, or goes back as the rollout would.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests run scripts on servers of their own and fail by panicking"
)]

#[path = "script/appliance.rs"]
mod appliance;
mod common;
#[path = "script/domain.rs"]
mod domain;
#[path = "common/emitted.rs"]
mod emitted;
#[path = "era/site.rs"]
mod era_site;
#[path = "script/foreign.rs"]
mod foreign;
#[expect(dead_code, reason = "these tests use a part of it")]
#[path = "checkpoint/gaia.rs"]
mod gaia;
#[path = "script/portal.rs"]
mod portal;
#[path = "script/refused.rs"]
mod refused;
#[path = "appliance/site.rs"]
mod site;
#[path = "script/unsigned.rs"]
mod unsigned;

use emitted::{is_clean, run};

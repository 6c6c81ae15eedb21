//! The machine certroll runs on.

pub mod clock;
pub mod commands;
pub mod ids;
pub mod network;

//! certroll rolls a certificate across every service of a host, proves by handshake that each one serves it, or puts
//! everything back.

pub mod cli;
pub mod desired;
pub mod effective;
pub mod error;
pub mod facts;
pub mod host;
pub mod identity;
pub mod preflight;
pub mod profile;
pub mod render;
pub mod resource;
pub mod state;
pub mod yaml;

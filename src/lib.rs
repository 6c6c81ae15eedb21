//! certroll rolls a certificate across every service of a host, proves by handshake that each one serves it, or puts
//! everything back.

pub mod cli;
pub mod desired;
pub mod error;
pub mod host;
pub mod identity;
pub mod preflight;
pub mod state;
pub mod yaml;
pub mod effective;
pub mod facts;
pub mod profile;
pub mod render;
pub mod resource;

//! Wazo on lab hosts, in its three eras: stand-ins of every daemon as systemd units, the platform's restart script and
//! renderer with their faults, nginx for real.

mod faults;
mod findings;
mod platform;
mod rollout;

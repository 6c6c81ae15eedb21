//! Who a peer must be: fingerprints in every form that tools print, and the one verifier of handshakes. Pure.

mod fingerprint;
mod verifier;

#[cfg(test)]
mod tests;

pub use fingerprint::Fingerprint;
pub use verifier::{Accept, Verifier};

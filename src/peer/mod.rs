//! Who a peer must be: fingerprints in every form that tools print, and the one verifier of handshakes. Pure.

mod fingerprint;
mod verifier;
mod visitor;

#[cfg(test)]
mod tests;

pub use fingerprint::Fingerprint;
pub use verifier::{Accept, Verifier};
pub(crate) use visitor::Visitor;

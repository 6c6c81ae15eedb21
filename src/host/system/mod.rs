//! The machine certroll runs on.

//! Mutual TLS between a gateway and its backend: the backend for proof, and the platform that calls it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests start servers and clients, and fail by panicking"
)]

mod common;
#[path = "wso2/double.rs"]
mod double;
#[path = "common/emitted.rs"]
mod emitted;
#[path = "wso2/hot.rs"]
mod hot;
#[path = "wso2/profile.rs"]
mod profile;
#[path = "wso2/proof.rs"]
mod proof;
#[path = "wso2/script.rs"]
mod script;
#[path = "wso2/serve.rs"]
mod serve;
#[path = "wso2/site.rs"]
mod site;
#[path = "wso2/trust.rs"]
mod trust;

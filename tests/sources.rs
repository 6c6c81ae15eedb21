//! Where identities come from besides files: folders of other tools, and pairs that certroll issues itself.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests make and read files themselves, and fail by panicking"
)]

mod common;

#[path = "sources/clients.rs"]
mod clients;
#[path = "sources/dripping.rs"]
mod dripping;
#[path = "sources/folders.rs"]
mod folders;
#[path = "sources/followed.rs"]
mod followed;
#[path = "sources/issue.rs"]
mod issue;
#[path = "sources/responder.rs"]
mod responder;
#[path = "sources/trust.rs"]
mod trust;

//! Identities from an ACME server (RFC 8555): asked for once, kept, and asked for again in time.
//!
//! ```text
//! Asked          what an identity is: names, server, how the server is answered    asked.rs     stored
//! before::check  what would fail anyway is found out before an order counts        before.rs
//! obtain         account -> order -> authorizations -> certificate                 order.rs
//!   account      made once for each server and binding, its key kept before             account.rs
//!   prove        the server looks at one name after the other                      prove.rs
//!   present      what it looks for, put there and taken away again                 present.rs, hook.rs, zone.rs
//!   shown        written down before, so that no killed run leaves it for good     shown.rs
//!   keep         what was issued: checked, then in force; or finished by settle     keep.rs
//!   update       a change of a record, signed, and its answer, verified             update.rs, tsig.rs, dns.rs
//! Folder         each step kept before the next, so that a killed run is taken up  folder.rs, store.rs
//! due            when the next one is due                                          due.rs       pure
//! Stands         how an identity stands, the server's word about it included       renewal.rs
//! ```
//!
//! An identity is a folder `acme/NAME` of the state directory. Each pair has a numbered folder of its own; the link `live`
//! leads to the one in force, and is replaced in one rename, so that whoever follows `live/key.pem` and
//! `live/fullchain.pem` never reads halves of two pairs. A rollout follows these files as it follows any other.

mod account;
mod asked;
mod before;
mod dns;
mod due;
mod folder;
mod hook;
mod keep;
mod order;
mod present;
mod problem;
mod prove;
mod renewal;
mod request;
mod shown;
mod store;
#[cfg(test)]
mod tests;
mod tsig;
mod update;
mod wire;
mod zone;

pub use asked::{Answering, Asked, External, Program, Update, identity_name, server};
pub use before::check;
pub use due::{Due, Validity, due};
pub use folder::{Folder, Missed, folders, issued};
pub use keep::settle;
pub use order::{Issued, obtain};
pub use renewal::{Stands, ask, missed, pause};

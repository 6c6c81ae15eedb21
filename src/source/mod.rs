//! Where identities come from. A new source is one file and one line here; a tool that fills a folder is a line of a table.

use crate::{error::Result, host::Host, identity::Identity, preflight::Finding};

mod certmonger;
mod files;
mod placed;
mod tools;

pub use files::Files;
pub(crate) use files::{password_in, source_open};
pub use placed::Placed;
pub(crate) use tools::locate;

/// Something that gives an identity.
pub trait Source {
    /// Returns leaf, chain and key, checked against one another and in order, with what was found on the way.
    ///
    /// # Errors
    /// [`Error::Input`](crate::error::Error::Input) where what is there is no identity,
    /// [`Error::Io`](crate::error::Error::Io) where it cannot be read. Nothing of the host is touched.
    fn fetch(&self, host: &dyn Host) -> Result<(Identity, Vec<Finding>)>;
}

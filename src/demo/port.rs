//! A port that stays its holder's while nobody listens there.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::OwnedFd,
};

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt,
};

use crate::error::{On as _, Result};

/// A TCP port of 127.0.0.1: whoever asks for it by number may listen on it, and nobody is given it by chance.
///
/// A bound socket that does not listen is what keeps it (tested on Linux 6.18): connections are refused, as where nothing
/// is bound; another socket may be bound beside it where both have `SO_REUSEADDR` (socket(7)), as servers do to be able to
/// restart; and neither `bind` to port 0 nor `connect` chooses it.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: OwnedFd,
}

impl Port {
    /// Chooses a free one, and keeps it until this is dropped.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where there is none.
    pub fn hold() -> Result<Self> {
        let held = || -> rustix::io::Result<(OwnedFd, u16)> {
            let held = socket_with(
                AddressFamily::INET,
                SocketType::STREAM,
                SocketFlags::CLOEXEC,
                None,
            )?;
            sockopt::set_socket_reuseaddr(&held, true)?;
            bind(&held, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
            let address = SocketAddrV4::try_from(getsockname(&held)?)?;
            Ok((held, address.port()))
        };
        let (held, number) = held()
            .map_err(std::io::Error::from)
            .on("bind", "a port of 127.0.0.1")?;
        Ok(Self {
            number,
            _held: held,
        })
    }

    /// Returns its number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }
}

//! Servers of the web and of names beside a fake world.

use std::rc::Rc;

use super::FakeHost;
use crate::{
    error::Result,
    host::{WebCall, WebReply},
};

/// What answers requests of the web.
pub type Web = Rc<dyn Fn(&WebCall) -> Result<WebReply>>;

/// What answers messages to a DNS server.
pub type Dns = Rc<dyn Fn(&[u8]) -> Result<Vec<u8>>>;

impl FakeHost {
    /// Has requests of the web answered.
    #[must_use]
    pub fn with_web(mut self, web: Web) -> Self {
        self.web = Some(web);
        self
    }

    /// Has messages to DNS servers answered.
    #[must_use]
    pub fn with_dns(mut self, dns: Dns) -> Self {
        self.dns = Some(dns);
        self
    }
}

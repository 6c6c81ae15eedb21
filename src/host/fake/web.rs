//! Servers of the web beside a fake world.

use std::rc::Rc;

use super::FakeHost;
use crate::{
    error::Result,
    host::{WebCall, WebReply},
};

/// What answers requests of the web.
pub type Web = Rc<dyn Fn(&WebCall) -> Result<WebReply>>;

impl FakeHost {
    /// Has requests of the web answered.
    #[must_use]
    pub fn with_web(mut self, web: Web) -> Self {
        self.web = Some(web);
        self
    }
}

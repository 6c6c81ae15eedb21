//! Calls over mutual TLS: what a profile says, as probes.

use super::One;
use crate::{
    desired::{Probe, Shows},
    error::Result,
    render::{Expr, Scope},
    starttls::Peer,
};

impl One<'_> {
    /// Returns one probe for what is accepted, and one for what is refused.
    pub(super) fn calls(
        &self,
        (endpoint, addresses, get): (&Expr, &[Expr], Option<&Expr>),
        with: &[Expr],
        refused: bool,
        scope: &Scope,
    ) -> Result<Vec<Probe>> {
        let peer = Peer::parse(&self.text(endpoint, scope)?)
            .map_err(|error| endpoint.error(error.to_string(), error.hint().unwrap_or_default()))?;
        let get = get.map(|path| {
            let text = self.text(path, scope)?;
            if text.starts_with('/') {
                return Ok(text);
            }
            Err(path.error(
                format!("`{text}` is no path of a request"),
                "begin it with `/`",
            ))
        });
        let get = get.transpose()?;
        let addresses = self.addresses(addresses, scope)?;
        let call = |shows: Shows| Probe::Call {
            protocol: peer.protocol,
            name: peer.name.clone(),
            port: peer.port,
            addresses: addresses.clone(),
            get: get.clone(),
            shows,
        };
        let leaf = || {
            let leaf = self.identity.json.get("fingerprint");
            leaf.and_then(|v| v.as_str()).unwrap_or_default().to_owned()
        };
        let shown = match with {
            [] => None,
            [cert, key] => Some(Shows::Files {
                cert: self.path(cert, scope)?,
                key: self.path(key, scope)?,
            }),
            _ => Some(Shows::Identity { leaf: leaf() }),
        };
        let without = refused.then_some(Shows::Nothing);
        Ok(shown.into_iter().chain(without).map(call).collect())
    }
}

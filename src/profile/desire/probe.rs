//! What is observed, rendered.

use std::net::IpAddr;

use super::{One, far};
use crate::{
    desired::{Desired, Probe, Reader, Tells, Told},
    effective::ReadBack,
    error::Result,
    profile::{ProbeKind, ProbeSpec, TellsSpec, ToldSpec},
    render::{Expr, Scope},
    starttls::Peer,
    state::Content,
};

impl One<'_> {
    pub(super) fn probe(&self, spec: &ProbeSpec, desired: &mut Desired) -> Result<()> {
        let says = &mut desired.says;
        let (probes, targets, findings, read_back) = (
            &mut desired.probes,
            &desired.targets,
            &mut desired.findings,
            &mut desired.read_back,
        );
        self.for_each(spec.each.as_ref(), spec.when.as_ref(), |scope| {
            match &spec.what {
                ProbeKind::Tls {
                    endpoint,
                    addresses,
                    service,
                } => probes.push(self.tls(endpoint, addresses, service.as_ref(), scope)?),
                ProbeKind::Lookup { name, is } => probes.push(Probe::Lookup {
                    name: self.text(name, scope)?,
                    is: self.address(is, scope)?,
                }),
                ProbeKind::Readable { paths, user, group } => {
                    let by = match (user, group) {
                        (Some(user), _) => Reader::User(self.text(user, scope)?),
                        (None, Some(group)) => Reader::Group(self.text(group, scope)?),
                        (None, None) => return Ok(()),
                    };
                    let paths = paths
                        .iter()
                        .map(|p| self.path(p, scope))
                        .collect::<Result<_>>()?;
                    probes.push(Probe::Readable { paths, by });
                }
                ProbeKind::Http {
                    tls,
                    peer,
                    path,
                    login,
                    is,
                    seen_by,
                    hint,
                    lacks,
                    tells,
                } => {
                    let more = far::Answered {
                        seen_by: seen_by.as_ref().map(|e| self.peer(e)).transpose()?,
                        hint: hint.as_ref().map(|e| self.text(e, scope)).transpose()?,
                        lacks: lacks.as_ref().map(|l| self.lacks(l, scope)).transpose()?,
                        tells: tells.as_ref().map(|t| self.tells(t, scope)).transpose()?,
                    };
                    probes.push(self.http((*tls, peer, path), *login, is, more)?);
                }
                ProbeKind::Effective { fact, file } => {
                    let path = self.path(file, scope)?;
                    let name = fact.text.strip_prefix("facts.").unwrap_or_default();
                    let layered = self.facts.layered.get(name).ok_or_else(|| {
                        fact.error(format!("`{}` is not a layered fact", fact.text), "")
                    })?;
                    let target = targets.iter().find(|t| t.path == path);
                    if let Some(Content::File(bytes)) = target.map(|t| &t.wanted.content) {
                        let (again, found) = ReadBack::of(layered, path, bytes.text());
                        findings.extend(found);
                        read_back.push(again);
                    }
                }
                ProbeKind::Call {
                    endpoint,
                    addresses,
                    get,
                    with,
                    refused,
                } => probes.extend(self.calls(
                    (endpoint, addresses, get.as_ref()),
                    with,
                    *refused,
                    scope,
                )?),
                ProbeKind::Says { command, limit } => {
                    says.extend(self.command(command, *limit)?);
                }
            }
            Ok(())
        })
    }

    /// Adds a TLS probe whose phase is yet to come: until then calls must find what they found.
    pub(super) fn steady(&self, spec: &ProbeSpec, desired: &mut Desired) -> Result<()> {
        let ProbeKind::Tls {
            endpoint,
            addresses,
            service,
        } = &spec.what
        else {
            return Ok(());
        };
        self.for_each(spec.each.as_ref(), spec.when.as_ref(), |scope| {
            let probe = self.tls(endpoint, addresses, service.as_ref(), scope)?;
            desired.steady.push(probe);
            Ok(())
        })
    }

    fn tls(
        &self,
        endpoint: &Expr,
        addresses: &[Expr],
        service: Option<&Expr>,
        scope: &Scope,
    ) -> Result<Probe> {
        let peer = self.endpoint(endpoint, scope)?;
        Ok(Probe::Tls {
            protocol: peer.protocol,
            name: peer.name,
            port: peer.port,
            addresses: self.addresses(addresses, scope)?,
            service: service.map_or(Ok(String::new()), |s| self.text(s, scope))?,
        })
    }

    /// Renders what an answer must tell.
    fn tells(&self, (way, what): &TellsSpec, scope: &Scope) -> Result<Tells> {
        let way = way.iter().map(|name| self.text(name, scope));
        let what = match what {
            ToldSpec::Bool(value) => Told::Value((*value).into()),
            ToldSpec::Text(text) => Told::Value(self.text(text, scope)?.into()),
            ToldSpec::Issued {
                endpoint,
                addresses,
            } => {
                let peer = self.endpoint(endpoint, scope)?;
                if !peer.protocol.is_direct() {
                    return Err(endpoint.error("`issued` is asked over plain TLS", ""));
                }
                Told::Issued {
                    name: peer.name,
                    port: peer.port,
                    addresses: self.addresses(addresses, scope)?,
                }
            }
        };
        Ok(Tells {
            at: way.collect::<Result<_>>()?,
            what,
        })
    }

    fn endpoint(&self, endpoint: &Expr, scope: &Scope) -> Result<Peer> {
        Peer::parse(&self.text(endpoint, scope)?)
            .map_err(|error| endpoint.error(error.to_string(), error.hint().unwrap_or_default()))
    }

    /// Renders addresses, each text one or several with spaces between.
    pub(super) fn addresses(&self, exprs: &[Expr], scope: &Scope) -> Result<Vec<IpAddr>> {
        let mut all = Vec::new();
        for expr in exprs {
            for one in self.text(expr, scope)?.split_whitespace() {
                all.push(parsed(expr, one)?);
            }
        }
        Ok(all)
    }

    fn address(&self, expr: &Expr, scope: &Scope) -> Result<IpAddr> {
        parsed(expr, &self.text(expr, scope)?)
    }
}

fn parsed(expr: &Expr, text: &str) -> Result<IpAddr> {
    text.parse()
        .map_err(|_| expr.error(format!("`{text}` is not an address"), ""))
}

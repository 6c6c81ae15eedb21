//! Proof of names: the server looks at one after the other, and is shown what it looks for.

use std::net::IpAddr;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeStatus, ChallengeType, Order, OrderStatus,
};

use super::{
    asked::Answering,
    order::{PATIENCE, Run, rest},
    present::Proof,
    problem,
    shown::{self, Showing},
};
use crate::{
    error::{Error, Result},
    host::Host,
};

impl Run<'_> {
    /// Has the server look at each name in turn, and waits until it has seen them all.
    pub(super) fn prove(
        &self,
        host: &mut dyn Host,
        account: &Account,
        mut order: Order,
        showing: &mut Option<(String, Showing)>,
    ) -> Result<Order> {
        let mut end = host.elapsed() + PATIENCE;
        let mut left = self.asked.names.len();
        let kind = match self.asked.answering {
            Answering::Http { .. } | Answering::Webroot { .. } | Answering::HttpHook(_) => {
                ChallengeType::Http01
            }
            Answering::DnsHook(_) | Answering::DnsUpdate(_) => ChallengeType::Dns01,
            Answering::TlsAlpn { .. } => ChallengeType::TlsAlpn01,
        };
        loop {
            match order.state().status {
                OrderStatus::Pending => {}
                OrderStatus::Invalid => return Err(self.invalid(host, order)?),
                OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid => {
                    return Ok(order);
                }
            }
            self.few(host, &mut order)?;
            let mut all = order.authorizations();
            while let Some(mut one) = {
                self.go_on(host, end, "looks for an answer")?;
                let next = async { Ok(all.next().await) };
                self.wire
                    .drive(host, next)?
                    .transpose()
                    .map_err(|e| problem::told(&self.asked.server, e))?
            } {
                match one.status {
                    AuthorizationStatus::Valid => continue,
                    AuthorizationStatus::Pending => {}
                    _ => break,
                }
                let name = one.identifier().identifier.authorized(false).to_string();
                let server = &self.asked.server;
                let mut challenge = one.challenge(kind.clone()).ok_or_else(|| Error::Server {
                    server: server.clone(),
                    message: format!("does not offer {kind:?} for `{}`", problem::plain(&name)),
                    hint: "answer in another way: `certroll issue acme --help`".to_owned(),
                })?;
                if let Some(wrong) = unfit(&self.asked.names, &name, &challenge.token) {
                    return Err(Error::Server {
                        server: server.clone(),
                        message: format!("wants what is not to be had: {wrong}"),
                        hint: "nothing was put in place for it; no honest server does that: who runs this one?".to_owned(),
                    });
                }
                let is_new = showing
                    .as_ref()
                    .is_none_or(|(token, _)| *token != challenge.token);
                if is_new {
                    if let Some((_, before)) = showing.take() {
                        before.take_back(host, self.folder)?;
                    }
                    let text = challenge.key_authorization();
                    let proof = Proof {
                        name: name.clone(),
                        token: challenge.token.clone(),
                        text: text.as_str().to_owned(),
                        record: text.dns_value(),
                    };
                    let shown =
                        shown::show(host, self.folder, &self.asked.answering, proof, self.say)?;
                    *showing = Some((challenge.token.clone(), shown));
                    rest(host, self.asked.answering.wait())?;
                    // Each name has its time, and no server more by asking again and again.
                    if left > 0 {
                        (left, end) = (left - 1, host.elapsed() + PATIENCE);
                    }
                    if challenge.status == ChallengeStatus::Pending {
                        (self.say)(&format!("the server looks for `{name}`"));
                        self.wire.drive(host, challenge.set_ready())?;
                    }
                }
                break;
            }
            self.pause(host, end, "looks for an answer")?;
            let url = order.url().to_owned();
            order = self.wire.drive(host, account.order(url))?;
        }
    }

    /// Refuses an order that wants more proofs than there are names, each of which is a request, and forgets it.
    fn few(&self, host: &mut dyn Host, order: &mut Order) -> Result<()> {
        let (wanted, names) = (order.state().authorizations.len(), self.asked.names.len());
        if wanted <= names {
            return Ok(());
        }
        self.folder.drop(host, "order.json")?;
        Err(Error::Server {
            server: self.asked.server.clone(),
            message: format!("wants {wanted} proofs of {names} names"),
            hint: "no honest server does that: who runs this one?".to_owned(),
        })
    }

    /// Says why an order came to nothing, and forgets it.
    pub(super) fn invalid(&self, host: &mut dyn Host, mut order: Order) -> Result<Error> {
        self.folder.drop(host, "order.json")?;
        self.few(host, &mut order)?;
        let end = host.elapsed() + PATIENCE;
        let server = &self.asked.server;
        let mut all = order.authorizations();
        while let Some(one) = {
            self.go_on(host, end, "says why it refuses")?;
            let next = async { Ok(all.next().await) };
            self.wire
                .drive(host, next)?
                .transpose()
                .map_err(|e| problem::told(server, e))?
        } {
            let name = one.identifier().to_string();
            if let Some(error) = one.challenges.iter().find_map(|known| known.error.as_ref()) {
                return Ok(problem::refused(server, &format!(" `{name}`"), error));
            }
        }
        Ok(match &order.state().error {
            Some(error) => problem::refused(server, "", error),
            None => problem::told(server, instant_acme::Error::Str("a reason")),
        })
    }
}

/// Says what of a challenge may not decide where something is put: a name that was not asked for, or a token that is none,
/// which is base64url (RFC 8555 section 8.3), so that it is one component of a path.
fn unfit(asked: &[String], name: &str, token: &str) -> Option<String> {
    let is_asked = asked.iter().any(|one| {
        let one = one.strip_prefix("*.").unwrap_or(one);
        let address = one.parse::<IpAddr>();
        one.eq_ignore_ascii_case(name) || (address.is_ok() && address == name.parse())
    });
    if !is_asked {
        return Some(format!("a proof of {name:?}, which was not asked for"));
    }
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let fits = !token.is_empty() && token.chars().all(is_token);
    (!fits).then(|| format!("the token {token:?} (RFC 8555 section 8.3)"))
}

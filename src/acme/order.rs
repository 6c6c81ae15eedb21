//! One identity from its server: each step is kept before the next, so that a run that was killed is taken up again.

use std::time::Duration;

use instant_acme::{
    Account, CertificateIdentifier, Error as AcmeError, Identifier, NewOrder, Order, OrderStatus,
};

use super::{
    asked::Asked,
    before,
    folder::{Begun, Folder},
    keep, problem, renewal,
    request::anchors,
    shown,
    wire::Wire,
};
use crate::{
    error::{Error, Result},
    host::Host,
    identity::Identity,
};

/// How often all is begun again where the server lost its place, or an order of an earlier run came to nothing.
const ROUNDS: u32 = 5;

/// How long a server may take to look for an answer, or to issue.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);

/// How long to wait between two looks where the server names no time, and the longest that is waited where it does.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A pair that was issued and is in force.
#[derive(Debug)]
pub struct Issued {
    /// The pair.
    pub identity: Identity,
    /// What could not be checked from here beforehand.
    pub unseen: Vec<String>,
}

/// Has a server issue an identity, and puts it in force. The caller holds the lock, so that there is no second order.
///
/// # Errors
/// [`Error::Server`] in the server's own words; as [`before::check`] where nothing was ordered; [`Error::Findings`] where
/// what was issued is unfit. The pair in force stays as it was.
pub fn obtain(
    host: &mut dyn Host,
    folder: &Folder,
    asked: &Asked,
    say: &dyn Fn(&str),
) -> Result<Issued> {
    let anchors = asked.ca_file.as_ref().map(|path| anchors(host, path));
    let mut run = Run {
        wire: Wire::new(&asked.server, anchors.transpose()?.unwrap_or_default()),
        folder,
        asked,
        say,
    };
    keep::settle(host, folder, say)?;
    let unseen = before::check(host, folder, asked, say)?;
    for line in &unseen {
        say(line);
    }
    let mut round = 1;
    loop {
        let resumed = run.begun(host)?.is_some_and(|begun| begun.url.is_some());
        match run.once(host) {
            Ok(identity) => return Ok(Issued { identity, unseen }),
            Err(error) => {
                let is_stale = resumed && run.begun(host)?.is_none();
                if round == ROUNDS || !(is_stale || problem::is_lost_nonce(&error)) {
                    return Err(error);
                }
                rest(host, Duration::ZERO)?;
            }
        }
        round += 1;
    }
}

/// One order, from the account to the pair in force.
pub(super) struct Run<'a> {
    pub(super) wire: Wire,
    pub(super) folder: &'a Folder,
    pub(super) asked: &'a Asked,
    pub(super) say: &'a dyn Fn(&str),
}

impl Run<'_> {
    fn once(&mut self, host: &mut dyn Host) -> Result<Identity> {
        let account = self.account(host)?;
        let (order, begun) = self.order(host, &account)?;
        let url = order.url().to_owned();
        let mut showing = None;
        let proved = self.prove(host, &account, order, &mut showing);
        if let Some((_, showing)) = showing
            && let Err(error) = showing.take_back(host, self.folder)
        {
            (self.say)(&shown::still_there(&error));
        }
        let order = proved?;
        let chain = self.issue(host, &account, order, &begun, &url)?;
        self.keep(host, &begun, &chain)
    }

    fn begun(&self, host: &dyn Host) -> Result<Option<Begun>> {
        let begun: Option<Begun> = self.folder.load(host, "order.json")?;
        Ok(begun.filter(|begun| begun.asked == *self.asked))
    }

    /// Takes up the order of an earlier run, or makes one.
    fn order(&self, host: &mut dyn Host, account: &Account) -> Result<(Order, Begun)> {
        let mut begun = match self.begun(host)? {
            Some(begun) => begun,
            None => self.folder.begin(host, self.asked, self.key()?)?,
        };
        if let Some(url) = &begun.url {
            (self.say)(&format!("taking up order {}", problem::plain(url)));
            return match self.wire.drive(host, account.order(url.clone())) {
                Ok(order) => Ok((order, begun)),
                Err(error) => {
                    // Servers forget orders; another is made for the next round. One that is only not to be asked now may
                    // know it still.
                    if self.wire.is_refused() && !problem::is_lost_nonce(&error) {
                        self.folder.drop(host, "order.json")?;
                    }
                    Err(error)
                }
            };
        }
        let identifiers: Vec<Identifier> = self
            .asked
            .names
            .iter()
            .map(|name| {
                name.parse()
                    .map_or_else(|_| Identifier::Dns(name.clone()), Identifier::Ip)
            })
            .collect();
        let made = ordered(account, &identifiers, self.replaced(host));
        let order = self.wire.drive(host, made)?;
        begun.url = Some(order.url().to_owned());
        self.folder.save(host, "order.json", &begun)?;
        (self.say)(&format!("order {}", problem::plain(order.url())));
        Ok((order, begun))
    }

    /// Returns what the server knows the leaf in force by, where it is its own. One that cannot be read hinders no order.
    fn replaced(&self, host: &dyn Host) -> Option<CertificateIdentifier<'static>> {
        let before = self.folder.asked(host).ok()?;
        let is_theirs = before.server == self.asked.server;
        let identity = self.folder.identity(host).ok()?.filter(|_| is_theirs)?;
        renewal::id(&identity)
    }

    /// Sends the request for a certificate, waits for it, and returns it with its chain.
    fn issue(
        &self,
        host: &mut dyn Host,
        account: &Account,
        mut order: Order,
        begun: &Begun,
        url: &str,
    ) -> Result<String> {
        let end = host.elapsed() + PATIENCE;
        loop {
            match order.state().status {
                OrderStatus::Ready => {
                    self.go_on(host, end, "issues")?;
                    let request = self.request(host, begun)?;
                    self.wire.drive(host, order.finalize_csr(&request))?;
                    if order.state().status == OrderStatus::Ready {
                        self.pause(host, end, "issues")?;
                    }
                }
                OrderStatus::Valid => break,
                OrderStatus::Pending | OrderStatus::Processing => {
                    self.pause(host, end, "issues")?;
                    order = self.wire.drive(host, account.order(url.to_owned()))?;
                }
                OrderStatus::Invalid => return Err(self.invalid(host, order)?),
            }
        }
        let chain = self.wire.drive(host, order.certificate())?;
        chain.ok_or_else(|| problem::told(&self.asked.server, instant_acme::Error::Str("a chain")))
    }

    pub(super) fn pause(&self, host: &dyn Host, end: Duration, what: &str) -> Result<()> {
        self.go_on(host, end, what)?;
        let time = self.wire.wait().unwrap_or(PAUSE.0);
        rest(host, time.clamp(PAUSE.0, PAUSE.1))
    }

    /// Ends what takes too long, or is asked to end.
    pub(super) fn go_on(&self, host: &dyn Host, end: Duration, what: &str) -> Result<()> {
        if host.elapsed() > end {
            return Err(Error::Server {
                server: self.asked.server.clone(),
                message: format!("still {what} after {} s", PATIENCE.as_secs()),
                hint: "try again later: the order is kept and will be taken up".to_owned(),
            });
        }
        rest(host, Duration::ZERO)
    }
}

/// Makes an order that says which leaf it replaces (RFC 9773 section 5), where the server has heard of that; once more without
/// where that is no order for it.
async fn ordered(
    account: &Account,
    identifiers: &[Identifier],
    replaced: Option<CertificateIdentifier<'static>>,
) -> std::result::Result<Order, AcmeError> {
    let new = NewOrder::new(identifiers);
    let Some(replaced) = replaced else {
        return account.new_order(&new).await;
    };
    let made = account
        .new_order(&NewOrder::new(identifiers).replaces(replaced))
        .await;
    let may_be_for_that = match &made {
        // It has no renewal information, or has heard of drafts alone, and its order says nothing of it.
        Err(AcmeError::Unsupported(_) | AcmeError::Other(_)) => true,
        // `alreadyReplaced`, and what servers say to a leaf of another account or one that they have forgotten.
        Err(AcmeError::Api(problem)) => problem::may_be_for_a_field(problem),
        _ => false,
    };
    if may_be_for_that {
        return account.new_order(&new).await;
    }
    made
}

/// Waits, unless this run is asked to end.
pub(super) fn rest(host: &dyn Host, mut time: Duration) -> Result<()> {
    loop {
        if let Some(signal) = host.interrupted() {
            return Err(Error::Interrupted { signal });
        }
        if time.is_zero() {
            return Ok(());
        }
        let part = time.min(PAUSE.0);
        host.sleep(part);
        time -= part;
    }
}

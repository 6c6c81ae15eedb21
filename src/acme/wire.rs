//! The protocol's library asks for requests in its own time; here each is made through the host, one after the other.

use std::{
    future::poll_fn,
    net::IpAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use serde_json::Value;
use ureq::http::{Request, Response, Uri};

use super::{order::rest, problem};
use crate::{
    error::{Error, Result},
    host::{Host, WebCall, WebReply},
};

/// The longest that one request may take, in all its tries. A look at where its name leads takes off it what it took; that
/// look alone has the resolver's own limits.
const LIMIT: Duration = Duration::from_secs(30);

/// How often a request is made again where no answer comes, or one that blames the server (5xx).
const TRIES: u32 = 3;

/// The longest that is heeded of what an answer asks to wait, in seconds: a year.
const LONGEST_WAIT: u64 = 365 * 86_400;

/// A request that waits to be made, and what came of it.
#[derive(Debug, Default)]
struct Slot {
    request: Option<Request<Vec<u8>>>,
    reply: Option<WebReply>,
    /// Why there was no reply: told instead of what the library makes of that.
    failed: Option<Error>,
    /// The status of the last reply; none where there was none to the last request.
    status: Option<u16>,
    /// What the last reply asks to wait, in seconds.
    wait: Option<u64>,
}

/// The one place where the library's futures are driven.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    server: String,
    anchors: Vec<Vec<u8>>,
    slot: Arc<Mutex<Slot>>,
}

impl Wire {
    pub(super) fn new(server: &str, anchors: Vec<Vec<u8>>) -> Self {
        Self {
            server: server.to_owned(),
            anchors,
            slot: Arc::default(),
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the last reply asked to wait.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.slot().wait.map(Duration::from_secs)
    }

    /// Tells whether the last request was heard and not taken, neither for the server's own trouble (5xx) nor for the time
    /// that it came at (408 and 429, RFC 9110 section 15.5.9, RFC 6585 section 4). Only asked after a failure.
    pub(super) fn is_refused(&self) -> bool {
        let status = self.slot().status;
        status.is_some_and(|status| status < 500 && ![408, 429].contains(&status))
    }

    /// Drives a future to its end, making the requests that it waits for.
    ///
    /// # Errors
    /// [`Error::Server`] in the server's own words.
    pub(super) fn drive<T>(
        &self,
        host: &dyn Host,
        future: impl Future<Output = std::result::Result<T, instant_acme::Error>>,
    ) -> Result<T> {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(ended) = future.as_mut().poll(&mut context) {
                let failed = self.slot().failed.take();
                return ended
                    .map_err(|error| failed.unwrap_or_else(|| problem::told(&self.server, error)));
            }
            let request = self.slot().request.take();
            let Some(request) = request else {
                return Err(problem::told(
                    &self.server,
                    instant_acme::Error::Str("a request"),
                ));
            };
            let url = request.uri().to_string();
            let made = self.make(host, request);
            let mut slot = self.slot();
            slot.status = made.as_ref().ok().map(|reply| reply.status);
            let made = made.and_then(|reply| refuse_strange(&url, reply));
            match made.and_then(|reply| tame(&url, reply)) {
                Ok(reply) => {
                    slot.wait = reply
                        .header("retry-after")
                        .and_then(|text| text.parse().ok());
                    slot.reply = Some(reply);
                }
                Err(error) => slot.failed = Some(error),
            }
        }
    }

    fn make(&self, host: &dyn Host, request: Request<Vec<u8>>) -> Result<WebReply> {
        let end = host.elapsed() + LIMIT;
        let (head, body) = request.into_parts();
        self.refuse_astray(host, &head.uri)?;
        rest(host, Duration::ZERO)?;
        let fields = head.headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let mut call = WebCall {
            method: head.method.as_str().to_owned(),
            url: head.uri.to_string(),
            headers: fields.filter(|(name, _)| name != "user-agent").collect(),
            body,
            anchors: self.anchors.clone(),
            limit: end.saturating_sub(host.elapsed()),
        };
        let mut tries = 1;
        loop {
            let reply = host.web(&call);
            let again = reply.as_ref().map_or(true, |reply| reply.status >= 500);
            let pause = Duration::from_secs(u64::from(tries));
            call.limit = end.saturating_sub(host.elapsed() + pause);
            let is_over = call.limit.is_zero() || host.interrupted().is_some();
            if !again || tries == TRIES || is_over {
                return reply;
            }
            host.sleep(pause);
            tries += 1;
        }
    }

    /// Refuses what a server leads to and what it has no say in: requests in the clear (RFC 8555 section 6.1), and requests
    /// to this host or its link, where others may trust whoever asks from here. A directory that is there itself may.
    fn refuse_astray(&self, host: &dyn Host, to: &Uri) -> Result<()> {
        let refused = |found: &str| {
            Err(Error::Server {
                server: self.server.clone(),
                message: format!("leads to `{}`, {found}", problem::plain(&to.to_string())),
                hint: "nothing was sent there: is that the right server, and is it well?"
                    .to_owned(),
            })
        };
        if to.scheme_str() != Some("https") {
            return refused("which is not `https://` (RFC 8555 section 6.1)");
        }
        let own: Option<Uri> = self.server.parse().ok();
        let own = own.as_ref().and_then(Uri::host).unwrap_or_default();
        let name = to.host().unwrap_or_default();
        if name != own && is_near(host, name) && !is_near(host, own) {
            return refused("which is an address of this host or its link alone");
        }
        Ok(())
    }
}

/// Tells whether a name is at an address that leads no further than this host or its link: loopback,
/// link-local, and the unspecified one, which Linux takes for loopback.
fn is_near(host: &dyn Host, name: &str) -> bool {
    let literal = name.trim_matches(['[', ']']).parse();
    let addresses = literal.map_or_else(|_| host.resolve(name), |address: IpAddr| vec![address]);
    addresses
        .iter()
        .any(|address| match address.to_canonical() {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified(),
        })
}

/// Refuses an answer that says it failed in another way than a problem document (RFC 7807): of a proxy, say.
fn refuse_strange(url: &str, reply: WebReply) -> Result<WebReply> {
    let kind = reply.header("content-type").unwrap_or_default();
    let is_strange = reply.status >= 300 && !kind.starts_with("application/problem+json");
    if !is_strange {
        return Ok(reply);
    }
    let text = String::from_utf8_lossy(&reply.body);
    let first: String = text.trim().chars().take(200).collect();
    Err(Error::Server {
        server: url.to_owned(),
        message: format!("answers with {}: {first:?}", reply.status),
        hint: "that is not how an ACME server refuses: is the URL right, or is a proxy in between?"
            .to_owned(),
    })
}

/// Has an answer keep to what the library takes for granted, and panics without: that a directory's URL for nonces is one,
/// and that a time to wait may be added to that of a clock.
fn tame(url: &str, mut reply: WebReply) -> Result<WebReply> {
    let is_wrong = match serde_json::from_slice(&reply.body) {
        // The library would read a list as the fields in their order.
        Ok(Value::Array(_)) => true,
        Ok(all) => all["newNonce"]
            .as_str()
            .is_some_and(|nonces| nonces.parse::<Uri>().is_err()),
        Err(_) => false,
    };
    if is_wrong {
        return Err(Error::Server {
            server: url.to_owned(),
            message: "does not speak as RFC 8555 has it: it names no URL for nonces".to_owned(),
            hint: "is it the URL of an ACME directory? `curl URL` shows it".to_owned(),
        });
    }
    for (name, value) in &mut reply.headers {
        let asks = value.trim().parse().unwrap_or(0);
        if name == "retry-after" && asks > LONGEST_WAIT {
            *value = LONGEST_WAIT.to_string();
        }
    }
    Ok(reply)
}

impl HttpClient for Wire {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = std::result::Result<BytesResponse, instant_acme::Error>> + Send>>
    {
        let wire = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // The one way to a body's bytes that the library shows.
            let mut body = BytesResponse::from(Response::new(body)).body;
            let body = body
                .into_bytes()
                .await
                .map_err(instant_acme::Error::Other)?;
            wire.slot().request = Some(Request::from_parts(head, body.to_vec()));
            let reply = poll_fn(|_| {
                let mut slot = wire.slot();
                if slot.failed.is_some() {
                    return Poll::Ready(Err(instant_acme::Error::Str("an answer")));
                }
                slot.reply
                    .take()
                    .map_or(Poll::Pending, |reply| Poll::Ready(Ok(reply)))
            });
            let reply = reply.await?;
            let mut response = Response::builder().status(reply.status);
            for (name, value) in &reply.headers {
                response = response.header(name, value);
            }
            let response = response.body(BodyWrapper::<Bytes>::from(reply.body))?;
            Ok(BytesResponse::from(response))
        })
    }
}

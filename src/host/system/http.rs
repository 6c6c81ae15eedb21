//! HTTP requests, each on a connection of its own that is accepted before a byte of it is sent.

use std::{
    fmt,
    io::{self, Read, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::{ClientConnection, StreamOwned};
use ureq::{
    Agent,
    http::{self, Uri, header},
    unversioned::{
        multipart::{Form, Part},
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport},
    },
};

use super::{
    limited::{Limit, Limited},
    network,
};
use crate::{
    error::{Error, Result},
    host::{Call, Load, Reply},
    identity::base64,
};

pub(super) mod web;

/// The most that is read of an answer's body.
const MOST_BODY: u64 = 64 << 10;

/// Makes a request, which takes its limit at most as a whole. Redirects are not followed, and no proxy of the environment
/// is asked.
///
/// # Errors
/// [`Error::Unproved`] where there is no connection, or the peer is not one that is accepted: nothing was sent.
pub(super) fn exchange(call: &Call) -> Result<Reply> {
    // What may have changed something is waited for, as a command is.
    let limit = Limit::new(call.dial.limit);
    let wire = if call.tls {
        let (session, stream) = network::accepted(&call.dial, limit.end())?;
        let stream = Limited::new(stream, limit);
        Wire::Tls(Box::new(StreamOwned::new(session, stream)))
    } else {
        let stream = network::plain(&call.dial, limit.end())?;
        Wire::Plain(Limited::new(stream, limit))
    };
    let line = Line::new(wire);
    let heard = Arc::clone(&line.heard);
    let config = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .build();
    let agent = Agent::with_parts(
        config,
        Handed(Mutex::new(Some(line))),
        Known(call.dial.address),
    );
    Ok(send(&agent, call).unwrap_or_else(|error| lost(&error, heard.load(Ordering::Relaxed))))
}

/// Tells a connection that was closed without a byte from one that broke.
fn lost(error: &ureq::Error, heard: bool) -> Reply {
    let closed = matches!(error, ureq::Error::Io(e) if matches!(
        e.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe
    ));
    if closed && !heard {
        return Reply::Empty;
    }
    Reply::Lost(error.to_string())
}

fn send(agent: &Agent, call: &Call) -> std::result::Result<Reply, ureq::Error> {
    let scheme = if call.tls { "https" } else { "http" };
    let name = &call.dial.name;
    let name = if name.contains(':') {
        format!("[{name}]")
    } else {
        name.clone()
    };
    let uri = format!(
        "{scheme}://{name}:{}{}",
        call.dial.address.port(),
        call.path
    );
    let mut request = http::Request::builder()
        .method(call.method.as_str())
        .uri(uri)
        .header(header::ACCEPT, "application/json");
    if let Some((user, password)) = &call.login {
        let mut value = if user.is_empty() {
            let text = [b"Bearer ", password.reveal()].concat();
            http::HeaderValue::from_bytes(&zeroize::Zeroizing::new(text))
        } else {
            let mut pair = zeroize::Zeroizing::new(format!("{user}:").into_bytes());
            pair.extend_from_slice(password.reveal());
            http::HeaderValue::from_str(&format!("Basic {}", base64(&pair).as_str()))
        }
        .map_err(http::Error::from)?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let mut response = match &call.load {
        Load::Nothing => agent.run(request.body(())?)?,
        Load::Json(text) => {
            let request = request.header(header::CONTENT_TYPE, "application/json");
            agent.run(request.body(text.reveal())?)?
        }
        Load::Signed(text, signature) => {
            let request = request
                .header(header::CONTENT_TYPE, "application/json")
                .header("x-certroll-signature", signature);
            agent.run(request.body(text.reveal())?)?
        }
        Load::Form(files) => {
            let mut form = Form::new();
            for (name, bytes) in files {
                let part = Part::bytes(bytes.reveal())
                    .file_name(name)
                    .mime_str("application/octet-stream")?;
                form = form.part(name, part);
            }
            let kind = format!("multipart/form-data; boundary={}", form.boundary());
            let request = request.header(header::CONTENT_TYPE, kind);
            agent.run(request.body(form)?)?
        }
    };
    let body = response
        .body_mut()
        .with_config()
        .limit(MOST_BODY)
        .read_to_vec();
    Ok(Reply::Answer {
        status: response.status().as_u16(),
        // The status has come, and it is what counts.
        body: String::from_utf8_lossy(&body.unwrap_or_default()).into_owned(),
    })
}

/// Hands over the one connection that was accepted.
#[derive(Debug)]
struct Handed(Mutex<Option<Line>>);

impl Connector for Handed {
    type Out = Line;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> std::result::Result<Option<Line>, ureq::Error> {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.take().map(Some).ok_or(ureq::Error::ConnectionFailed)
    }
}

/// Knows where the connection leads.
#[derive(Debug)]
struct Known(std::net::SocketAddr);

impl Resolver for Known {
    fn resolve(
        &self,
        _: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}

enum Wire {
    Tls(Box<StreamOwned<ClientConnection, Limited>>),
    Plain(Limited),
}

/// A connection as the client library sees it; its limit is that of the whole request.
struct Line {
    wire: Wire,
    buffers: LazyBuffers,
    heard: Arc<AtomicBool>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Line {
    fn new(wire: Wire) -> Self {
        Self {
            wire,
            buffers: LazyBuffers::new(16 << 10, 16 << 10),
            heard: Arc::default(),
        }
    }
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(
        &mut self,
        amount: usize,
        _: NextTimeout,
    ) -> std::result::Result<(), ureq::Error> {
        let output = &self.buffers.output()[..amount];
        match &mut self.wire {
            Wire::Tls(tls) => tls.write_all(output).and_then(|()| tls.flush()),
            Wire::Plain(stream) => stream.write_all(output),
        }?;
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> std::result::Result<bool, ureq::Error> {
        let input = self.buffers.input_append_buf();
        let read = match &mut self.wire {
            Wire::Tls(tls) => tls.read(input),
            Wire::Plain(stream) => stream.read(input),
        };
        let amount = match read {
            Ok(amount) => amount,
            // Whoever closes without a farewell has said all there is, too.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error.into()),
        };
        if amount > 0 {
            self.heard.store(true, Ordering::Relaxed);
        }
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        // Each request has a connection of its own.
        false
    }

    fn is_tls(&self) -> bool {
        matches!(self.wire, Wire::Tls(_))
    }
}

/// A failure before anything was sent.
pub(super) fn refuse_change(call: &Call) -> Result<()> {
    if call.method == "GET" {
        return Ok(());
    }
    Err(Error::NotPlanned {
        verb: "send",
        what: format!("{} {}", call.method, call.path),
    })
}

#[cfg(test)]
mod tests;

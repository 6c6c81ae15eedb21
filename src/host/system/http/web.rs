//! Requests to servers of the web: known by name, held to a chain that leads to a trust anchor.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex},
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName},
};
use ureq::{
    Agent,
    http::{self, Uri},
};

use super::{
    super::limited::{Limit, connect},
    Handed, Known, Line, Wire,
};
use crate::{
    error::{Error, Result},
    host::{WebCall, WebReply},
};

/// The most that is read of an answer's body.
const MOST_BODY: u64 = 1 << 20;

/// Makes a request, which takes its limit at most as a whole, the search for an address that answers included; `anchors` is
/// only called where the connection is to be trusted.
///
/// # Errors
/// [`Error::Server`] where there is no answer, with the reason; [`Error::Interrupted`] where a signal ended the wait.
pub(in crate::host::system) fn ask(
    call: &WebCall,
    anchors: impl Fn() -> Vec<Vec<u8>>,
) -> Result<WebReply> {
    let limit = Limit::new(call.limit).heeding();
    answered(call, limit, anchors).map_err(|error| match limit.signal() {
        Some(signal) => Error::Interrupted { signal },
        None => error,
    })
}

fn answered(call: &WebCall, limit: Limit, anchors: impl Fn() -> Vec<Vec<u8>>) -> Result<WebReply> {
    let silent = |found: String, hint: &str| Error::Server {
        server: call.url.clone(),
        message: format!("gives no answer: {found}"),
        hint: hint.to_owned(),
    };
    let uri: Uri = call
        .url
        .parse()
        .map_err(|_| silent("it is no URL".to_owned(), ""))?;
    let is_secret = uri.scheme_str() == Some("https");
    let name = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if is_secret { 443 } else { 80 });
    let asked = name.to_owned();
    let addresses = limit.hold(move |_| Ok((asked, port).to_socket_addrs()?.collect::<Vec<_>>()));
    let addresses = addresses.map_err(|error| {
        silent(
            format!("its name does not resolve here ({error})"),
            &format!("getent hosts {name}"),
        )
    })?;
    let hint = "is the address right, and may this host reach it?";
    let (stream, address) = connect(&addresses, limit).map_err(|reason| silent(reason, hint))?;
    let wire = if is_secret {
        let session = session(call, name, anchors());
        let session = session.map_err(|error| silent(error.to_string(), ""))?;
        Wire::Tls(Box::new(StreamOwned::new(session, stream)))
    } else {
        Wire::Plain(stream)
    };
    send(call, &uri, address, wire)
        .map_err(|error| silent(error.to_string(), if is_secret { UNTRUSTED } else { "" }))
}

/// What to do where a handshake may have failed.
const UNTRUSTED: &str = "a server with a CA of its own is trusted with `--ca-file FILE`";

fn session(
    call: &WebCall,
    name: &str,
    anchors: Vec<Vec<u8>>,
) -> std::result::Result<ClientConnection, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let all = call.anchors.iter().cloned().chain(anchors);
    roots.add_parsable_certificates(all.map(CertificateDer::from));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned())
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    ClientConnection::new(Arc::new(config), name)
}

fn send(
    call: &WebCall,
    uri: &Uri,
    address: SocketAddr,
    wire: Wire,
) -> std::result::Result<WebReply, ureq::Error> {
    let config = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("certroll/", env!("CARGO_PKG_VERSION")))
        .build();
    let agent = Agent::with_parts(
        config,
        Handed(Mutex::new(Some(Line::new(wire)))),
        Known(address),
    );
    let mut request = http::Request::builder()
        .method(call.method.as_str())
        .uri(uri.clone());
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let mut response = if call.body.is_empty() {
        agent.run(request.body(())?)?
    } else {
        agent.run(request.body(call.body.as_slice())?)?
    };
    let body = response.body_mut().with_config().limit(MOST_BODY);
    let body = body.read_to_vec()?;
    let headers = response.headers().iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    Ok(WebReply {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body,
    })
}

//! The server in memory, which issues in the end.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use rcgen::{CertificateSigningRequestParams, Issuer, KeyPair};
use serde_json::json;

use super::{NAME, server::Server};
use crate::{
    acme::request::decode,
    error::Result,
    host::{WebCall, WebReply},
};

/// A server that has one name proved, and issues for it.
#[derive(Debug)]
pub(super) struct Issues {
    pub(super) server: Rc<Server>,
    /// Whether the leaf is for a key of the server's own.
    pub(super) is_foreign: Cell<bool>,
    /// The chain of the last order, once it is issued.
    chain: RefCell<Option<String>>,
}

impl Issues {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            server: Server::new(&[(NAME, "good-token_1")]),
            is_foreign: Cell::new(false),
            chain: RefCell::default(),
        })
    }

    pub(super) fn answer(&self, call: &WebCall) -> Result<WebReply> {
        let path = call.url.strip_prefix("https://acme.test/");
        if path == Some("order") {
            self.chain.take();
            self.server.answered.set(0);
        }
        if path == Some("chain") {
            return Ok(WebReply {
                status: 200,
                headers: vec![("replay-nonce".to_owned(), "bm9uY2U".to_owned())],
                body: self.chain.borrow().clone().unwrap().into_bytes(),
            });
        }
        let mut reply = self.server.answer(call)?;
        match path {
            Some("finalize") => {
                let sent = self.server.at("finalize").pop().unwrap().1;
                let request = decode(sent["csr"].as_str().unwrap()).unwrap();
                self.chain.replace(Some(self.issued(request.reveal())));
                Self::valid(&mut reply);
            }
            Some("order/1") if self.chain.borrow().is_some() => Self::valid(&mut reply),
            _ => {}
        }
        Ok(reply)
    }

    fn valid(reply: &mut WebReply) {
        reply.status = 200;
        for (name, value) in &mut reply.headers {
            if name == "content-type" {
                "application/json".clone_into(value);
            }
        }
        let order = json!({
            "status": "valid", "authorizations": ["https://acme.test/authz/0"],
            "finalize": "https://acme.test/finalize", "certificate": "https://acme.test/chain",
        });
        reply.body = order.to_string().into_bytes();
    }

    fn issued(&self, request: &[u8]) -> String {
        let mut request = CertificateSigningRequestParams::from_der(&request.into()).unwrap();
        if self.is_foreign.get() {
            let other = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
            let other = other
                .serialize_request(&KeyPair::generate().unwrap())
                .unwrap();
            request = CertificateSigningRequestParams::from_der(other.der()).unwrap();
        }
        let root = rcgen::CertificateParams::new(vec!["root.acme.example".to_owned()]).unwrap();
        let issuer = Issuer::new(root, KeyPair::generate().unwrap());
        request.signed_by(&issuer).unwrap().pem()
    }
}

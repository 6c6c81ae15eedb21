//! As much of HTTP/1.1 (RFC 9112) as the doubles hear.

use std::io::{self, Read};

/// The most that a request may be.
const MOST: usize = 8 << 20;

/// A request as it came.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) content_type: String,
    pub(super) authorization: Option<String>,
    pub(super) upgrade: bool,
    pub(super) body: Vec<u8>,
}

/// Reads one request; none where the client is done. What follows it stays in `heard`.
pub(super) fn read(wire: &mut impl Read, heard: &mut Vec<u8>) -> io::Result<Option<Message>> {
    let mut buffer = [0; 16 << 10];
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(heard).map_err(io::Error::other)?;
        if let httparse::Status::Complete(head) = parsed {
            let header = |name: &str| {
                let found = request
                    .headers
                    .iter()
                    .find(|h| h.name.eq_ignore_ascii_case(name));
                found.map(|h| String::from_utf8_lossy(h.value).into_owned())
            };
            let length: usize = header("content-length")
                .and_then(|l| l.parse().ok())
                .unwrap_or(0);
            let mut message = Message {
                method: request.method.unwrap_or_default().to_owned(),
                path: request.path.unwrap_or_default().to_owned(),
                content_type: header("content-type").unwrap_or_default(),
                authorization: header("authorization"),
                upgrade: header("upgrade").is_some(),
                body: Vec::new(),
            };
            while heard.len() < head + length && heard.len() < MOST {
                let got = wire.read(&mut buffer)?;
                if got == 0 {
                    return Ok(None);
                }
                heard.extend_from_slice(buffer.get(..got).unwrap_or_default());
            }
            let rest = heard.split_off((head + length).min(heard.len()));
            message.body = heard.split_off(head);
            *heard = rest;
            return Ok(Some(message));
        }
        let got = wire.read(&mut buffer)?;
        if got == 0 || heard.len() > MOST {
            return Ok(None);
        }
        heard.extend_from_slice(buffer.get(..got).unwrap_or_default());
    }
}

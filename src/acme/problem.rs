//! What a server says when it refuses, in its own words, and what may be done about it.

use instant_acme::{Error as AcmeError, Problem};

use crate::error::Error;

/// What the types of RFC 8555 section 6.7 begin with.
const PREFIX: &str = "urn:ietf:params:acme:error:";

/// Type and remedy (RFC 8555 section 6.7, RFC 9773 section 7.4).
const HINTS: &[(&str, &str)] = &[
    (
        "accountDoesNotExist",
        "the account is gone from the server: move its file in `acme/.accounts` of the state directory away, and issue again",
    ),
    (
        "badCSR",
        "the server takes no such key or name: give another `--key-type`",
    ),
    ("badNonce", "the server lost its place: try again"),
    (
        "caa",
        "a CAA record of the name forbids this server to issue: `dig CAA NAME`",
    ),
    (
        "connection",
        "the server cannot reach this host: does the name lead here from outside, and does the firewall let the port in?",
    ),
    (
        "dns",
        "the server cannot look the name up: `dig NAME A`, `dig NAME AAAA`, `dig NAME CAA`",
    ),
    (
        "externalAccountRequired",
        "give the account that the server gave you: `--eab-kid KID --eab-key-file FILE`",
    ),
    (
        "incorrectResponse",
        "somebody else answers for the name: another server, an old address, an IPv6 address that leads elsewhere?",
    ),
    (
        "invalidContact",
        "give an address that the server takes: `--contact you@example.org`",
    ),
    (
        "rateLimited",
        "wait as long as the server says; try with its staging server meanwhile",
    ),
    (
        "rejectedIdentifier",
        "the server does not issue for this name: is it public?",
    ),
    (
        "tls",
        "the server cannot make a TLS handshake with this host: is the port let in, and is nothing in between that ends TLS?",
    ),
    (
        "unauthorized",
        "the server found another answer than this one: does the name lead here, IPv6 too?",
    ),
    (
        "unsupportedIdentifier",
        "the server does not issue for names of this sort",
    ),
    (
        "userActionRequired",
        "the server's operator wants something of you: follow the link that it gives",
    ),
];

/// Returns the type of a problem without its prefix.
fn kind(problem: &Problem) -> &str {
    let kind = problem.r#type.as_deref().unwrap_or("about:blank");
    kind.strip_prefix(PREFIX).unwrap_or(kind)
}

/// Returns somebody else's words so that they stay words on a terminal: what could move its cursor or turn text is escaped.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}

/// Says what a server refuses, with what.
pub(super) fn refused(server: &str, what: &str, problem: &Problem) -> Error {
    let detail = problem.detail.as_deref().unwrap_or("without a reason");
    let parts: Vec<String> = problem
        .subproblems
        .iter()
        .map(ToString::to_string)
        .collect();
    let parts = if parts.is_empty() {
        String::new()
    } else {
        format!(": {}", parts.join("; "))
    };
    let of_parts = problem
        .subproblems
        .iter()
        .filter_map(|part| part.r#type.as_deref());
    let kinds: Vec<&str> = std::iter::once(kind(problem))
        .chain(of_parts.map(|kind| kind.strip_prefix(PREFIX).unwrap_or(kind)))
        .collect();
    let hint = HINTS.iter().find(|(name, _)| kinds.contains(name));
    Error::Server {
        server: server.to_owned(),
        message: plain(&format!(
            "refuses{what}: {detail} ({}){parts}",
            kind(problem)
        )),
        hint: hint.map(|(_, hint)| (*hint).to_owned()).unwrap_or_default(),
    }
}

/// Says what went wrong with a server.
pub(super) fn told(server: &str, error: AcmeError) -> Error {
    match error {
        AcmeError::Api(problem) => refused(server, "", &problem),
        other => Error::Server {
            server: server.to_owned(),
            message: plain(&format!("does not speak as RFC 8555 has it: {other}")),
            hint: "is it the URL of an ACME directory? `curl URL` shows it".to_owned(),
        },
    }
}

/// Tells whether a request may be taken without one of its fields: not one that came at a wrong time.
pub(super) fn may_be_for_a_field(problem: &Problem) -> bool {
    !["badNonce", "rateLimited"].contains(&kind(problem))
}

/// Tells whether an error only says that a nonce was not taken, so that all may be tried again.
pub(super) fn is_lost_nonce(error: &Error) -> bool {
    matches!(error, Error::Server { message, .. } if message.contains("(badNonce)"))
}

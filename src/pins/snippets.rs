//! Complete programs that send one request to a pinned peer, and to nobody else.

use super::{Pin, key};
use crate::{
    error::{Error, Result},
    starttls::Peer,
};

/// Programs by the name of their language, with their texts; `@NAMES@` in them are filled in by [`snippet`].
pub const LANGUAGES: &[(&str, &str)] = &[
    ("csharp", include_str!("snippets/pinned.cs")),
    ("curl", include_str!("snippets/pinned-curl.sh")),
    ("go", include_str!("snippets/pinned.go")),
    ("java", include_str!("snippets/Pinned.java")),
    ("openssl", include_str!("snippets/pinned-openssl.sh")),
    ("powershell", include_str!("snippets/pinned.ps1")),
    ("python", include_str!("snippets/pinned.py")),
];

/// Returns a program in a language for a peer, by name as pins have it: both leaves are accepted while there is a next one.
///
/// # Errors
/// [`Error::Unknown`] where there is no such language; [`Error::Usage`] where the peer does not speak HTTPS with the first
/// byte, or a client that pins keys wants one that could not be read.
pub fn snippet(language: &str, name: &str, pin: &Pin) -> Result<String> {
    let known = LANGUAGES.iter().find(|(known, _)| *known == language);
    let (_, text) = known.ok_or_else(|| Error::Unknown {
        what: "language",
        name: language.to_owned(),
        known: LANGUAGES
            .iter()
            .map(|(known, _)| (*known).to_owned())
            .collect(),
    })?;
    let (_, peer) = key(name)?;
    let refuse = |message: &str, hint: &str| Error::Usage {
        message: format!("`{name}` {message}"),
        hint: hint.to_owned(),
    };
    if !peer.protocol.is_direct() {
        return Err(refuse(
            "asks for TLS in the clear first",
            "programs are for peers that speak HTTPS: `HOST:PORT`",
        ));
    }
    let pins: Vec<String> = pin.accepted().iter().map(ToString::to_string).collect();
    let leaves = std::iter::once(&pin.leaf).chain(&pin.next);
    let keys: Option<Vec<&str>> = leaves.map(|leaf| leaf.public_key.as_deref()).collect();
    let keys = match keys {
        Some(keys) => keys
            .iter()
            .map(|key| format!("sha256//{key}"))
            .collect::<Vec<_>>()
            .join(";"),
        None if text.contains("@KEYS@") => {
            return Err(refuse(
                "is pinned to a leaf whose key cannot be read",
                "take another `--as`",
            ));
        }
        None => String::new(),
    };
    let quoted: Vec<String> = pins.iter().map(|pin| format!("\"{pin}\"")).collect();
    let filled = [
        ("@PEER@", name.to_owned()),
        ("@HOST@", peer.name.clone()),
        ("@URL@", url(&peer)),
        ("@PORT@", peer.port.to_string()),
        ("@QUOTED_PINS@", quoted.join(", ")),
        ("@PINS@", pins.join(" ")),
        ("@KEYS@", keys),
    ];
    Ok(filled
        .iter()
        .fold((*text).to_owned(), |text, (name, value)| {
            text.replace(name, value)
        }))
}

fn url(peer: &Peer) -> String {
    format!("https://{peer}/")
}

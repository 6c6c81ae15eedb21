//! The first two messages of TLS, for what a library no longer speaks: a `ClientHello` of any version from 1.0 to 1.3
//! with any suites, and of the answer the version and suite that were chosen, or the alert. Pure.
//!
//! Nothing more is built or read, and no key is ever agreed on: such a connection ends after one message each way.

mod answer;
mod offer;
mod suites;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Refusal, read};
pub use offer::Offer;
pub use suites::{SUITES, name};

/// A version of TLS, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// TLS 1.0 (RFC 2246).
    Tls10,
    /// TLS 1.1 (RFC 4346).
    Tls11,
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl Version {
    /// All of them, the oldest first.
    pub const ALL: [Self; 4] = [Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    /// Returns the number that stands for it on the wire.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }

    /// Returns the version that a number stands for; none for SSL and what is newer.
    #[must_use]
    pub fn of(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.code() == code)
    }

    /// Returns its name, as in `TLS 1.2`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }

    /// Returns the suites of the table that this version knows: TLS 1.3 has its own (RFC 8446 appendix B.4), and those
    /// that encrypt with associated data or hash with more than SHA-1 came with TLS 1.2.
    #[must_use]
    pub fn suites(self) -> Vec<u16> {
        let of_13 = |code: u16| code >> 8 == 0x13;
        let of_12 = |name: &str| {
            ["GCM", "CCM", "POLY1305", "SHA256", "SHA384"]
                .iter()
                .any(|sign| name.contains(sign))
        };
        SUITES
            .iter()
            .filter(|(code, name)| match self {
                Self::Tls13 => of_13(*code),
                Self::Tls12 => !of_13(*code),
                Self::Tls10 | Self::Tls11 => !of_13(*code) && !of_12(name),
            })
            .map(|(code, _)| *code)
            .collect()
    }
}

//! Releases of a platform, as `20.03`.

use crate::{
    error::{Error, Result},
    render::Expr,
};

/// Year and month of a release; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(u32, u32);

impl Release {
    /// Reads a release in a table.
    ///
    /// # Errors
    /// [`Error::Parse`] where it is none.
    pub fn parse(expr: &Expr) -> Result<Self> {
        Self::read(&expr.text).ok_or_else(|| {
            let message = format!("release `{}` is not of the form `20.03`", expr.text);
            expr.error(message, "")
        })
    }

    /// Reads a release that the user gave.
    ///
    /// # Errors
    /// [`Error::Usage`] where it is none.
    pub fn given(text: &str) -> Result<Self> {
        Self::read(text).ok_or_else(|| Error::Usage {
            message: format!("release `{}` is not a release", text.escape_debug()),
            hint: "--set release=20.03".to_owned(),
        })
    }

    fn read(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('.')?;
        let number = |part: &str| -> Option<u32> {
            let digits = !part.is_empty() && part.len() <= 4;
            (digits && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
        };
        Some(Self(number(year)?, number(month)?))
    }
}

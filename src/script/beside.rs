//! The directory beside a script: what it places that is in no file of the caller's.

use aws_lc_rs::digest;

use crate::{hex::hex, state::Bytes};

/// What digests in a script are taken with, so that nobody guesses by them what is short and secret in a file.
pub(super) const SALT: &str = "salt";

/// The directory, and what will be in it.
#[derive(Debug)]
pub struct Beside {
    dir: String,
    salt: Bytes,
    files: Vec<(String, Bytes)>,
}

impl Beside {
    /// A directory from `/` in which nothing is yet; what is random keeps its digests apart from those of any other.
    #[must_use]
    pub fn new(dir: String, random: &[u8; 32]) -> Self {
        Self {
            dir,
            salt: format!("{}\n", hex(random)).into(),
            files: Vec::new(),
        }
    }

    /// Returns its path.
    pub(super) fn dir(&self) -> &str {
        &self.dir
    }

    /// Tells whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Adds what goes to a place of this name; returns the name of the file.
    pub(super) fn add(&mut self, name: &str, bytes: &Bytes) -> String {
        let name = format!("{}-{name}", self.files.len() + 1);
        self.files.push((name.clone(), bytes.clone()));
        name
    }

    /// Returns the digest of a file, as `digest` in the script tells it, once all is added: without a directory there is
    /// no salt, and nothing but parts of identities, which nobody guesses.
    pub(super) fn digest(&self, bytes: &Bytes) -> String {
        let mut all = digest::Context::new(&digest::SHA256);
        if !self.is_empty() {
            all.update(self.salt.reveal());
        }
        all.update(bytes.reveal());
        hex(all.finish().as_ref())
    }

    /// Returns what is to be written to it, by name.
    pub(super) fn into_files(self) -> Vec<(String, Bytes)> {
        let mut files = self.files;
        if !files.is_empty() {
            files.push((SALT.to_owned(), self.salt));
        }
        files
    }
}

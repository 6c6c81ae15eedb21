//! A double of Gaia's httpd2: it serves the pair in its directory, and the login of the management API behind it.
//!
//! As the real one it is stopped and started by two calls of `tellpm`, which return at once; refuses connections until it
//! is back; and does not come back with an empty key, with one that others may read, or with one of another leaf.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustls::{
    ServerConfig, SignatureAlgorithm,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::port::Port;
use crate::error::Result;

mod login;
mod serve;

pub(super) use login::login;

/// How one behaves that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ways {
    /// How long it refuses connections between its end and its return.
    pub delay: Duration,
    /// Whether it takes RSA keys alone, as an old release.
    pub rsa_only: bool,
    /// Whether it goes on with what it had loaded, whatever is on disk.
    pub deaf: bool,
}

/// What came of requests, and how often.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Requests of any sort, those that were broken off too.
    requests: AtomicUsize,
    /// Requests to log in.
    logins: AtomicUsize,
}

/// The double; it serves on loopback until it is dropped.
#[derive(Debug)]
pub struct Portal {
    dir: PathBuf,
    port: Port,
    inner: Mutex<Inner>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Inner {
    ways: Ways,
    /// Ends when it is dropped.
    serving: Option<serve::Serving>,
    loaded: Option<Arc<ServerConfig>>,
    /// Why it did not come back, as its log has it.
    log: Vec<String>,
}

impl Portal {
    /// Starts one that serves `server.crt` with `server.key` of a directory.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where there is no port for it.
    pub fn start(dir: &Path) -> Result<Self> {
        let portal = Self {
            dir: dir.to_owned(),
            port: Port::hold()?,
            inner: Mutex::default(),
            counts: Arc::default(),
        };
        portal.come_back()?;
        Ok(portal)
    }

    /// Returns its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// Changes how it behaves from now on.
    pub fn behave(&self, ways: Ways) {
        self.inner().ways = ways;
    }

    /// Does what `tellpm` with these arguments has it do; false where there is no such call.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where its port cannot be had again.
    pub fn told(&self, arguments: &[&str]) -> Result<bool> {
        match arguments {
            ["process:httpd2"] => {
                self.inner().serving = None;
                Ok(true)
            }
            ["process:httpd2", "t"] => self.come_back().map(|()| true),
            _ => Ok(false),
        }
    }

    /// Returns the number of requests to log in that it has seen.
    #[must_use]
    pub fn logins(&self) -> usize {
        self.counts.logins.load(Ordering::SeqCst)
    }

    /// Returns the number of connections that carried anything behind their handshake.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Returns its log: why it did not come back, each time.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.inner().log.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn come_back(&self) -> Result<()> {
        let mut inner = self.inner();
        let deaf = inner.ways.deaf;
        let config = match inner.loaded.clone().filter(|_| deaf) {
            Some(config) => Ok(config),
            None => self.load(inner.ways.rsa_only),
        };
        match config {
            Ok(config) => {
                inner.loaded = Some(Arc::clone(&config));
                let (port, delay) = (self.port(), inner.ways.delay);
                let counts = Arc::clone(&self.counts);
                inner.serving = Some(serve::Serving::start(port, delay, config, counts)?);
            }
            Err(reason) => inner.log.push(reason),
        }
        Ok(())
    }

    /// Loads the pair as httpd2 does at its start.
    fn load(&self, rsa_only: bool) -> std::result::Result<Arc<ServerConfig>, String> {
        let (cert, key) = (self.dir.join("server.crt"), self.dir.join("server.key"));
        let read = |path: &Path| fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
        let mode = |path: &Path| fs::metadata(path).map(|m| m.permissions().mode() & 0o777);
        let open = mode(&key).map_err(|e| format!("{}: {e}", key.display()))?;
        if open & 0o077 != 0 {
            return Err(format!("server.key is {open:04o}, and others may read it"));
        }
        let said = |what: &str, e: &dyn std::fmt::Display| format!("{what}: {e}");
        let chain = CertificateDer::pem_slice_iter(&read(&cert)?)
            .collect::<std::result::Result<Vec<CertificateDer<'static>>, _>>()
            .map_err(|e| said("server.crt", &e))?;
        let key =
            PrivateKeyDer::from_pem_slice(&read(&key)?).map_err(|e| said("server.key", &e))?;
        let provider = aws_lc_rs::default_provider();
        let signer = provider.key_provider.load_private_key(key.clone_key());
        let signer = signer.map_err(|e| said("server.key", &e))?;
        if rsa_only && signer.algorithm() != SignatureAlgorithm::RSA {
            return Err("server.key is of a type that this httpd does not know".to_owned());
        }
        ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map(Arc::new)
            .map_err(|e| said("server.crt and server.key", &e))
    }
}

//! A double of the gateway of WSO2 API Manager: one API, which it has a backend answer.
//!
//! As the real one it reads its profiles at its start, and again where their file has a later time than the last it saw; it
//! never looks at the stores for that. What it cannot load then it says in its log, and goes on with what it had.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

mod profiles;
mod serve;

use profiles::Profile;

use super::mint::Pair;
use crate::error::Result;

/// How often it looks at its profiles; the real one's shortest is a minute.
const INTERVAL: Duration = Duration::from_millis(400);

/// The double; it serves on loopback until it is dropped.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) port: u16,
    inner: Arc<Mutex<Inner>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Where it calls.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    /// As profiles name it.
    pub(super) server: String,
    /// Its real port.
    pub(super) port: u16,
}

#[derive(Debug)]
struct Inner {
    home: PathBuf,
    backend: Backend,
    profile: Option<Arc<Profile>>,
    /// The last time of the file that it saw; at first, that of its start.
    seen: SystemTime,
    looked: Instant,
    /// Whether it no longer looks.
    deaf: bool,
    log: Vec<String>,
}

impl Gateway {
    /// Starts one that presents a pair to its clients.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where there is no port for it.
    pub(super) fn start(home: &Path, front: &Pair, backend: Backend) -> Result<Self> {
        let inner = Inner {
            home: home.to_owned(),
            backend,
            profile: None,
            seen: SystemTime::now(),
            looked: Instant::now(),
            deaf: false,
            log: Vec::new(),
        };
        let inner = Arc::new(Mutex::new(inner));
        let ends = Arc::<AtomicBool>::default();
        let (port, thread) = serve::start(front, Arc::clone(&inner), Arc::clone(&ends))?;
        let gateway = Self {
            port,
            inner,
            ends,
            thread: Some(thread),
        };
        gateway.restart();
        Ok(gateway)
    }

    /// Loads everything anew.
    pub(super) fn restart(&self) {
        let mut inner = self.inner();
        inner.seen = SystemTime::now();
        inner.load();
    }

    /// Has it look no more at its profiles, or look again.
    pub(super) fn behave(&self, deaf: bool) {
        self.inner().deaf = deaf;
    }

    /// Has it find the backend at another port, as behind a balancer.
    pub(super) fn call_at(&self, port: u16) {
        self.inner().backend.port = port;
    }

    /// Returns its log.
    pub(super) fn log(&self) -> Vec<String> {
        self.inner().log.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Inner {
    fn load(&mut self) {
        match profiles::load(&self.home, &self.backend.server) {
            Ok(profile) => self.profile = profile.map(Arc::new),
            Err(why) => self.log.push(format!("Ignoring reload SSL config: {why}")),
        }
    }

    /// Looks at the time of the profile file, where it is time to.
    fn look(&mut self) {
        if self.deaf || self.looked.elapsed() < INTERVAL {
            return;
        }
        self.looked = Instant::now();
        let time = profiles::file(&self.home).ok();
        let time = time.and_then(|path| std::fs::metadata(path).and_then(|m| m.modified()).ok());
        if let Some(time) = time.filter(|time| *time > self.seen) {
            // Before it is loaded: what cannot be is not tried again.
            self.seen = time;
            self.load();
        }
    }
}

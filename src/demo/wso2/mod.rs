//! A double of the gateway of WSO2 API Manager: one API, which it has a backend answer.
//!
//! As the real one it reads `deployment.toml` at its start alone; its profiles then, and again where their file has a later time
//! than the last it saw. It never looks at the stores for that. What it cannot load at its start keeps it down; what it cannot
//! load later it says in its log, and goes on with what it had.
//!
//! Not doubled: that the product makes its own `sslprofiles.xml` anew at each start, and in any other file has the profile `*`
//! name a copy of its truststore; the listener's profiles; and profiles of other backends, of which a broken one fails all.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

mod callers;
mod product;
mod profiles;
mod serve;
mod story;

pub(super) use story::Story;

use profiles::Profile;

use crate::error::Result;

/// How often it looks at its profiles; the real one's shortest is a minute.
const INTERVAL: Duration = Duration::from_millis(400);

/// The double; it serves on loopback until it is dropped.
#[derive(Debug)]
pub struct Gateway {
    /// Its port on 127.0.0.1.
    pub port: u16,
    inner: Arc<Mutex<Inner>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Where it calls.
#[derive(Debug, Clone)]
pub struct Backend {
    /// As profiles name it.
    pub server: String,
    /// Its real port.
    pub port: u16,
}

#[derive(Debug)]
struct Inner {
    home: PathBuf,
    backend: Backend,
    /// The file of its profiles, as of its last start; none while it is down.
    file: Option<PathBuf>,
    profile: Option<Arc<Profile>>,
    /// The last time of the file that it saw; at first, that of its start.
    seen: SystemTime,
    looked: Instant,
    /// Whether it no longer looks.
    deaf: bool,
    log: Vec<String>,
}

impl Gateway {
    /// Starts one below the product's home, which presents a pair (leaf and key, PEM) to its clients.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where there is no port for it, or the pair is none.
    pub fn start(home: &Path, front: (&str, &str), backend: Backend) -> Result<Self> {
        let inner = Inner {
            home: home.to_owned(),
            backend,
            file: None,
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

    /// Starts it anew: it is down where its profiles cannot be loaded.
    pub fn restart(&self) {
        let mut inner = self.inner();
        inner.seen = SystemTime::now();
        inner.begin();
    }

    /// Has it look no more at its profiles, or look again.
    pub fn behave(&self, deaf: bool) {
        self.inner().deaf = deaf;
    }

    /// Has it find the backend at another port, as behind a balancer.
    pub(super) fn call_at(&self, port: u16) {
        self.inner().backend.port = port;
    }

    /// Returns its log.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
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
    fn begin(&mut self) {
        let found = profiles::file(&self.home).and_then(|file| {
            let profile = profiles::load(&self.home, &file, &self.backend.server)?;
            Ok((file, profile))
        });
        match found {
            Ok((file, profile)) => {
                self.file = Some(file);
                self.profile = profile.map(Arc::new);
            }
            Err(why) => {
                self.file = None;
                self.log
                    .push(format!("InvalidConfigurationException: {why}"));
            }
        }
    }

    /// Looks at the time of the profile file, where it is time to.
    fn look(&mut self, file: &Path) {
        if self.deaf || self.looked.elapsed() < INTERVAL {
            return;
        }
        self.looked = Instant::now();
        let time = std::fs::metadata(file).and_then(|m| m.modified()).ok();
        if let Some(time) = time.filter(|time| *time > self.seen) {
            // Before it is loaded: what cannot be is not tried again.
            self.seen = time;
            match profiles::load(&self.home, file, &self.backend.server) {
                Ok(profile) => self.profile = profile.map(Arc::new),
                Err(why) => self.log.push(format!("Ignoring reload SSL config: {why}")),
            }
        }
    }
}

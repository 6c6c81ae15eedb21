//! Looks at an endpoint all the time, and tells which leaves it served.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, spawn},
    time::Duration,
};

use certroll::{
    host::{Dial, Host as _, system::SystemHost},
    identity::Certificate,
    peer::Fingerprint,
    starttls::Protocol,
};

use crate::common::moment;

/// A thread that makes one handshake after the other.
#[derive(Debug)]
pub(crate) struct Watcher {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Watcher {
    /// Begins to look; a handshake without a leaf, one whose leaf the peer cannot prove to hold the key of, and a leaf out
    /// of its time fail the test at its end.
    pub(crate) fn of(port: u16) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = spawn(move || {
            let host = SystemHost::open(None, None).unwrap();
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let mut served: Vec<String> = Vec::new();
            while !told.load(Ordering::Relaxed) {
                let dial = Dial::new(
                    address,
                    Protocol::Direct,
                    "localhost",
                    Duration::from_secs(10),
                );
                let seen = host.handshake(&dial).unwrap();
                assert!(!seen.version.is_empty(), "a leaf without its key: {seen:?}");
                let leaf = Certificate::from_der(&seen.certificates[0]).unwrap();
                assert!(leaf.is_valid_at(host.now()), "{}", leaf.title());
                let fingerprint = Fingerprint::of(&leaf.der).to_string();
                // While nginx reloads, workers of both kinds answer.
                if !served.contains(&fingerprint) {
                    served.push(fingerprint);
                }
                moment(10);
            }
            served
        });
        Self { over, thread }
    }

    /// Ends, and returns the fingerprints of the leaves in the order in which they were first served.
    #[track_caller]
    pub(crate) fn end(self) -> Vec<String> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

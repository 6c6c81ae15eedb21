//! Those who call the API all the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    error::{On as _, Result},
    host::{self, Dial, Host as _, Load, Reply, system::SystemHost},
    starttls::Protocol,
};

/// The longest that a call may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Pause between two calls.
const PAUSE: Duration = Duration::from_millis(10);

/// Somebody who calls the API, call after call, until asked how that went.
pub(super) struct Callers {
    ends: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Callers {
    /// Begins to call the gateway at this port.
    pub(super) fn start(port: u16) -> Result<Self> {
        let host = SystemHost::open(None, None)?;
        let ends = Arc::<AtomicBool>::default();
        let made = Arc::<AtomicUsize>::default();
        let (ended, count) = (Arc::clone(&ends), Arc::clone(&made));
        let run = move || {
            let mut failed = Vec::new();
            while !ended.load(Ordering::SeqCst) {
                if let Err(why) = call(&host, port) {
                    failed.push(why);
                }
                count.fetch_add(1, Ordering::SeqCst);
                thread::sleep(PAUSE);
            }
            failed
        };
        let named = thread::Builder::new().name("callers".to_owned());
        Ok(Self {
            ends,
            made,
            thread: Some(named.spawn(run).on("start", "the callers")?),
        })
    }

    /// Makes one call, and says why it failed.
    pub(super) fn once(port: u16) -> Result<Result<(), String>> {
        Ok(call(&SystemHost::open(None, None)?, port))
    }

    /// Ends them, and returns how many calls were made and what became of those that failed.
    pub(super) fn end(mut self) -> (usize, Vec<String>) {
        let failed = self.join();
        (self.made.load(Ordering::SeqCst), failed)
    }

    fn join(&mut self) -> Vec<String> {
        self.ends.store(true, Ordering::SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(failed)) => failed,
            Some(Err(_)) => vec!["the callers ended before their time".to_owned()],
            None => Vec::new(),
        }
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        drop(self.join());
    }
}

fn call(host: &SystemHost, port: u16) -> Result<(), String> {
    let address = ([127, 0, 0, 1], port).into();
    let call = host::Call {
        dial: Dial::new(address, Protocol::Direct, "gw.example.com", LIMIT),
        tls: true,
        method: "GET".to_owned(),
        path: "/proof/1.0".to_owned(),
        login: None,
        load: Load::Nothing,
    };
    match host.fetch(&call) {
        Ok(Reply::Answer { status: 200, .. }) => Ok(()),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

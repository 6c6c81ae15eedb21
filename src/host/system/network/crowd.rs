//! Many waits at a time.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// The most connections at a time: enough to wait for slow peers side by side, far below the usual limit of descriptors
/// (1024, getrlimit(2)).
const CROWD: usize = 64;

/// Does the same for every item, [`CROWD`] of them at a time; the answers are in the order of the items.
pub(in crate::host::system) fn each<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    if let [one] = items {
        return vec![work(one)];
    }
    let next = AtomicUsize::new(0);
    let toil = || {
        let mut done = Vec::new();
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            done.push((at, work(item)));
        }
        done
    };
    let mut all: Vec<(usize, R)> = thread::scope(|scope| {
        let toilers: Vec<_> = (0..CROWD.min(items.len()))
            .map(|_| scope.spawn(toil))
            .collect();
        toilers
            .into_iter()
            .flat_map(|toiler| match toiler.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    });
    all.sort_unstable_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, answer)| answer).collect()
}

//! Far resources on the way back: the requests that lead to what was before, with the pairs that were kept.

use crate::{
    error::Result,
    far::{Back, Far, Request},
    host::Host,
    journal::{Intent, Store},
    plan::Promise,
    preflight::{Finding, Severity},
    state::Bytes,
};

/// What goes back on other machines, and what it carries.
#[derive(Debug, Default)]
pub(super) struct Backwards {
    pub(super) far: Vec<Far>,
    pub(super) keep: Vec<(String, Bytes)>,
    pub(super) findings: Vec<Finding>,
}

/// Plans the requests back over some generations, the last first: each resource once, to what it was before the oldest.
///
/// # Errors
/// As [`Host::load`].
pub(super) fn backwards(host: &dyn Host, back: &[&Intent]) -> Result<Backwards> {
    let mut planned = Backwards::default();
    let same = |a: &Far, b: &Far| a.peer == b.peer && a.what == b.what;
    let newest_first = back.iter().rev().flat_map(|i| i.far.iter().rev());
    let mut seen: Vec<&Far> = Vec::new();
    for newest in newest_first {
        if seen.iter().any(|known| same(known, newest)) {
            continue;
        }
        seen.push(newest);
        let oldest = back
            .iter()
            .flat_map(|i| &i.far)
            .find(|far| same(far, newest));
        let Some(reversed) = oldest.and_then(Far::reversed) else {
            planned.findings.push(never(newest));
            continue;
        };
        let forward = newest.reversed().map(|far| far.back);
        let mut accept = reversed.accept.clone();
        accept.extend(
            newest
                .accept
                .iter()
                .filter(|f| !reversed.accept.contains(f)),
        );
        planned.far.push(Far {
            accept,
            back: forward.unwrap_or_else(|| reversed.back.clone()),
            ..reversed
        });
    }
    let with_pair = |intent: &&&Intent| intent.far.iter().any(Far::has_pair);
    let (oldest, newest) = (
        back.iter().find(with_pair),
        back.iter().rev().find(with_pair),
    );
    for far in &planned.far {
        let ways = std::iter::once(&far.ask).chain(match &far.back {
            Back::By(back) => Some(back),
            Back::Never(_) => None,
        });
        for name in ways.flat_map(Request::kept) {
            if planned.keep.iter().any(|(known, _)| known == name) {
                continue;
            }
            // What is sent now is what the oldest kept of before, and what would take that back what the newest sent.
            let (intent, from) = match name.strip_prefix("new-") {
                Some(form) => (oldest, format!("old-{form}")),
                None => (newest, name.replacen("old-", "new-", 1)),
            };
            let Some(intent) = intent else { continue };
            let at = Store::file(intent.generation, &format!("far/{from}"));
            match host.load(&at)?.bytes() {
                Some(bytes) => planned.keep.push((name.to_owned(), bytes.clone())),
                None => planned.findings.push(gone(intent.generation)),
            }
        }
    }
    planned.findings.dedup();
    Ok(planned)
}

/// Returns after how many of the requests back a promise of the oldest generation holds.
pub(super) fn after(promise: &Promise, oldest: &Intent, far: &[Far]) -> usize {
    let request = promise.after.checked_sub(1).and_then(|n| oldest.far.get(n));
    let Some(request) = request else { return 0 };
    far.iter()
        .position(|one| one.peer == request.peer && one.what == request.what)
        .map_or(0, |at| at + 1)
}

fn never(far: &Far) -> Finding {
    let why = match &far.back {
        Back::Never(why) => why.as_str(),
        Back::By(_) => "an earlier generation has no way back",
    };
    let message = format!("the {} of {} cannot come back: {why}", far.what, far.peer);
    Finding::host(Severity::Fatal, "no-way-back", message).hinted(
        "`certroll revert` leads to the platform's own default; `--allow no-way-back` takes the rest back and leaves this",
    )
}

fn gone(generation: u64) -> Finding {
    let message = format!(
        "the pair that generation {generation} worked with is no longer kept: keys of the identity in force and of the one before are"
    );
    Finding::host(Severity::Fatal, "pair-gone", message)
        .hinted("give that identity again: `certroll apply --cert FILE --key FILE`")
}

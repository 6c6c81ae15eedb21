//! Far resources on the way back: the requests that lead to what was before, with the pairs that were kept.

use std::collections::BTreeSet;

use crate::{
    error::{Error, Result},
    far::{self, Back, Far, Over, Request, Standing},
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
    /// Peers of resources that nothing takes back.
    pub(super) left: BTreeSet<String>,
}

/// Plans the requests back over some generations, the last first: each resource once, to what it was before the oldest.
///
/// # Errors
/// As [`Host::load`].
pub(super) fn backwards(host: &dyn Host, back: &[&Intent]) -> Result<Backwards> {
    let mut planned = Backwards::default();
    let all: Vec<(u64, &Far)> = back
        .iter()
        .flat_map(|intent| intent.far.iter().map(|far| (intent.generation, far)))
        .collect();
    let mut seen: Vec<&Far> = Vec::new();
    for (last, newest) in all.iter().rev().copied() {
        if seen.iter().any(|known| known.is_same(newest)) {
            continue;
        }
        seen.push(newest);
        let oldest = all.iter().find(|(_, far)| far.is_same(newest));
        match oldest.map(|(first, oldest)| one(host, (*first, oldest), (last, newest), &planned)) {
            Some(Ok((far, keep))) => {
                planned.far.push(far);
                planned.keep.extend(keep);
            }
            Some(Err(Refusal::Finding(finding))) => {
                planned.findings.push(finding);
                planned.left.insert(newest.peer.clone());
            }
            Some(Err(Refusal::Error(error))) => return Err(error),
            None => {}
        }
    }
    planned.findings.dedup();
    Ok(planned)
}

enum Refusal {
    Finding(Finding),
    Error(Error),
}

/// Plans one resource back: the oldest generation's way back, and the newest's request as the way forth again, each with
/// the pair that *it* worked with.
fn one(
    host: &dyn Host,
    (first, oldest): (u64, &Far),
    (last, newest): (u64, &Far),
    planned: &Backwards,
) -> Result<(Far, Vec<(String, Bytes)>), Refusal> {
    let Back::By(back) = &oldest.back else {
        return Err(Refusal::Finding(never(newest)));
    };
    if matches!(back.over, Over::Ssh { .. }) {
        copied(host, (first, last), newest)?;
    }
    let own = planned.far.len();
    let (ask, mut keep) = carried(host, first, back, "new", own)?;
    let (forth, more) = carried(host, last, &newest.ask, "old", own)?;
    keep.extend(more);
    let mut accept = oldest.accept.clone();
    accept.extend(newest.accept.iter().filter(|f| !oldest.accept.contains(f)));
    let back = if forth.only_reads() {
        Back::Never("its peer made it by itself: `certroll apply` has it make another".to_owned())
    } else {
        Back::By(forth)
    };
    let far = Far {
        accept,
        ask,
        back,
        sent: Standing::default(),
        ..oldest.clone()
    };
    Ok((far, keep))
}

/// Refuses a way back by the copy on the machine itself where that is not what was before, or not what it would replace.
fn copied(host: &dyn Host, (first, last): (u64, u64), far: &Far) -> Result<(), Refusal> {
    let committed = super::committed(host).map_err(Refusal::Error)?;
    let mut sent = committed.iter().rev();
    let newest = sent.find(|intent| intent.far.iter().any(|one| one.is_same(far)));
    if first != last || newest.is_some_and(|intent| intent.generation != last) {
        return Err(Refusal::Finding(gone(first)));
    }
    let Some(leaf) = far::presents(host, &far.peer) else {
        return Ok(());
    };
    if far.accept.contains(&leaf) {
        return Ok(());
    }
    let message = format!(
        "{} presents leaf {}, which no rollout put there: its pair would be lost",
        far.peer,
        leaf.colons()
    );
    let finding = Finding::host(Severity::Fatal, "edited-since", message).hinted(
        "keep that pair, and give the one from before: `certroll apply --cert FILE --key FILE`",
    );
    Err(Refusal::Finding(finding))
}

/// Returns a request of a generation with the pair it carries under names of this one's own, as in `new-1-key.pem`.
fn carried(
    host: &dyn Host,
    generation: u64,
    request: &Request,
    side: &str,
    own: usize,
) -> Result<(Request, Vec<(String, Bytes)>), Refusal> {
    let mut request = request.clone();
    let mut keep = Vec::new();
    for name in request.kept_mut() {
        let at = Store::file(generation, &format!("far/{name}"));
        let state = host.load(&at).map_err(Refusal::Error)?;
        let Some(bytes) = state.bytes() else {
            return Err(Refusal::Finding(gone(generation)));
        };
        let form = name.rsplit('-').next().unwrap_or_default();
        *name = format!("{side}-{own}-{form}");
        keep.push((name.clone(), bytes.clone()));
    }
    Ok((request, keep))
}

/// Returns after how many of the requests back a promise of a generation holds; none where its request is not among them.
pub(super) fn after(promise: &Promise, of: &Intent, far: &[Far]) -> Option<usize> {
    let Some(n) = promise.after.checked_sub(1) else {
        return Some(0);
    };
    // What a peer changed by itself shows as before once nothing is left that had it do so.
    if promise.after == of.far.len() && of.far.iter().any(|f| f.ask.only_reads()) {
        return Some(far.len());
    }
    let request = of.far.get(n)?;
    let at = far.iter().position(|one| one.is_same(request))?;
    Some(at + 1)
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
        .hinted("give that identity again: `certroll apply --cert FILE --key FILE`; `--allow pair-gone` takes the rest back and leaves this")
}

//! The lives of leaves beside one another, with the present. Pure.

use serde::Serialize;

use crate::{identity::date, record::Life};

/// Bars on one axis, as shares of its width in hundredths of a per cent.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    bars: Vec<Bar>,
    now: String,
    from: String,
    to: String,
}

#[derive(Debug, Serialize)]
struct Bar {
    role: &'static str,
    label: String,
    left: String,
    width: String,
    /// Whether it has ended.
    over: bool,
    ends: String,
}

/// Puts lives on an axis that has all of them and the present; none where there is no life.
pub(super) fn timeline(lives: &[(&'static str, &Life)], now: i64) -> Option<Timeline> {
    let start = |life: &Life| life.not_before.unwrap_or(now).min(life.not_after);
    let first = lives.iter().map(|(_, life)| start(life)).min()?.min(now);
    let last = lives.iter().map(|(_, life)| life.not_after).max()?.max(now);
    let whole = i128::from(last.saturating_sub(first).max(1));
    let share = |seconds: i64| {
        let share = i128::from(seconds) * 10_000 / whole;
        format!("{}.{:02}", share / 100, share % 100)
    };
    let bars = lives.iter().map(|(role, life)| Bar {
        role,
        label: life.subject.clone(),
        left: share(start(life) - first),
        width: share(life.not_after - start(life)),
        over: life.not_after < now,
        ends: date(life.not_after),
    });
    Some(Timeline {
        bars: bars.collect(),
        now: share(now - first),
        from: date(first),
        to: date(last),
    })
}

//! When the next pair is due. Pure.

/// Seconds in a day.
const DAY: i64 = 24 * 3600;

/// From when to when a leaf is valid, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Its start.
    pub from: i64,
    /// Its end.
    pub to: i64,
}

/// When a renewal is due, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// In seconds since the epoch.
    pub at: i64,
    /// Whether the server asked for it (RFC 9773).
    pub by_server: bool,
}

/// Returns when a renewal is due.
///
/// Inside the window that the server suggests, at a place that `jitter` chooses (RFC 9773 section 4.2); else when `share` of
/// the lifetime is left, and up to a tenth of that share earlier, so that not all leaves of a day are renewed in one
/// minute. No server puts it off for longer than until half of that share is left: one whose window lies behind the leaf's
/// end would end renewals otherwise. None is due before a tenth of the lifetime, or a day, is over: a window that lies in the
/// past means at once (RFC 9773 section 4.2), and a server that says so of each new leaf would have one after the other
/// issued and rolled out for ever. Who needs one sooner asks for it by force. `jitter` is any number that stays the same for
/// one leaf, so that the answer does.
#[must_use]
pub fn due(validity: Validity, window: Option<(i64, i64)>, share: f64, jitter: u32) -> Due {
    let soonest = validity.from + portion(validity.to - validity.from, 0.1).min(DAY);
    let due = wished(validity, window, share, jitter);
    Due {
        at: due.at.max(soonest),
        ..due
    }
}

fn wished(validity: Validity, window: Option<(i64, i64)>, share: f64, jitter: u32) -> Due {
    let fraction = f64::from(jitter) / (f64::from(u32::MAX) + 1.0);
    let by_share = |share: f64| {
        let left = portion(validity.to - validity.from, share);
        Due {
            at: validity.to - left - portion(left, fraction / 10.0),
            by_server: false,
        }
    };
    let Some((start, end)) = window.filter(|(start, end)| start < end) else {
        return by_share(share);
    };
    let latest = by_share(share / 2.0);
    let at = start.saturating_add(portion(end.saturating_sub(start), fraction));
    if at > latest.at {
        return latest;
    }
    Due {
        at,
        by_server: true,
    }
}

/// Returns a share of a time.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the lifetime of a leaf is far below 2^52 seconds"
)]
fn portion(time: i64, share: f64) -> i64 {
    (time as f64 * share) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    /// Lifetime, window, share, jitter; when, by whom.
    type Row = (i64, Option<(i64, i64)>, f64, u32, i64, bool);

    #[track_caller]
    fn is_due((lifetime, window, share, jitter, at, by_server): Row) {
        let from = 1_000_000;
        let validity = Validity {
            from,
            to: from + lifetime,
        };
        let window = window.map(|(start, end)| (from + start, from + end));
        let found = due(validity, window, share, jitter);
        let off = (found.at - from - at).abs();
        assert!(
            off <= 1,
            "{lifetime} {window:?} {jitter}: {found:?}, off by {off}"
        );
        assert_eq!(found.by_server, by_server, "{lifetime} {window:?}");
    }

    #[test]
    fn a_renewal_is_due_by_the_servers_window_and_else_by_the_share_that_is_left() {
        let (none, half, all) = (0, 1 << 31, u32::MAX);
        let table = [
            (90 * DAY, None, 1.0 / 3.0, none, 60 * DAY, false),
            (90 * DAY, None, 1.0 / 3.0, half, 58 * DAY + 12 * HOUR, false),
            (90 * DAY, None, 1.0 / 3.0, all, 57 * DAY, false),
            (90 * DAY, None, 0.5, none, 45 * DAY, false),
            (47 * DAY, None, 1.0 / 3.0, none, 31 * DAY + 8 * HOUR, false),
            // Six days (160 hours): two and more are left.
            (
                160 * HOUR,
                None,
                1.0 / 3.0,
                none,
                106 * HOUR + 40 * 60,
                false,
            ),
            (
                160 * HOUR,
                None,
                1.0 / 3.0,
                all,
                101 * HOUR + 20 * 60,
                false,
            ),
            (
                90 * DAY,
                Some((2 * DAY, 4 * DAY)),
                1.0 / 3.0,
                none,
                2 * DAY,
                true,
            ),
            (
                90 * DAY,
                Some((2 * DAY, 4 * DAY)),
                1.0 / 3.0,
                half,
                3 * DAY,
                true,
            ),
            (
                90 * DAY,
                Some((70 * DAY, 72 * DAY)),
                1.0 / 3.0,
                half,
                71 * DAY,
                true,
            ),
            // One that is late is heeded as far as leaves room for attempts that come to nothing, whatever the server says.
            (
                90 * DAY,
                Some((74 * DAY, 75 * DAY)),
                1.0 / 3.0,
                none,
                74 * DAY,
                true,
            ),
            (
                90 * DAY,
                Some((91 * DAY, 99 * DAY)),
                1.0 / 3.0,
                none,
                75 * DAY,
                false,
            ),
            (
                90 * DAY,
                Some((9_999 * DAY, 10_000 * DAY)),
                1.0 / 3.0,
                all,
                75 * DAY - 36 * HOUR,
                false,
            ),
            (
                160 * HOUR,
                Some((150 * HOUR, 170 * HOUR)),
                0.3,
                half,
                160 * HOUR - 24 * HOUR - 72 * 60,
                false,
            ),
            // A window that ends before it begins is none (RFC 9773 section 4.2).
            (90 * DAY, Some((20, 10)), 1.0 / 3.0, none, 60 * DAY, false),
        ];
        for row in table {
            is_due(row);
        }
    }

    #[test]
    fn no_server_has_one_leaf_after_the_other_issued_by_windows_in_the_past() {
        let (none, half, all) = (0, 1 << 31, u32::MAX);
        let table = [
            // At once, but not again and again: after a day, or a tenth of a short lifetime.
            (90 * DAY, Some((10, 20)), 1.0 / 3.0, none, DAY, true),
            (
                90 * DAY,
                Some((-2000 * DAY, -1999 * DAY)),
                1.0 / 3.0,
                half,
                DAY,
                true,
            ),
            (
                160 * HOUR,
                Some((-DAY, -HOUR)),
                1.0 / 3.0,
                none,
                16 * HOUR,
                true,
            ),
            (20 * HOUR, None, 0.9, all, 2 * HOUR, false),
        ];
        for row in table {
            is_due(row);
        }
    }
}

//! Plans and receipts as a person reads them. Pure: colours are put in here and taken out where they are not wanted.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::{
    error::count,
    identity::date,
    plan::{ChangeView, FindingView, IdentityLine, View},
    receipt::{Outcome, Receipt},
};

pub(crate) const RED: Style = AnsiColor::Red.on_default();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();
pub(crate) const BOLD: Style = Style::new().bold();

/// Wraps a text in a style.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Formats a time that something took, in seconds.
pub(crate) fn took(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Renders a plan.
pub(crate) fn plan(view: &View, verbose: bool) -> String {
    let mut out = String::new();
    let identity = &view.identity;
    if !identity.fingerprint.is_empty() {
        let short = identity.fingerprint.get(..16).unwrap_or_default();
        let _ = writeln!(out, "{} {}", paint(BOLD, "identity"), identity.subject);
        let _ = writeln!(
            out,
            "         {}, leaf {short}, until {}{}",
            identity.names.join(", "),
            date(identity.not_after),
            taken_from(identity)
        );
    }
    if let Some(phase) = &view.phase {
        let rest = match phase.rest() {
            [] => String::new(),
            rest => format!("; then {}, each planned when it is due", rest.join(", ")),
        };
        let _ = writeln!(out, "{} {}{rest}", paint(BOLD, "phase"), phase.title());
    }
    findings(&mut out, view.findings.iter());
    for change in &view.changes {
        render_change(&mut out, change);
    }
    section(&mut out, "services told, in this order", &view.commands);
    if verbose {
        section(
            &mut out,
            "units asked for their state afterwards",
            &view.units,
        );
    }
    for request in &view.requests {
        let _ = writeln!(
            out,
            "{} ({}){}",
            paint(YELLOW, &format!("> {}", request.request)),
            request.what,
            request.carries
        );
        for line in &request.now {
            let _ = writeln!(out, "    now: {line}");
        }
        let _ = writeln!(out, "    undo: {}", request.undo);
    }
    section(&mut out, "proved by", &view.probes);
    section(
        &mut out,
        "pins that move with it; both leaves are accepted until then",
        &view.pins,
    );
    section(&mut out, "owed", &view.owed);
    section(&mut out, "found to use the identity", &view.consumers);
    section(&mut out, "on the old files still", &view.holders);
    section(&mut out, "steps for people", &view.steps);
    let _ = writeln!(out, "\n{}", summary(view));
    out
}

/// Renders what keeps a plan from being made, and its last line.
pub(crate) fn blunt(view: &View) -> String {
    let mut out = String::new();
    findings(
        &mut out,
        view.findings.iter().filter(|f| f.severity == "fatal"),
    );
    out + &summary(view) + "\n"
}

/// Says where an identity was taken from, where that is known.
pub(crate) fn taken_from(identity: &IdentityLine) -> String {
    if identity.source.is_empty() {
        return String::new();
    }
    format!(", from {}", identity.source)
}

/// Notes too: what a rollout leaves alone, or takes for granted, is part of what is agreed to.
fn findings<'v>(out: &mut String, found: impl Iterator<Item = &'v FindingView>) {
    for finding in found {
        let style = match finding.severity.as_str() {
            "fatal" => RED,
            "warning" => YELLOW,
            _ => CYAN,
        };
        let allowed = if finding.allowed { ", allowed" } else { "" };
        let _ = writeln!(
            out,
            "{} {} [{}{allowed}]",
            paint(style, &format!("{}:", finding.severity)),
            finding.message,
            finding.name
        );
        if let Some(hint) = &finding.hint {
            let _ = writeln!(out, "  hint: {hint}");
        }
    }
}

fn render_change(out: &mut String, change: &ChangeView) {
    let (sign, style) = match &*change.action {
        "create" => ("+", GREEN),
        "remove" => ("-", RED),
        _ => ("~", YELLOW),
    };
    let states = match &*change.action {
        "create" => change.after.clone(),
        "remove" => change.before.clone(),
        _ if change.before == change.after => change.after.clone(),
        _ => format!("{} => {}", change.before, change.after),
    };
    let in_place = if change.in_place {
        ", in place: it is a mount point"
    } else {
        ""
    };
    let _ = writeln!(
        out,
        "{} ({}{in_place}) {states}",
        paint(style, &format!("{sign} {}", change.path)),
        change.kind
    );
    for line in &change.diff {
        let style = match line.as_bytes().first() {
            Some(b'+') => GREEN,
            Some(b'-') => RED,
            Some(b'@') => CYAN,
            _ => Style::new(),
        };
        let _ = writeln!(out, "    {}", paint(style, line));
    }
}

fn section(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "{}", paint(BOLD, &format!("{title}:")));
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

/// Sums a plan up in a line.
pub(crate) fn summary(view: &View) -> String {
    let changes = |action: &str| view.changes.iter().filter(|c| c.action == action).count();
    let nothing = [
        view.changes.is_empty(),
        view.owed.is_empty(),
        view.requests.is_empty(),
        view.pins.is_empty(),
        view.phase.as_ref().is_none_or(|phase| !phase.owed),
    ];
    if nothing == [true; 5] && view.findings.iter().any(|f| f.severity == "fatal") {
        return "not planned: a finding is in the way".to_owned();
    }
    if nothing == [true; 5] {
        let wanted = if view.reverts {
            "the platform is at its own default"
        } else {
            "the host is as the rollout wants it"
        };
        return format!("nothing to do: {wanted}");
    }
    let place = if view.live {
        ""
    } else {
        "; an alternate root: no service is told, nothing is probed"
    };
    let requests = match view.requests.len() {
        0 => String::new(),
        some => format!(", {}", count(some, "request")),
    };
    format!(
        "plan: {} to create, {} to change, {} to remove; {}{requests}, {}{place}",
        changes("create"),
        changes("change"),
        changes("remove"),
        count(view.commands.len(), "command"),
        count(view.probes.len(), "probe")
    )
}

/// Renders what a run did; the last line is its outcome.
pub(crate) fn receipt(receipt: &Receipt, verbose: bool) -> String {
    let mut out = String::new();
    if verbose {
        for verdict in &receipt.verdicts {
            let sign = match (verdict.judged, verdict.good) {
                (false, _) => paint(YELLOW, "not judged"),
                (true, true) => paint(GREEN, "good"),
                (true, false) => paint(RED, "bad"),
            };
            let _ = writeln!(out, "{sign} {}: {}", verdict.probe, verdict.found);
        }
    }
    for (n, cause) in receipt.causes.iter().enumerate() {
        let label = if n == 0 {
            paint(RED, "error:")
        } else {
            "caused by:".to_owned()
        };
        let _ = writeln!(out, "{label} {cause}");
    }
    section(&mut out, "still owed", &receipt.obligations);
    let steps: Vec<String> = receipt.steps.iter().map(|s| s.text.clone()).collect();
    if receipt.outcome != Outcome::RolledBack {
        section(&mut out, "steps for people", &steps);
    }
    if receipt.outcome == Outcome::Stuck {
        let _ = writeln!(
            out,
            "hint: mend what is named above, then `certroll recover`; `certroll recover --abandon` leaves everything as it is"
        );
    }
    let _ = writeln!(out, "{}", last_line(receipt));
    out
}

fn last_line(receipt: &Receipt) -> String {
    let phase = match &receipt.phase {
        Some(phase) => format!("phase {phase}, "),
        None => String::new(),
    };
    let proved = receipt
        .verdicts
        .iter()
        .filter(|v| v.judged && v.good)
        .count();
    // Hooks have no profile, and nothing that could be proved by handshake.
    let proved = if receipt.profiles.is_empty() {
        String::new()
    } else {
        format!(", {} good", count(proved, "probe"))
    };
    let (style, detail) = match receipt.outcome {
        Outcome::Converged => (GREEN, format!("nothing to do{proved}")),
        Outcome::Committed => (
            GREEN,
            format!("{phase}generation {}{proved}", receipt.generation),
        ),
        Outcome::Placed => (
            GREEN,
            format!(
                "{phase}generation {}, switched and durable; not proved live here and now",
                receipt.generation
            ),
        ),
        Outcome::RolledBack => (
            YELLOW,
            format!(
                "{phase}generation {}, everything as it was before",
                receipt.generation
            ),
        ),
        Outcome::Stuck => (
            RED,
            format!(
                "{phase}generation {} is open, a person is needed",
                receipt.generation
            ),
        ),
    };
    format!("{}: {detail}", paint(style, receipt.outcome.words()))
}

//! `certroll inspect`: what an identity is, and every finding.

use std::fmt::Write as _;

use super::{keystore, print::Printer};
use crate::{
    error::{ExitCode, Result},
    host::Host,
    identity::{CertificateReport, Checks, Identity, InspectReport, date, report},
    preflight::{self, Finding, Severity},
    source::Files,
};

/// Shows what files hold: an identity, or a keystore of other things than one.
///
/// # Errors
/// As [`run`].
pub(super) fn command(
    host: &dyn Host,
    files: &[String],
    password_file: Option<&str>,
    allow: &[String],
    printer: &Printer,
) -> Result<ExitCode> {
    let files = Files {
        others: files.to_vec(),
        password_file: password_file.map(str::to_owned),
        ..Files::default()
    };
    if let Some(code) = keystore::inspect(host, &files, allow, printer)? {
        return Ok(code);
    }
    let report = run(host, &files, allow)?;
    printer.result(&report, || text(&report));
    Ok(if report.is_fatal() {
        ExitCode::Usage
    } else {
        ExitCode::Success
    })
}

/// Reads an identity and checks it against this host's clock and trust anchors; `allow` names fatal findings that are
/// only warnings this time.
///
/// # Errors
/// As [`Files::read`]; nothing of the host is touched. Fatal findings are no error here: see [`InspectReport::is_fatal`].
pub fn run(host: &dyn Host, files: &Files, allow: &[String]) -> Result<InspectReport> {
    let (identity, findings) = files.read(host)?;
    let anchors = host.trust_anchors();
    Ok(judge(&identity, findings, &anchors, host.now(), allow))
}

/// Adds the findings of the time and the trust anchors to those of reading.
fn judge(
    identity: &Identity,
    mut findings: Vec<Finding>,
    anchors: &[Vec<u8>],
    now: i64,
    allow: &[String],
) -> InspectReport {
    let checks = Checks {
        now,
        warn_days: Checks::WARN_DAYS,
        anchors,
        names: &[],
    };
    findings.extend(identity.findings(&checks));
    let findings = preflight::heard(preflight::allow(findings, allow), allow);
    report(identity, findings, identity.trust(anchors, now), now)
}

/// Renders a report for people.
#[must_use]
pub fn text(report: &InspectReport) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "identity {} ({})",
        shown(&report.name),
        report.trust.name()
    );
    certificate(&mut out, "leaf", &report.leaf);
    match &report.key {
        Some(key) => {
            let whose = if key.matches {
                "belongs to the leaf"
            } else {
                "does NOT belong to the leaf"
            };
            let _ = writeln!(out, "key: {}, {whose}", key.key);
        }
        None => out.push_str("key: none\n"),
    }
    chain(&mut out, report);
    if let Some(root) = &report.anchor {
        let _ = writeln!(
            out,
            "root, never sent: {} until {}",
            root.subject,
            date(root.not_after)
        );
    }
    remarks(&mut out, report);
    findings(&mut out, &report.findings);
    out
}

/// A CN is whatever its issuer wrote.
fn shown(name: &str) -> String {
    if name.is_empty() {
        return "without a name".to_owned();
    }
    let clean: String = name
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    format!("`{clean}`")
}

fn certificate(out: &mut String, part: &str, it: &CertificateReport) {
    let _ = writeln!(out, "{part}: {}", it.subject);
    let _ = writeln!(
        out,
        "  issuer:  {}{}",
        it.issuer,
        if it.self_signed { " (self-signed)" } else { "" }
    );
    let mut names: Vec<&str> = it.dns.iter().chain(&it.ips).map(String::as_str).collect();
    names.extend(it.other_names.iter().map(String::as_str));
    let names = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    let _ = writeln!(out, "  names:   {names}");
    let _ = writeln!(
        out,
        "  valid:   {} to {} ({})",
        date(it.not_before),
        date(it.not_after),
        left(it.days_left)
    );
    let _ = writeln!(out, "  key:     {}, signed with {}", it.key, it.signature);
    let _ = writeln!(out, "  serial:  {}", it.serial);
    let _ = writeln!(out, "  sha-256: {}", it.sha256);
    let _ = writeln!(out, "  sha-1:   {}", it.sha1);
    for (what, usage) in [
        ("usage:  ", it.key_usage.as_ref().map(|u| u.join(", "))),
        (
            "for:    ",
            it.extended_key_usage.as_ref().map(|u| u.join(", ")),
        ),
    ] {
        if let Some(usage) = usage {
            let _ = writeln!(out, "  {what} {usage}");
        }
    }
}

fn left(days: i64) -> String {
    match days {
        1 => "1 day left".to_owned(),
        0.. => format!("{days} days left"),
        _ => format!("expired {} days ago", -days),
    }
}

fn chain(out: &mut String, report: &InspectReport) {
    if report.chain.is_empty() {
        out.push_str("chain: none\n");
        return;
    }
    let total = report.chain.len();
    let _ = writeln!(
        out,
        "chain: {total} intermediate{}",
        if total == 1 { "" } else { "s" }
    );
    for (at, link) in report.chain.iter().enumerate() {
        let expired = if report.now > link.not_after {
            ", EXPIRED"
        } else {
            ""
        };
        let _ = writeln!(out, "  {}. {}", at + 1, link.subject);
        let _ = writeln!(
            out,
            "     issued by {}, until {}{expired}, {}",
            link.issuer,
            date(link.not_after),
            link.key
        );
    }
    if let Some(rest) = &report.chain_without_expired {
        out.push_str("chain without what has expired:\n");
        if rest.is_empty() {
            out.push_str("  (nothing is left)\n");
        }
        for (at, subject) in rest.iter().enumerate() {
            let _ = writeln!(out, "  {}. {subject}", at + 1);
        }
    }
}

fn remarks(out: &mut String, report: &InspectReport) {
    if report.remarks.is_empty() {
        return;
    }
    out.push_str("text between the blocks:\n");
    for remark in &report.remarks {
        let _ = writeln!(
            out,
            "  {} (before {}): {}",
            remark.input, remark.before, remark.text
        );
    }
}

/// Renders findings for people.
pub(super) fn findings(out: &mut String, findings: &[Finding]) {
    if findings.is_empty() {
        out.push_str("findings: none\n");
        return;
    }
    out.push_str("findings:\n");
    for finding in findings {
        let severity = match finding.severity {
            Severity::Fatal => "fatal",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let allowed = if finding.allowed { ", allowed" } else { "" };
        let _ = writeln!(
            out,
            "  {severity} [{}{allowed}]: {}",
            finding.name, finding.message
        );
        if let Some(hint) = &finding.hint {
            let _ = writeln!(out, "    hint: {hint}");
        }
    }
}

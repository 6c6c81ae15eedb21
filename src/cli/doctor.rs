//! `certroll doctor`: what is wrong, as text or JSON.

use std::fmt::Write as _;

use serde_json::json;

use super::{
    print::Printer,
    text::{BOLD, GREEN, RED, paint},
};
use crate::{
    doctor::{self, Explained, Report},
    error::{ExitCode, Result, count},
    host::Host,
    rollouts::Request,
};

/// Looks at a rollout or an endpoint, and explains a log beside it.
pub(super) fn examine(
    host: &dyn Host,
    request: &Request,
    log: Option<&str>,
    printer: &Printer,
) -> Result<ExitCode> {
    let report = doctor::examine(host, request)?;
    let lines = log.map(|path| explained(host, path)).transpose()?;
    let mut document = json!(report);
    if let (Some(lines), Some(members)) = (&lines, document.as_object_mut()) {
        members.insert("log".to_owned(), json!(lines));
    }
    printer.result(&document, || {
        let mut out = text(&report, printer.verbose());
        if let Some(lines) = &lines {
            out.push_str(&log_text(lines));
        }
        out
    });
    let fine = report.faults.is_empty() && lines.is_none_or(|lines| lines.is_empty());
    Ok(code(fine))
}

/// Explains a log alone.
pub(super) fn log(host: &dyn Host, path: &str, printer: &Printer) -> Result<ExitCode> {
    let lines = explained(host, path)?;
    let document = json!({ "format": doctor::FORMAT, "about": path, "log": lines });
    printer.result(&document, || log_text(&lines));
    Ok(code(lines.is_empty()))
}

fn explained(host: &dyn Host, path: &str) -> Result<Vec<Explained>> {
    doctor::explain(&host.read_input(path)?.text())
}

fn code(fine: bool) -> ExitCode {
    if fine {
        ExitCode::Success
    } else {
        ExitCode::Differences
    }
}

fn text(report: &Report, verbose: bool) -> String {
    let mut out = String::new();
    for (number, fault) in (1..).zip(&report.faults) {
        let title = format!("{number}. {}", fault.verdict.meaning());
        let _ = writeln!(out, "{}: {}", paint(RED, &title), fault.about);
        let _ = writeln!(out, "   found  {}", fault.evidence);
        let _ = writeln!(out, "   look   {}", fault.look);
        let _ = writeln!(out, "   fix    {}", fault.fix);
    }
    if verbose {
        for good in &report.good {
            let _ = writeln!(out, "{} {good}", paint(GREEN, "good"));
        }
    }
    for note in &report.notes {
        let _ = writeln!(out, "note: {note}");
    }
    let faults = match report.faults.len() {
        0 => "no fault found".to_owned(),
        1 => "1 fault".to_owned(),
        many => format!("{many} faults, the nearest to the cause first"),
    };
    let good = report.good.len();
    let checks = format!(
        "{} {} good",
        count(good, "check"),
        if good == 1 { "is" } else { "are" }
    );
    let _ = writeln!(
        out,
        "{} {faults}; {checks}{}",
        paint(BOLD, &format!("{}:", report.about)),
        if verbose || good == 0 {
            ""
        } else {
            " (-v lists them)"
        }
    );
    out
}

fn log_text(lines: &[Explained]) -> String {
    let mut out = String::new();
    for line in lines {
        let times = if line.times == 1 {
            String::new()
        } else {
            format!(", {} such lines", line.times)
        };
        let title = format!("{}: {}", line.who, line.says);
        let _ = writeln!(out, "{}", paint(RED, &title));
        let _ = writeln!(out, "   line {}{times}: {}", line.last, line.text);
        let _ = writeln!(out, "   fix    {}", line.fix);
    }
    if lines.is_empty() {
        out.push_str("no known line: nothing of nginx, OpenSSL, Python, Java or the platforms that speaks of certificates\n");
    }
    out
}

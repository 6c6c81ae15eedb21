//! What earlier runs did: `history` and `show`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    page::{Page, page},
    print::Printer,
    text,
};
use crate::{
    error::{Error, ExitCode, Result},
    host::Host,
    identity::date,
    journal::{Store, other_format},
    plan::{FORMAT, View},
    receipt::Receipt,
    record::{Life, Told},
};

/// One row of the table: a generation, or why it cannot be read.
type Row = (u64, Result<Told, String>);

/// Lists the generations, oldest first.
pub(crate) fn history(host: &mut dyn Host, printer: &Printer) -> Result<ExitCode> {
    let mut rows: Vec<Row> = Vec::new();
    for number in Store::numbers(host)? {
        let told = match Store::generation(host, number) {
            Ok(generation) => Ok(Told::of(host, &generation)?),
            Err(error) => Err(error.to_string()),
        };
        rows.push((number, told));
    }
    let row = |(number, told): &Row| match told {
        Ok(told) => json!(told),
        Err(error) => json!({ "generation": number, "state": "unreadable", "error": error }),
    };
    let generations: Vec<Value> = rows.iter().map(row).collect();
    let document = json!({ "format": "certroll/history/1", "generations": generations });
    printer.result(&document, || table(&rows));
    Ok(ExitCode::Success)
}

const HEAD: [&str; 9] = [
    "N", "state", "started", "took", "rollout", "changes", "leaf", "who", "why",
];

/// The most characters of a column; a sentence about what cannot be read fits.
const WIDEST: usize = 120;

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no generation yet: nothing was changed by certroll\n".to_owned();
    }
    let mut cells: Vec<Vec<String>> = vec![HEAD.map(str::to_owned).to_vec()];
    for (number, told) in rows {
        let mut row = vec![number.to_string()];
        match told {
            Err(error) => row.extend(["unreadable".to_owned(), error.clone()]),
            Ok(told) => row.extend([
                told.state.to_owned(),
                date(told.started),
                (told.finished).map_or_else(String::new, |end| text::took(end - told.started)),
                told.rollout.clone(),
                told.changes.to_string(),
                leaves(told),
                told.who.clone(),
                why(told),
            ]),
        }
        cells.push(row.into_iter().map(cut).collect());
    }
    let width = |n: usize| {
        // What cannot be read has a sentence of its own, which widens no column.
        let whole = cells.iter().filter(|row| row.len() == HEAD.len());
        whole.map(|row| row[n].chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut out = String::new();
    for row in &cells {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Cuts a text that would make a column wider than any table.
fn cut(text: String) -> String {
    match text.char_indices().nth(WIDEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Says which leaf went and which came, by the first digits.
fn leaves(told: &Told) -> String {
    let short = |life: &Life| life.fingerprint.get(..8).unwrap_or_default().to_owned();
    let before: Vec<String> = told.before.iter().map(short).collect();
    let after = told.after.as_ref().map(short);
    match (before.join(","), after) {
        (before, Some(after)) if before.is_empty() || before == after => after,
        (before, Some(after)) if told.role() == "after" => format!("{before}>{after}"),
        (before, Some(tried)) => format!("{before} ({tried} tried)"),
        (before, None) => before,
    }
}

fn why(told: &Told) -> String {
    let back = match (told.undoes, told.reverts) {
        (_, true) => ", back to the platform's default".to_owned(),
        (Some(undone), false) => format!(", takes {undone} back"),
        (None, false) => String::new(),
    };
    format!("{}{back}", told.why)
}

/// Shows one generation, or writes its page to `html`.
pub(crate) fn show(
    host: &mut dyn Host,
    number: u64,
    html: Option<&str>,
    printer: &Printer,
) -> Result<ExitCode> {
    let generation = Store::generation(host, number)?;
    let told = Told::of(host, &generation)?;
    let plan = plan(host, number)?;
    let view: Option<View> = plan.clone().and_then(|p| serde_json::from_value(p).ok());
    let receipt = Receipt::load(host, number)?;
    if let Some(path) = html {
        let written = page(Page {
            plan: view.as_ref(),
            receipt: receipt.as_ref(),
            told: Some(&told),
            before: &told.before,
            after: told.after.as_ref(),
            now: host.now(),
        });
        host.write_output(path, written.as_bytes())?;
    }
    let document = json!({ "format": "certroll/show/1", "generation": number, "state": told.state, "told": told, "plan": plan, "receipt": receipt });
    printer.result(&document, || {
        let mut out = head(&told);
        if let Some(view) = &view {
            out.push_str(&text::plan(view, true));
        }
        if let Some(receipt) = &receipt {
            out.push_str(&text::receipt(receipt, true));
        }
        out
    });
    Ok(ExitCode::Success)
}

fn head(told: &Told) -> String {
    let mut out = format!(
        "generation {}: {}, {}\nwho: {}\nwhy: {}\nstarted: {}\n",
        told.generation,
        told.rollout,
        told.state,
        told.who,
        why(told),
        date(told.started)
    );
    if let Some(finished) = told.finished {
        let _ = writeln!(out, "took: {}", text::took(finished - told.started));
    }
    let leaf = |life: &Life| {
        let (fingerprint, until) = (&life.fingerprint, date(life.not_after));
        format!("{fingerprint} ({}, until {until})", life.subject)
    };
    for life in &told.before {
        let _ = writeln!(out, "leaf before: {}", leaf(life));
    }
    if let Some(life) = &told.after {
        let _ = writeln!(out, "leaf {}:  {}", told.role(), leaf(life));
    }
    out
}

/// Reads the plan of a generation, which must be of our version.
fn plan(host: &dyn Host, number: u64) -> Result<Option<Value>> {
    let at = Store::file(number, "plan.json");
    let stored = |message: String| Error::Stored {
        path: at.to_string(),
        message,
    };
    let state = host.load(&at)?;
    let Some(bytes) = state.bytes() else {
        return Ok(None);
    };
    let plan: Value = serde_json::from_slice(bytes.reveal()).map_err(|e| stored(e.to_string()))?;
    match plan["format"].as_str().filter(|found| *found != FORMAT) {
        Some(found) => Err(stored(other_format(found, FORMAT))),
        None => Ok(Some(plan)),
    }
}

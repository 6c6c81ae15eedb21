//! A plan or a change record as one page of HTML: nothing but itself is needed to read it, no network and no script. Pure.
//!
//! Everything shown is of a [`View`] or a [`Receipt`], which hold no secret. Texts are escaped by the template engine, and
//! what would move or reorder others (control characters, Unicode's bidirectional controls) is replaced before.

use serde::Serialize;
use serde_json::Value;
use tera::{Context, Tera};

use super::text;
use crate::{
    identity::date,
    plan::{ChangeView, View},
    receipt::{Outcome, Receipt},
    record::{Life, Told},
};

mod timeline;

use timeline::{Timeline, timeline};

const TEMPLATE: &str = include_str!("page.html.tera");

/// What a page is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    /// The plan.
    pub(crate) plan: Option<&'a View>,
    /// What became of it.
    pub(crate) receipt: Option<&'a Receipt>,
    /// The generation, where it was carried out.
    pub(crate) told: Option<&'a Told>,
    /// Leaves that are replaced.
    pub(crate) before: &'a [Life],
    /// The leaf that is put in force.
    pub(crate) after: Option<&'a Life>,
    /// When it is written, seconds since the epoch, UTC.
    pub(crate) now: i64,
}

/// A page as the template takes it: texts alone.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    title: String,
    badge: &'static str,
    mood: &'static str,
    summary: String,
    facts: Vec<(&'static str, String)>,
    lives: Vec<Fact<'a>>,
    timeline: Option<Timeline>,
    changes: Vec<Change<'a>>,
    plan: Option<&'a View>,
    lists: Vec<(&'static str, &'a [String])>,
    receipt: Option<&'a Receipt>,
    written: String,
    version: &'static str,
}

#[derive(Debug, Serialize)]
struct Fact<'a> {
    role: &'static str,
    life: &'a Life,
    until: String,
}

#[derive(Debug, Serialize)]
struct Change<'a> {
    view: &'a ChangeView,
    sign: &'static str,
    lines: Vec<(&'static str, &'a str)>,
}

/// Writes a page.
#[must_use]
pub(crate) fn page(page: Page<'_>) -> String {
    let mut value = serde_json::to_value(shown(page)).unwrap_or_default();
    visible(&mut value);
    let mut tera = Tera::default();
    let rendered = tera
        .add_raw_template("page.html", TEMPLATE)
        .and_then(|()| tera.render("page.html", &Context::from_serialize(&value)?));
    // The template is a part of the program, and every page of the tests goes through it.
    rendered.unwrap_or_else(|error| format!("<!doctype html><pre>{}</pre>", plain(&error)))
}

fn plain(error: &tera::Error) -> String {
    error.to_string().replace('&', "&amp;").replace('<', "&lt;")
}

fn shown(page: Page<'_>) -> Shown<'_> {
    let plan = page.plan;
    let (title, badge, mood) = head(&page);
    let before = page.before.iter().map(|life| ("before", life));
    let last = page.told.map_or("after", Told::role);
    let after = page.after.iter().map(|life| (last, *life));
    let lives: Vec<(&'static str, &Life)> = before.chain(after).collect();
    let lists = plan.map_or_else(Vec::new, |plan| {
        let all: [(&'static str, &[String]); 9] = [
            ("Services told, in this order", &plan.commands),
            ("Units asked for their state afterwards", &plan.units),
            ("Proved by", &plan.probes),
            ("Pins that move with it", &plan.pins),
            ("Owed before", &plan.owed),
            ("Found to use the identity", &plan.consumers),
            ("On the old files still", &plan.holders),
            ("Steps for people", &plan.steps),
            ("Still owed", obligations(page.receipt)),
        ];
        let filled = all.into_iter().filter(|(_, lines)| !lines.is_empty());
        filled.collect()
    });
    Shown {
        title,
        badge,
        mood,
        summary: plan.map(text::summary).unwrap_or_default(),
        facts: facts(&page),
        timeline: timeline(&lives, page.now),
        lives: (lives.into_iter())
            .map(|(role, life)| Fact {
                role,
                life,
                until: date(life.not_after),
            })
            .collect(),
        changes: plan.map_or_else(Vec::new, |plan| plan.changes.iter().map(change).collect()),
        plan,
        lists,
        receipt: page.receipt,
        written: date(page.now),
        version: env!("CARGO_PKG_VERSION"),
    }
}

fn obligations(receipt: Option<&Receipt>) -> &[String] {
    receipt.map_or(&[], |receipt| &receipt.obligations)
}

/// Returns title, badge, and how it looks.
fn head(page: &Page<'_>) -> (String, &'static str, &'static str) {
    if let Some(told) = page.told {
        let mood = match page.receipt.map(|receipt| receipt.outcome) {
            Some(Outcome::Converged | Outcome::Committed | Outcome::Placed) => "good",
            Some(Outcome::RolledBack) => "warn",
            Some(Outcome::Stuck) | None => "bad",
        };
        let title = format!("Generation {}: {}", told.generation, told.rollout);
        return (title, told.state, mood);
    }
    let name = page.plan.map(|plan| plan.rollout.as_str());
    let blocked = page
        .plan
        .is_some_and(|plan| plan.findings.iter().any(|f| f.severity == "fatal"));
    let (badge, mood) = if blocked {
        ("blocked", "bad")
    } else {
        ("plan: nothing is changed yet", "plan")
    };
    (format!("Plan: {}", name.unwrap_or_default()), badge, mood)
}

fn facts(page: &Page<'_>) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(told) = page.told {
        facts.push(("who", told.who.clone()));
        facts.push(("why", told.why.clone()));
        facts.push(("started", date(told.started)));
        if let Some(finished) = told.finished {
            facts.push(("took", text::took(finished - told.started)));
        }
        if let Some(undone) = told.undoes {
            facts.push(("takes back", format!("generation {undone}")));
        }
    }
    if let Some(plan) = page.plan {
        facts.push(("profiles", plan.profiles.join(", ")));
        if !plan.identity.names.is_empty() {
            facts.push(("names", plan.identity.names.join(", ")));
        }
        if plan.reverts {
            facts.push(("leads to", "the platform's own default".to_owned()));
        }
    }
    facts
}

fn change(change: &ChangeView) -> Change<'_> {
    // The first two lines of a diff name its files.
    let class = |n: usize, line: &str| match line.as_bytes().first() {
        Some(b'+' | b'-') if n < 2 && (line.starts_with("--- ") || line.starts_with("+++ ")) => {
            "at"
        }
        Some(b'+') => "add",
        Some(b'-') => "del",
        Some(b'@') => "at",
        _ => "same",
    };
    Change {
        view: change,
        sign: match &*change.action {
            "create" => "+",
            "remove" => "−",
            _ => "~",
        },
        lines: (change.diff.iter().enumerate())
            .map(|(n, line)| (class(n, line), line.as_str()))
            .collect(),
    }
}

/// Replaces what would move or reorder other text, in every text of a value.
fn visible(value: &mut Value) {
    let hidden = |c: char| {
        let is_bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        is_bidi || (c.is_control() && c != '\t')
    };
    match value {
        Value::String(text) => {
            if text.contains(hidden) {
                *text = text.replace(hidden, "\u{fffd}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(visible),
        Value::Object(members) => members.values_mut().for_each(visible),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

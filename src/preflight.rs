//! Findings: what is wrong or worth saying about an identity, a profile or a plan, all of them at once.

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is done while one stands.
    Fatal,
    /// Done all the same, and said.
    Warning,
    /// Worth knowing.
    Note,
}

/// What a finding is about, which decides the exit code of a fatal one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The identity, the profile or the settings: exit 2.
    Input,
    /// The host: exit 1.
    Host,
}

/// One result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Input or host.
    pub scope: Scope,
    /// Stable name in kebab-case, as `--allow` takes it.
    pub name: &'static str,
    /// One line: what, where, wanted and found.
    pub message: String,
    /// What to do about it, where there is something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether it was fatal before `--allow` named it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allowed: bool,
}

impl Finding {
    /// A finding about the identity, the profile or the settings.
    #[must_use]
    pub fn input(severity: Severity, name: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity,
            scope: Scope::Input,
            name,
            message: message.into(),
            hint: None,
            allowed: false,
        }
    }

    /// A finding about the host.
    #[must_use]
    pub fn host(severity: Severity, name: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity,
            scope: Scope::Host,
            name,
            message: message.into(),
            hint: None,
            allowed: false,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Adds a warning for each name given to `--allow` that no finding has: a name that is mistyped accepts nothing.
#[must_use]
pub fn heard(mut findings: Vec<Finding>, names: &[String]) -> Vec<Finding> {
    for name in names {
        if !findings.iter().any(|finding| finding.name == name) {
            findings.push(Finding::input(
                Severity::Warning,
                "allowed-nothing",
                format!("`--allow {name}` accepts nothing: there is no finding of that name"),
            ));
        }
    }
    findings.sort_by_key(|f| f.severity);
    findings
}

/// Downgrades the fatal findings that `--allow` names to warnings, and sorts the worst first.
#[must_use]
pub fn allow(mut findings: Vec<Finding>, names: &[String]) -> Vec<Finding> {
    for finding in &mut findings {
        if finding.severity == Severity::Fatal && names.iter().any(|n| n == finding.name) {
            finding.severity = Severity::Warning;
            finding.allowed = true;
        }
    }
    findings.sort_by_key(|f| f.severity);
    findings
}

//! Expressions and templates: tera, strict about names, with positions, and filters that quote.

mod names;

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use names::{at, members};
use tera::{Context, ErrorKind, Kwargs, State, Tera};

use crate::{
    error::{Error, Result},
    host::LARGEST_FILE,
};

/// Names under `identity` that expressions may use.
pub const IDENTITY: [&str; 11] = [
    "name",
    "cn",
    "dns",
    "ips",
    "fingerprint",
    "self_signed",
    "trust",
    "has_anchor",
    "key",
    "sha1",
    "for_clients",
];

/// Filters of our own beside tera's, for people: `profiles show` lists them.
pub const FILTERS: &[(&str, &str)] = &[
    ("yaml", "a double-quoted YAML string, every character safe"),
    ("sh", "one word of a POSIX shell, quoted"),
    ("basename", "the last component of a path"),
    ("label", "a host name up to its first dot"),
    ("domain", "a host name after its first dot"),
    (
        "host",
        "what stands before the port in `host:port`, brackets taken off",
    ),
    (
        "port",
        "what stands behind the last colon of `host:port`, or empty text",
    ),
    ("is_address", "whether the text is an IP address"),
    (
        "hosts_line",
        "the text with a line for `address` and `name` added unless it has one",
    ),
];

/// A text of a profile that may hold expressions, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// The file.
    pub path: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// The text.
    pub text: String,
    /// Whether it is a condition, without braces around it, as `when:` has.
    pub condition: bool,
}

impl Expr {
    fn is_literal(&self) -> bool {
        !self.condition && !self.text.contains("{{") && !self.text.contains("{%")
    }

    /// The name under which it is compiled: its own text, so that equal texts are compiled once.
    fn source(&self) -> String {
        if self.condition {
            format!("{{% if {} %}}true{{% endif %}}", self.text)
        } else {
            self.text.clone()
        }
    }

    /// An error at this place.
    #[must_use]
    pub fn error(&self, message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Parse {
            path: self.path.clone(),
            line: self.line,
            column: self.column,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// Parts `host:port`; an address of IPv6 is in brackets where it has a port.
fn endpoint(text: &str) -> (&str, &str) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').unwrap_or_default());
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port),
        Some(_) | None => (text, ""),
    }
}

/// The names that an expression may use below `set`, `facts`, `given` and `covered`.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Settings.
    pub settings: Vec<String>,
    /// Facts.
    pub facts: Vec<String>,
}

/// The values that an expression sees.
#[derive(Clone, Default)]
pub struct Scope(Context);

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scope")
    }
}

impl Scope {
    /// Sets what a top-level name stands for.
    pub fn set(&mut self, name: &'static str, value: &impl serde::Serialize) {
        self.0.insert(name, value);
    }

    /// Returns this scope with `item` bound.
    #[must_use]
    pub fn with_item(&self, item: &serde_json::Value) -> Self {
        let mut scope = self.clone();
        scope.0.insert("item", item);
        scope
    }
}

/// The compiled expressions and templates of one profile.
pub struct Renderer {
    tera: Tera,
    dir: String,
}

impl std::fmt::Debug for Renderer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Renderer({})", self.dir)
    }
}

impl Renderer {
    /// Compiles every expression and every `*.tera` file of a profile, and resolves each name in them.
    ///
    /// # Errors
    /// [`Error::Parse`] at the first that does not compile or uses a name that does not exist.
    pub fn new(
        dir: &str,
        files: &BTreeMap<String, String>,
        exprs: &[Expr],
        names: &Names,
    ) -> Result<Self> {
        let mut tera = Tera::default();
        tera.autoescape_on(Vec::<&str>::new());
        tera.register_filter("yaml", |text: &str, _: Kwargs, _: &State<'_>| quoted(text));
        tera.register_filter("sh", |text: &str, _: Kwargs, _: &State<'_>| {
            shell_word(text)
        });
        tera.register_filter("basename", |text: &str, _: Kwargs, _: &State<'_>| {
            text.rsplit('/').next().unwrap_or_default().to_owned()
        });
        tera.register_filter("label", |name: &str, _: Kwargs, _: &State<'_>| {
            name.split('.').next().unwrap_or_default().to_owned()
        });
        tera.register_filter("domain", |name: &str, _: Kwargs, _: &State<'_>| {
            let (_, domain) = name.split_once('.').unwrap_or_default();
            domain.to_owned()
        });
        tera.register_filter("host", |text: &str, _: Kwargs, _: &State<'_>| {
            let (host, _) = endpoint(text);
            host.to_owned()
        });
        tera.register_filter("port", |text: &str, _: Kwargs, _: &State<'_>| {
            let (_, port) = endpoint(text);
            port.to_owned()
        });
        tera.register_filter("is_address", |text: &str, _: Kwargs, _: &State<'_>| {
            text.parse::<std::net::IpAddr>().is_ok()
        });
        tera.register_filter("hosts_line", hosts_line);
        let mut renderer = Self {
            tera,
            dir: dir.to_owned(),
        };
        let templates: Vec<Expr> = files
            .iter()
            .filter(|(name, _)| is_template(name))
            .map(|(name, text)| Expr {
                path: format!("{dir}/{name}"),
                line: 1,
                column: 1,
                text: text.clone(),
                condition: false,
            })
            .collect();
        let prefix = format!("{dir}/");
        let beside = templates.iter().map(|t| {
            let name = t.path.strip_prefix(&prefix).unwrap_or(&t.path);
            (name.to_owned(), t)
        });
        let code = exprs.iter().filter(|e| !e.is_literal());
        let all: Vec<(String, &Expr)> = beside.chain(code.map(|e| (e.source(), e))).collect();
        renderer.compile(&all, names)?;
        Ok(renderer)
    }

    fn compile(&mut self, all: &[(String, &Expr)], names: &Names) -> Result<()> {
        // One call for all: tera looks through everything it has after each.
        let sources = all.iter().map(|(name, e)| (name.as_str(), e.source()));
        if let Err(whole) = self.tera.add_raw_templates(sources) {
            for (name, expr) in all {
                self.tera
                    .add_raw_template(name, &expr.source())
                    .map_err(|source| located(&source, expr))?;
            }
            let place = all.first().map(|(_, expr)| located(&whole, expr));
            return place.map_or(Ok(()), Err);
        }
        let roots = ["identity", "set", "facts", "given", "covered", "item"];
        for (name, expr) in all {
            let used = self
                .tera
                .get_template_variables(name)
                .map_err(|source| located(&source, expr))?;
            if let Some(unknown) = used.iter().find(|v| !roots.contains(*v)) {
                let hint = "known names are `identity`, `set`, `facts`, `given`, `covered`, `item`";
                return Err(at(expr, &expr.text, unknown)
                    .error(format!("undefined name `{unknown}`"), hint));
            }
            members(expr, names)?;
        }
        Ok(())
    }

    /// Renders a text.
    ///
    /// # Errors
    /// [`Error::Parse`] at the place of a value that is not there.
    pub fn text(&self, expr: &Expr, scope: &Scope) -> Result<String> {
        if expr.is_literal() {
            return Ok(expr.text.clone());
        }
        self.bounded(&expr.source(), scope, expr)
    }

    /// Tells whether a condition holds; none holds always.
    ///
    /// # Errors
    /// As [`Renderer::text`].
    pub fn holds(&self, condition: Option<&Expr>, scope: &Scope) -> Result<bool> {
        condition.map_or(Ok(true), |expr| Ok(self.text(expr, scope)? == "true"))
    }

    /// Renders a template that stands beside the profile.
    ///
    /// # Errors
    /// [`Error::Parse`] at line and column of the template.
    pub fn template(&self, name: &str, scope: &Scope) -> Result<String> {
        let whole = Expr {
            path: format!("{}/{name}", self.dir),
            line: 1,
            column: 1,
            text: String::new(),
            condition: false,
        };
        self.bounded(name, scope, &whole)
    }

    /// Renders no more than a file may have: a loop may be written that gives text for ever.
    fn bounded(&self, name: &str, scope: &Scope, at: &Expr) -> Result<String> {
        let mut out = Bounded::default();
        let rendered = self.tera.render_to(name, &scope.0, &mut out);
        if out.is_full {
            let message = format!("gives more than {} MiB of text", LARGEST_FILE >> 20);
            return Err(at.error(message, "look for a loop that runs too often"));
        }
        rendered.map_err(|source| located(&source, at))?;
        String::from_utf8(out.text).map_err(|_| at.error("gives text that is not UTF-8", ""))
    }

    /// Tells whether a template of this name stands beside the profile.
    #[must_use]
    pub fn has_template(&self, name: &str) -> bool {
        is_template(name) && self.tera.contains_template(name)
    }
}

/// Takes text up to [`LARGEST_FILE`].
#[derive(Default)]
struct Bounded {
    text: Vec<u8>,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.is_full = (self.text.len() + piece.len()) as u64 > LARGEST_FILE;
        if self.is_full {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_template(name: &str) -> bool {
    name.strip_suffix(".tera")
        .is_some_and(|stem| !stem.is_empty())
}

fn located(error: &tera::Error, expr: &Expr) -> Error {
    let (message, line, column) = match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => (
            report.message().to_owned(),
            report.span().start_line as u64,
            report.span().start_col as u64,
        ),
        other => {
            let text = other.to_string();
            let (line, column) = reported(&text).unwrap_or((1, 0));
            let first = text.lines().next().unwrap_or_default();
            let first = first.strip_prefix("error: ").unwrap_or(first).to_owned();
            (first, line, column)
        }
    };
    let mut place = expr.clone();
    let shift = if expr.condition {
        "{% if ".len() as u64
    } else {
        0
    };
    if line <= 1 {
        place.column = expr.column + column.saturating_sub(shift);
    } else {
        place.line = expr.line + line - 1;
        place.column = column + 1;
    }
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default().trim_end_matches('.');
    let mut small = first.chars();
    let lower = small
        .next()
        .map(|c| c.to_lowercase().collect::<String>() + small.as_str())
        .unwrap_or_default();
    place.error(lower, lines.collect::<Vec<_>>().join(" ").trim().to_owned())
}

/// Finds ` --> name:line:column` in tera's own report of several errors.
fn reported(report: &str) -> Option<(u64, u64)> {
    let line = report.lines().find(|l| l.trim_start().starts_with("-->"))?;
    let mut parts = line.rsplit(':');
    let column: u64 = parts.next()?.trim().parse().ok()?;
    let line: u64 = parts.next()?.trim().parse().ok()?;
    Some((line, column.saturating_sub(1)))
}

/// A double-quoted YAML scalar (YAML 1.1 section 5.7, YAML 1.2 section 7.3.1): JSON's escapes are valid in both.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One word of a POSIX shell.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that tera's filters have"
)]
fn hosts_line(text: &str, kwargs: Kwargs, _: &State<'_>) -> tera::TeraResult<String> {
    let address: String = kwargs.must_get("address")?;
    let name: String = kwargs.must_get("name")?;
    Ok(with_hosts_line(text, &address, &name))
}

/// Adds `address<TAB>name` after the last line of that address, or at the end; a text that has it stays as it is.
fn with_hosts_line(text: &str, address: &str, name: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let fields = |line: &str| -> Vec<String> {
        let line = line.split('#').next().unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect()
    };
    let mut last = None;
    for (n, line) in lines.iter().enumerate() {
        // A placeholder (`#XIVO_HOSTNAME#`) is not a comment, but the address before it is all that matters here.
        let parts = fields(line);
        if parts.first().is_some_and(|a| a == address) {
            last = Some(n);
            if parts.iter().skip(1).any(|n| n.eq_ignore_ascii_case(name)) {
                return text.to_owned();
            }
        }
    }
    let new = format!("{address}\t{name}");
    lines.insert(last.map_or(lines.len(), |n| n + 1), &new);
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;

//! `hosts`: `/etc/hosts` from the platform's template, by the rules of the platform's own renderer.
//!
//! The renderer (`xivo-update-config`) replaces `#VAR#` for every `XIVO_*` and `_XIVO_*` of the settings file with
//! `sed "s#\#VAR\##VALUE#g"`, gives up where `#[A-Z0-9_]+#` is left anywhere, and copies the result with the owner and
//! mode of the template. Done the same way here, a later run of it finds nothing to do.

use super::{Ask, Asking, Kind};
use crate::{
    desired::Target,
    error::Result,
    preflight::{Finding, Severity},
    profile::Fields,
    render::Expr,
    state::{Content, HostPath, Sensitivity, Wanted},
};

/// The kind.
#[derive(Debug)]
pub(super) struct Hosts;

#[derive(Debug)]
struct File {
    path: Expr,
    from: From,
    unless: Option<HostPath>,
    values: Option<Expr>,
    defaults: Vec<(String, Expr)>,
    name: Option<Expr>,
    is: Option<Expr>,
}

/// Where the template is.
#[derive(Debug)]
enum From {
    /// At the path of a resource before it.
    Resource(Expr),
    /// Here.
    Text(Expr),
}

impl Kind for Hosts {
    fn name(&self) -> &'static str {
        "hosts"
    }

    fn summary(&self) -> &'static str {
        "the file at `path` from the template at `from` (a resource before it) or in `text`, each #VAR# from `values` (a fact) or \
         `defaults`; `name` must then stand for the address `is` alone"
    }

    fn parse(&self, fields: &mut Fields<'_>) -> Result<Box<dyn Ask>> {
        let mut defaults = Vec::new();
        if let Some(node) = fields.node("defaults") {
            for (key, value) in node.entries() {
                let text = crate::profile::text_at(fields.path(), "defaults", value)?;
                defaults.push((key.name.clone(), text));
            }
        }
        let from = match (fields.text("from")?, fields.text("text")?) {
            (Some(from), None) => From::Resource(from),
            (None, Some(text)) => From::Text(text),
            _ => return Err(fields.error("want one of `from` and `text`", "")),
        };
        let unless = fields.text("unless")?;
        let path = |e: &Expr| {
            HostPath::new(&e.text).map_err(|why| e.error(format!("`{}` {why}", e.text), ""))
        };
        Ok(Box::new(File {
            path: fields.need("path")?,
            from,
            unless: unless.map(|e| path(&e)).transpose()?,
            values: fields.text("values")?,
            defaults,
            name: fields.text("name")?,
            is: fields.text("is")?,
        }))
    }
}

impl Ask for File {
    fn list(&self) -> Option<&Expr> {
        self.values.as_ref()
    }

    fn place(&self) -> String {
        self.path.text.clone()
    }

    fn ask(&self, at: &mut Asking<'_>) -> Result<Vec<Target>> {
        let path = at.path(&self.path)?;
        let (template, like) = match &self.from {
            From::Text(text) => (at.renderer.text(text, at.scope)?, None),
            From::Resource(from) => {
                let (text, wanted) = made(from, at)?;
                (text, Some(wanted))
            }
        };
        let values = self.values(at)?;
        let (text, mut findings) = render(&template, &values, path.as_str());
        if let (Some(name), Some(is)) = (&self.name, &self.is) {
            let name = at.renderer.text(name, at.scope)?;
            let is = at.renderer.text(is, at.scope)?;
            findings.extend(strays(&text, &name, &is, path.as_str()));
        }
        let fatal = findings.iter().any(|f| f.severity == Severity::Fatal);
        at.findings.extend(findings);
        if fatal {
            return Ok(Vec::new());
        }
        let content = Content::File(text.into_bytes().into());
        let mut target = at.target(path, content, Sensitivity::Public);
        if let Some(like) = like {
            // The renderer copies the template's owner and mode with it.
            (target.wanted.uid, target.wanted.gid) = (like.uid, like.gid);
            target.wanted.mode = like.mode;
        }
        target.unless.clone_from(&self.unless);
        Ok(vec![target])
    }
}

impl File {
    fn values(&self, at: &Asking<'_>) -> Result<Vec<(String, String)>> {
        let mut values: Vec<(String, String)> = Vec::new();
        let map = self.values.as_ref().and_then(|e| at.facts.at(&e.text));
        for (key, value) in map.and_then(|v| v.as_object()).into_iter().flatten() {
            let ours = key.starts_with("XIVO_") || key.starts_with("_XIVO_");
            if let Some(value) = value.as_str().filter(|_| ours) {
                values.push((key.clone(), value.to_owned()));
            }
        }
        for (key, expr) in &self.defaults {
            if !values.iter().any(|(k, v)| k == key && !v.is_empty()) {
                values.retain(|(k, _)| k != key);
                values.push((key.clone(), at.renderer.text(expr, at.scope)?));
            }
        }
        Ok(values)
    }
}

/// Finds the template that a resource before makes, with its owner and mode.
fn made(from: &Expr, at: &Asking<'_>) -> Result<(String, Wanted)> {
    let path = at.path(from)?;
    let Some(template) = at.made.iter().find(|t| t.path == path) else {
        let hint = "put the template before it";
        return Err(from.error(format!("no resource makes `{path}`"), hint));
    };
    let Content::File(bytes) = &template.wanted.content else {
        return Err(from.error(format!("`{path}` is not a file"), ""));
    };
    Ok((bytes.text(), template.wanted.clone()))
}

/// Replaces every placeholder and says what would not come out as the platform's renderer makes it.
fn render(template: &str, values: &[(String, String)], path: &str) -> (String, Vec<Finding>) {
    let mut text = template.to_owned();
    let mut findings = Vec::new();
    for (key, value) in values {
        let placeholder = format!("#{key}#");
        let used = text.contains(&placeholder);
        // In a replacement of sed(1), `&` is the match, `\` escapes, and `#` is the delimiter that this renderer chose.
        if value.contains('#') || (used && value.contains(['&', '\\'])) {
            let message = format!(
                "`{path}`: value of {key} holds `&`, `#` or `\\`, which the platform's renderer does not escape"
            );
            let severity = if used {
                Severity::Fatal
            } else {
                Severity::Warning
            };
            findings.push(
                Finding::host(severity, "hosts-value", message)
                    .hinted("correct it in the platform's settings"),
            );
        }
        text = text.replace(&placeholder, value);
    }
    if let Some((line, left)) = placeholder_left(&text) {
        let message = format!(
            "`{path}`: placeholder `{left}` is left in line {line}: the platform's renderer gives up on it"
        );
        findings.push(
            Finding::host(Severity::Fatal, "hosts-placeholder", message)
                .hinted("set it in the platform's settings, or take it out of the custom template"),
        );
    }
    (text, findings)
}

/// Finds `#[A-Z0-9_]+#`, comments included, with its line.
fn placeholder_left(text: &str) -> Option<(usize, &str)> {
    for (n, line) in text.lines().enumerate() {
        let mut rest = line;
        while let Some(start) = rest.find('#') {
            let after = &rest[start + 1..];
            let inside = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            let end = after.find(|c| !inside(c)).unwrap_or(after.len());
            if end > 0 && after[end..].starts_with('#') {
                return Some((n + 1, &rest[start..start + end + 2]));
            }
            rest = after;
        }
    }
    None
}

/// Says which lines give a name another address than the one wanted.
fn strays(text: &str, name: &str, is: &str, path: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let address = words.next().unwrap_or_default();
        if address != is && words.any(|w| w.eq_ignore_ascii_case(name)) {
            let line = n + 1;
            let message = format!(
                "`{path}`: line {line} gives `{name}` the address {address}: want {is} alone"
            );
            findings.push(
                Finding::host(Severity::Warning, "hosts-stray", message)
                    .hinted("take the name out of that line of the custom template"),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn every_placeholder_is_replaced_literally() {
        let (text, findings) = render(
            "127.0.0.1\t#XIVO_HOSTNAME#.#XIVO_DOMAIN#\t#XIVO_HOSTNAME#\n",
            &values(&[("XIVO_HOSTNAME", "pbx"), ("XIVO_DOMAIN", "example.com")]),
            "/etc/hosts",
        );
        assert_eq!(text, "127.0.0.1\tpbx.example.com\tpbx\n");
        assert!(findings.is_empty());
    }

    #[test]
    fn what_the_platforms_renderer_would_break_on_is_found() {
        for (template, pairs, severity, name) in [
            (
                "a\n# see #NOTE#\n",
                vec![],
                Severity::Fatal,
                "hosts-placeholder",
            ),
            ("#A#\n", vec![("A", "x&y")], Severity::Fatal, "hosts-value"),
            ("#A#\n", vec![("A", "x\\y")], Severity::Fatal, "hosts-value"),
            ("x\n", vec![("A", "x#y")], Severity::Warning, "hosts-value"),
        ] {
            let (_, findings) = render(template, &values(&pairs), "/etc/hosts");
            let found: Vec<_> = findings.iter().map(|f| (f.severity, f.name)).collect();
            assert_eq!(found, [(severity, name)], "{template}");
        }
        assert_eq!(placeholder_left("# XIVO: ## a #b# #\n"), None);
    }

    #[test]
    fn another_address_for_the_name_is_named_with_its_line() {
        let text = "127.0.0.1 localhost\n192.0.2.5 x Wazo.example.com\n";
        let found = strays(text, "wazo.example.com", "127.0.0.1", "/etc/hosts");
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("line 2"), "{}", found[0].message);
    }
}

//! What the documents say is what the program does: tables, command lines and examples are held against it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests read the documents from disk, run the program and fail by panicking"
)]

#[path = "docs/reference.rs"]
mod reference;
#[path = "docs/tables.rs"]
mod tables;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use certroll::{identity, render};

const PROGRAM: &str = env!("CARGO_BIN_EXE_certroll");

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn certroll(dir: &Path, line: &str) -> Output {
    let script = format!("certroll {line}");
    bash(dir, &script)
}

/// Runs a script with `certroll` being the program under test.
fn bash(dir: &Path, script: &str) -> Output {
    let bin = Path::new(PROGRAM).parent().unwrap().display();
    let path = std::env::var("PATH").unwrap();
    Command::new("bash")
        .args(["-c", script])
        .current_dir(dir)
        .env("PATH", format!("{bin}:{path}"))
        .env("TMPDIR", dir)
        .output()
        .unwrap()
}

/// Returns what stands under a heading, up to the next of the same or a higher level.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let level = heading.split(' ').next().unwrap().len();
    let whole = format!("\n{heading}\n");
    let start = text
        .find(&whole)
        .unwrap_or_else(|| panic!("no heading `{heading}`"))
        + whole.len();
    let rest = &text[start..];
    // A level of one is a comment in some block: a document has but one title.
    let ends = (2..=level).filter_map(|n| rest.find(&format!("\n{} ", "#".repeat(n))));
    &rest[..ends.min().unwrap_or(rest.len())]
}

/// Returns the fenced blocks of a language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    text.split(&format!("\n```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect()
}

/// Returns the rows of the first table.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let table = text
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let cells = |line: &'_ str| -> Vec<_> {
        let inner = line.trim_matches('|');
        // Leaked so that rows borrow from the line alone: a test process is short.
        let inner: &'static str = String::leak(inner.to_owned());
        inner.split(" | ").map(str::trim).collect()
    };
    table.skip(2).map(cells).collect()
}

fn keys(text: &str, heading: &str) -> BTreeSet<String> {
    let level = heading.split(' ').next().unwrap().len();
    let section = section(text, heading);
    let own = section
        .split(&format!("\n{} ", "#".repeat(level + 1)))
        .next()
        .unwrap();
    let names = rows(own)
        .into_iter()
        .map(|row| row[0].trim_matches('`').to_owned());
    let names: BTreeSet<String> = names.collect();
    assert!(!names.is_empty(), "`{heading}` has no table");
    names
}

#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_program() {
    let source = document("src/error.rs");
    let body = source.split("pub enum ExitCode {").nth(1).unwrap();
    let body = body.split("\n}").next().unwrap();
    let (mut meaning, mut wanted) = (String::new(), Vec::new());
    for line in body.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("/// ") {
            doc.clone_into(&mut meaning);
        } else if let Some((_, code)) = line.trim_end_matches(',').split_once(" = ") {
            wanted.push((code.to_owned(), meaning.clone()));
        }
    }
    assert_eq!(wanted.len(), 9);
    let readme = document("README.md");
    let table = rows(section(&readme, "## Exit codes"));
    let found: Vec<_> = table
        .iter()
        .map(|row| (row[0].to_owned(), row[1].to_owned()))
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn every_command_of_the_help_is_in_the_readme_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let help = String::from_utf8(certroll(dir.path(), "--help").stdout).unwrap();
    let commands = help.split("\nCommands:\n").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap();
    let names = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|l| !l.starts_with(' ')))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .filter(|name| name != "help");
    assert_eq!(
        keys(&document("README.md"), "## Commands"),
        names.collect::<BTreeSet<_>>()
    );
}

/// Returns every `certroll` command line of the shell blocks and inline code of a document.
fn command_lines(text: &str) -> Vec<String> {
    let shell = blocks(text, "sh").join("\n").replace("\\\n", " ");
    let lines = shell.lines().map(str::to_owned);
    let inline = text.split('`').skip(1).step_by(2).map(str::to_owned);
    lines
        .chain(inline)
        .filter_map(|line| {
            let line = line.split(" #").next()?.trim();
            Some(line.strip_prefix("certroll ")?.to_owned())
        })
        .collect()
}

#[test]
fn every_command_line_shown_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for name in [
        "README.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/monitoring.md",
        "docs/profiles.md",
    ] {
        let text = document(name);
        for line in command_lines(&text) {
            let output = certroll(dir.path(), &format!("{line} --help"));
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: certroll {line}\n{error}");
            seen += 1;
        }
    }
    assert!(seen > 25, "only {seen} command lines were found");
    let wrong = certroll(dir.path(), "plan --no-such-flag --help");
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn the_example_that_can_be_pasted_does_what_the_readme_says() {
    let readme = document("README.md");
    let section = section(&readme, "### Try it without a Wazo host");
    let mut script = String::new();
    let mut checked = 0;
    for line in blocks(section, "sh")[0].lines() {
        let (command, code) = line.split_once("# exits with ").unwrap_or((line, ""));
        script.push_str(command);
        if !code.is_empty() {
            checked += 1;
            script += "; s=$?; [ $s = ";
            script += code;
            script += " ] || echo \"WRONG: $s\"";
        }
        script.push('\n');
    }
    assert_eq!(checked, 7);
    let dir = tempfile::tempdir().unwrap();
    let output = bash(dir.path(), &script);
    let out = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!out.contains("WRONG"), "{out}\n{error}");
    // Fingerprints and sizes are those of a pair that is new each time.
    let same = |line: &&str| !line.contains("fingerprint") && !line.contains("(pem)");
    let shown = blocks(section, "text")[0].lines().filter(|l| *l != "[...]");
    for line in shown.filter(same) {
        assert!(out.lines().any(|l| l == line), "not printed: {line}\n{out}");
    }
    assert!(
        out.contains("placed: generation 1, switched and durable; not proved live here and now")
    );
}

#[test]
fn the_example_profile_of_the_readme_is_good() {
    let readme = document("README.md");
    let section = section(&readme, "### Adding a profile");
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("profiles/nginx");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("profile.yaml"), blocks(section, "yaml")[0]).unwrap();
    fs::write(folder.join("tls.conf.tera"), blocks(section, "nginx")[0]).unwrap();
    fs::create_dir_all(dir.path().join("host/etc/nginx")).unwrap();
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=a.example.com \
                  -addext subjectAltName=DNS:a.example.com -keyout site.key -out site.pem 2>/dev/null
                  certroll profiles check profiles/nginx/profile.yaml &&
                  certroll --profiles profiles profiles show nginx &&
                  certroll --root host --profiles profiles plan --profile nginx --cert site.pem --key site.key";
    let output = bash(dir.path(), script);
    let out = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{out}\n{error}");
    assert!(out.contains("profile `nginx` is good"), "{out}");
    assert!(out.contains("/etc/nginx/snippets/tls.conf"), "{out}");
}

#[test]
fn names_in_expressions_filters_and_findings_are_in_the_documents() {
    let text = document("docs/profiles.md");
    let set =
        |names: &[&str]| -> BTreeSet<String> { names.iter().map(|n| (*n).to_owned()).collect() };
    assert_eq!(
        keys(&text, "### Members of identity"),
        set(&render::IDENTITY)
    );
    let filters: Vec<&str> = render::FILTERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(keys(&text, "### Filters"), set(&filters));
    let architecture = document("docs/architecture.md");
    let findings = keys(&architecture, "## Findings about an identity");
    assert_eq!(findings, set(identity::NAMES));
}

/// Returns the text of every Rust file below a directory.
fn rust(dir: &Path, out: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_and_file_that_is_named_as_proof_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    rust(&root.join("src"), &mut code);
    rust(&root.join("tests"), &mut code);
    let mut named = 0;
    for name in ["docs/architecture.md", "SECURITY.md"] {
        let text = document(name);
        for word in text.split('`').skip(1).step_by(2) {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if word.chars().all(plain) && word.matches('_').count() > 2 {
                let head = format!("#[test]\n    fn {word}(");
                let found = code.contains(&head) || code.contains(&head.replace("    ", ""));
                assert!(found, "{name}: there is no test `{word}`");
                named += 1;
            }
            if Path::new(word).extension().is_some_and(|e| e == "rs") && word.contains('/') {
                let there = root.join(word).exists() || root.join("src").join(word).exists();
                assert!(there, "{name}: there is no file `{word}`");
            }
        }
    }
    assert!(named > 25, "only {named} tests are named");
}

#[test]
fn the_page_of_reliability_has_cases_of_each_section_and_no_failure_in_any() {
    let script = document("scripts/reliability");
    let all = script.split("\nall=(").nth(1).unwrap();
    let page = document("docs/reliability.md");
    for section in all.split(')').next().unwrap().split(' ') {
        let start = format!("\n<!-- {section} -->\n");
        let end = format!("<!-- end of {section} -->\n");
        let table = page
            .split(&start)
            .nth(1)
            .unwrap_or_else(|| panic!("no mark for {section}"));
        let table = table.split(&end).next().unwrap();
        assert!(!table.contains("<!--"), "{section} has no end");
        let rows = rows(table);
        assert!(!rows.is_empty(), "{section} has no row");
        for row in rows {
            let [_, cases, not_reached, failures, command] = row[..] else {
                panic!("{section}: {row:?}");
            };
            assert_ne!(cases, "0", "{row:?}");
            assert_eq!((not_reached, failures), ("0", "0"), "{row:?}");
            assert_eq!(command, format!("`scripts/reliability {section}`"));
        }
    }
}

#[test]
fn the_page_of_reliability_has_a_row_of_each_fuzz_target() {
    let script = document("scripts/fuzz");
    let whats = script.split("\nwhat() {").nth(1).unwrap();
    let page = document("docs/reliability.md");
    let mut targets = 0;
    for line in whats.lines().take_while(|line| *line != "}") {
        let Some((_, said)) = line.split_once(") echo ") else {
            continue;
        };
        let what = said.trim_end_matches(" ;;").trim_matches(['\'', '"']);
        let row = format!("\n| inputs of {what}, led by coverage | ");
        assert!(page.contains(&row), "no row of {what}");
        targets += 1;
    }
    let all = script.split("\nall=(").nth(1).unwrap();
    let all = all.split(')').next().unwrap();
    assert_eq!(targets, all.split(' ').count());
}

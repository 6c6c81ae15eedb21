//! Tables that name everything there is, and help that fits a terminal.

use std::collections::BTreeSet;

use certroll::resource::KINDS;

use super::{certroll, document, keys, rows, section};

#[test]
fn the_tables_of_the_readme_name_every_key_kind_and_story() {
    let readme = document("README.md");
    let words = |cell: &str| -> Vec<String> {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    };
    let table = section(&readme, "## Profiles");
    let table = rows(table.split("\n### ").next().unwrap());
    let named: BTreeSet<String> = table.iter().flat_map(|row| words(row[0])).collect();
    assert_eq!(named, keys(&document("docs/profiles.md"), "## Top level"));
    let resources = table.iter().find(|row| row[0] == "`resources`").unwrap();
    let kinds: BTreeSet<String> = words(resources[1])
        .iter()
        .map(|word| word.trim_start_matches("kind: ").to_owned())
        .collect();
    let all = KINDS.iter().map(|kind| kind.name().to_owned());
    assert_eq!(kinds, all.collect());
    let commands = rows(section(&readme, "## Commands"));
    let demo = commands.iter().find(|row| row[0] == "`demo`").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let wrong = certroll(dir.path(), "demo nosuch");
    let wrong = String::from_utf8(wrong.stderr).unwrap();
    let stories = wrong.split("possible values: wazo, ").nth(1).unwrap();
    let stories: Vec<&str> = stories.split(']').next().unwrap().split(", ").collect();
    assert!(stories.len() > 1, "{wrong}");
    for story in stories {
        assert!(demo[1].contains(&format!("`demo {story}`")), "{story}");
    }
}

#[test]
fn no_table_of_the_documents_is_cut_by_an_empty_line() {
    for name in ["README.md", "docs/architecture.md", "docs/profiles.md"] {
        let text = document(name);
        for part in text.split("\n\n|").skip(1) {
            let second = part.lines().nth(1).unwrap();
            assert!(second.starts_with("|-"), "{name}: no head over |{part:.60}");
        }
    }
}

#[test]
fn every_help_has_its_own_options_first_and_examples_that_fit_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let help = |line: &str| {
        let out = certroll(dir.path(), &format!("{line} --help")).stdout;
        String::from_utf8(out).unwrap()
    };
    let below = |text: &str| -> Vec<String> {
        let list = text.split("\nCommands:\n").nth(1).unwrap_or_default();
        let list = list.split("\n\n").next().unwrap();
        let own = list.lines().filter_map(|line| line.strip_prefix("  "));
        let own = own.filter(|line| !line.starts_with(' '));
        own.filter_map(|line| line.split(' ').next())
            .filter(|name| *name != "help")
            .map(str::to_owned)
            .collect()
    };
    let (mut left, mut examples) = (vec![String::new()], 0);
    while let Some(line) = left.pop() {
        let text = help(&line);
        let (own, everywhere) = text.split_once("\nEverywhere:\n").unwrap();
        assert!(!own.contains("--state <DIR>"), "{line}: {own}");
        assert!(everywhere.contains("--state <DIR>"), "{line}");
        if let Some((_, after)) = text.split_once("\nExamples:\n") {
            examples += 1;
            let wide: Vec<&str> = after.lines().filter(|l| l.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{line}: {wide:#?}");
        }
        left.extend(below(&text).iter().map(|name| format!("{line} {name}")));
    }
    assert!(examples > 8, "only {examples} have examples");
    assert!(help("doctor").contains("[ROLLOUT|HOST:PORT]"));
}

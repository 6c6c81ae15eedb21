//! The tables of docs/profiles.md that are measured.

use std::{env, fs, path::Path};

use super::Shown;

/// Writes a table between the marks of its name into the page that `CERTROLL_CATALOGUE` names; tells whether one is named.
pub(crate) fn put(name: &str, table: &str) -> bool {
    let Some(page) = env::var_os("CERTROLL_CATALOGUE") else {
        return false;
    };
    let (begin, end) = marks(name);
    let text = fs::read_to_string(&page).unwrap();
    let (head, rest) = text
        .split_once(&begin)
        .expect("the page has no mark for it");
    let (_, tail) = rest.split_once(&end).unwrap();
    fs::write(page, format!("{head}{begin}\n{table}\n{end}{tail}")).unwrap();
    true
}

fn marks(name: &str) -> (String, String) {
    (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->\n"),
    )
}

/// Writes the table into the page that `CERTROLL_CATALOGUE` names, or else asserts that docs/profiles.md has every row;
/// versions may differ there, since Debian's do.
pub(super) fn settle(mut shown: Vec<Shown>) {
    shown.sort_by_key(|one| one.profile);
    let rows: String = shown.iter().map(row).collect();
    let head = "| profile | tested | what proves it | reload suffices |\n|---|---|---|---|\n";
    if put("catalogue", &format!("{head}{rows}")) {
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/profiles.md");
    let text = fs::read_to_string(page).unwrap();
    let (begin, end) = marks("catalogue");
    let (_, rest) = text.split_once(&begin).unwrap();
    let (table, _) = rest.split_once(&end).unwrap();
    let without_version = |row: &str| {
        let cells: Vec<String> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
        let keep = |at: &usize| *at != 2;
        (0..cells.len())
            .filter(keep)
            .map(|at| cells[at].clone())
            .collect::<Vec<_>>()
    };
    let told: Vec<_> = table
        .lines()
        .filter(|l| l.starts_with("| `"))
        .map(without_version)
        .collect();
    let found: Vec<_> = shown
        .iter()
        .map(|one| without_version(row(one).trim_end()))
        .collect();
    assert_eq!(
        told, found,
        "docs/profiles.md tells another story than the daemons"
    );
}

fn row(shown: &Shown) -> String {
    let Shown {
        profile,
        version,
        proof,
        reload,
    } = shown;
    format!("| `{profile}` | {version} | {proof} | {reload} |\n")
}

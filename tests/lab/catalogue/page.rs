//! The table of daemons in docs/profiles.md.

use std::{env, fs, path::Path};

use super::Shown;

const BEGIN: &str = "<!-- catalogue -->\n";
const END: &str = "<!-- end of catalogue -->\n";

/// Writes the table into the page that `CERTROLL_CATALOGUE` names, or else asserts that docs/profiles.md has every row;
/// versions may differ there, since Debian's do.
pub(super) fn settle(mut shown: Vec<Shown>) {
    shown.sort_by_key(|one| one.profile);
    if let Some(page) = env::var_os("CERTROLL_CATALOGUE") {
        let text = fs::read_to_string(&page).unwrap();
        let (head, rest) = text.split_once(BEGIN).expect("the page has no mark for it");
        let (_, tail) = rest.split_once(END).unwrap();
        let rows: String = shown.iter().map(row).collect();
        let table = format!(
            "\n| profile | tested | what proves it | reload suffices |\n|---|---|---|---|\n{rows}\n"
        );
        fs::write(page, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/profiles.md");
    let text = fs::read_to_string(page).unwrap();
    let (_, rest) = text.split_once(BEGIN).unwrap();
    let (table, _) = rest.split_once(END).unwrap();
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

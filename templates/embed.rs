//! Builds the table of built-in profiles from the folders beside this file, so that a profile is a folder of data alone.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a build script reads files and speaks to cargo on standard output"
)]

use std::{env, fmt::Write as _, fs, io, path::Path};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=templates");
    let missing = |_| io::Error::from(io::ErrorKind::NotFound);
    let here = env::var("CARGO_MANIFEST_DIR").map_err(missing)?;
    let out = env::var("OUT_DIR").map_err(missing)?;
    let mut table = "[\n".to_owned();
    for (name, folder) in entries(&Path::new(&here).join("templates"))? {
        if folder.is_dir() {
            let mut files = String::new();
            for (file, path) in entries(&folder)? {
                let _ = writeln!(
                    files,
                    "({file:?}, include_str!({:?})),",
                    path.display().to_string()
                );
            }
            let _ = writeln!(table, "({name:?}, &[\n{files}]),");
        }
    }
    fs::write(Path::new(&out).join("embedded.rs"), table + "]\n")
}

/// Returns the names in a folder with their paths, in order.
fn entries(folder: &Path) -> io::Result<Vec<(String, std::path::PathBuf)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        entries.push((
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
        ));
    }
    entries.sort();
    Ok(entries)
}

//! The figures of docs/performance.md: certroll beside the least that a correct tool must ask of the kernel.
//!
//! `cargo bench --bench figures` prints the table, `-- --write` also rewrites docs/performance.md, and `-- --smoke` runs
//! everything once at a small size, where only the outcomes mean something. `-- --dir DIR` works on another file system.
//!
//! Both programs are measured in turn, in one run on one file system, as a whole process from start to exit; medians
//! are compared. Each outcome is checked by the other program: what certroll put in place is checked by `least check`,
//! and where `least apply` put it in place `certroll plan` must find nothing to do.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench makes trees, starts programs, reads the clock and prints; it is no part of certroll"
)]

use std::{error::Error, fs, path::PathBuf, process::ExitCode};

use crate::{programs::Programs, report::Report};

mod programs;
mod report;
mod sample;
mod tree;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// How many services the roots have, and how often each figure is taken.
struct Scale {
    idle: [usize; 3],
    idle_runs: usize,
    first: [usize; 3],
    first_runs: usize,
    many: usize,
}

const FULL: Scale = Scale {
    idle: [20, 1_000, 20_000],
    idle_runs: 21,
    first: [20, 1_000, 20_000],
    first_runs: 5,
    many: 100_000,
};

const SMOKE: Scale = Scale {
    idle: [2, 5, 20],
    idle_runs: 1,
    first: [2, 5, 20],
    first_runs: 1,
    many: 50,
};

#[derive(Default)]
struct Options {
    smoke: bool,
    write: bool,
    dir: Option<PathBuf>,
}

fn options() -> Result<Options> {
    let mut options = Options::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // What `cargo bench` itself passes.
            "--bench" => {}
            "--smoke" => options.smoke = true,
            "--write" => options.write = true,
            "--dir" => options.dir = Some(args.next().ok_or("`--dir` wants a directory")?.into()),
            _ => {
                return Err(format!(
                    "unknown argument `{arg}`: known are `--smoke`, `--write` and `--dir DIR`"
                )
                .into());
            }
        }
    }
    if options.smoke && options.write {
        return Err("`--smoke` has no figures to write".into());
    }
    Ok(options)
}

fn measure(options: &Options) -> Result<Report> {
    let scale = if options.smoke { &SMOKE } else { &FULL };
    // Not /tmp: that is memory on many machines, where a sync costs nothing.
    let parent = options
        .dir
        .clone()
        .unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    let work = tempfile::Builder::new()
        .prefix("figures-")
        .tempdir_in(&parent)?;
    let programs = Programs::new(work.path())?;

    let mut report = Report::new(&parent, scale.idle_runs, scale.first_runs);
    report.nothing_to_do(&sample::nothing_to_do(
        &programs,
        scale.idle,
        scale.idle_runs,
    )?);
    let mut largest = None;
    for (nth, services) in scale.first.into_iter().enumerate() {
        let sample = sample::first_apply(&programs, services, scale.first_runs)?;
        // The smallest is mostly the programs' own starts.
        report.first_apply(&sample, nth > 0);
        largest = Some(sample);
    }
    let many = sample::many(&programs, scale.many)?;
    if let Some(largest) = largest {
        report.many(&many, &largest);
    }
    Ok(report)
}

fn run() -> Result<()> {
    let options = options()?;
    let report = measure(&options)?;
    if options.smoke {
        println!("every outcome is right; the figures of such small roots mean nothing");
        return Ok(());
    }
    print!("{}", report.table());
    if options.write {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
        // The section of the other bench stays.
        let page = fs::read_to_string(path)?;
        let probes = page.find("\n<!-- probes -->").map_or("", |at| &page[at..]);
        fs::write(path, report.page() + probes)?;
        println!("wrote {path}");
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

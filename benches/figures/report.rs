//! The table, and the page of docs/performance.md around it.

use std::{fmt::Write, fs, num::NonZero, path::Path, thread, time::Duration};

use crate::sample::{First, Idle, Many};

/// One line of the table.
struct Row {
    what: String,
    certroll: String,
    least: String,
    figure: String,
    hold: &'static str,
    /// Whether that holds; none where there is nothing to hold.
    holds: Option<bool>,
}

/// All that was measured, as it will be shown.
pub(crate) struct Report {
    machine: String,
    idle_runs: usize,
    first_runs: usize,
    rows: Vec<Row>,
    /// What certroll takes beside a check of the links alone.
    links: String,
}

impl Report {
    pub(crate) fn new(dir: &Path, idle_runs: usize, first_runs: usize) -> Self {
        Self {
            machine: machine(dir),
            idle_runs,
            first_runs,
            rows: Vec::new(),
            links: String::new(),
        }
    }

    pub(crate) fn nothing_to_do(&mut self, idle: &Idle) {
        self.rows.push(Row {
            what: "start-up (`--version`)".to_owned(),
            certroll: ms(idle.version),
            least: String::new(),
            figure: ms(idle.version),
            hold: "under 3 ms",
            holds: Some(idle.version < Duration::from_millis(3)),
        });
        let [few, more @ ..] = &idle.at;
        let over = few.1.saturating_sub(idle.version);
        self.rows.push(Row {
            what: format!("nothing to do, {} services", thousands(few.0)),
            certroll: ms(few.1),
            least: ms(few.2),
            figure: format!("{} over start-up", ms(over)),
            hold: "within 6 ms of start-up",
            holds: Some(over <= Duration::from_millis(6)),
        });
        for &(services, certroll, least) in more {
            let own = certroll.saturating_sub(idle.start);
            let theirs = least.saturating_sub(idle.least_start);
            self.ratio(
                format!(
                    "nothing to do, {} services, each less its own start",
                    thousands(services)
                ),
                own,
                theirs,
                true,
            );
        }
        let [.., (services, certroll, _)] = idle.at;
        let own = certroll.saturating_sub(idle.start).as_secs_f64();
        let links = idle.links.saturating_sub(idle.least_start);
        self.links = format!(
            "{:.2}x of the {} that the links of {} services alone take",
            own / links.as_secs_f64(),
            ms(links),
            thousands(services)
        );
    }

    /// Adds a row for first applies; one that is only told has nothing to hold.
    pub(crate) fn first_apply(&mut self, first: &First, is_held: bool) {
        let what = format!(
            "first apply, durable, {} services",
            thousands(first.services)
        );
        self.ratio(what, first.certroll, first.least, is_held);
    }

    pub(crate) fn many(&mut self, many: &Many, smaller: &First) {
        let services = thousands(many.services);
        #[expect(
            clippy::cast_precision_loss,
            reason = "numbers of services are far below 2^52"
        )]
        let growth = many.first.as_secs_f64() / smaller.certroll.as_secs_f64()
            * smaller.services as f64
            / many.services as f64;
        self.rows.push(Row {
            what: format!(
                "first apply, {services} services: time for each beside that at {}",
                thousands(smaller.services)
            ),
            certroll: ms(many.first),
            least: String::new(),
            figure: format!("{growth:.2}x"),
            hold: "linear (within 1.5x)",
            holds: Some(growth <= 1.5),
        });
        self.rows.push(Row {
            what: format!("peak memory, {services} services"),
            certroll: format!("{} MB", many.peak * 1024 / 1_000_000),
            least: String::new(),
            figure: format!("{} MB", many.peak * 1024 / 1_000_000),
            hold: "under 150 MB",
            holds: Some(many.peak * 1024 < 150_000_000),
        });
    }

    fn ratio(&mut self, what: String, certroll: Duration, least: Duration, is_held: bool) {
        let ratio = certroll.as_secs_f64() / least.as_secs_f64();
        self.rows.push(Row {
            what,
            certroll: ms(certroll),
            least: ms(least),
            figure: format!("{ratio:.2}x"),
            hold: if is_held { "within 2x" } else { "" },
            holds: is_held.then_some(ratio <= 2.0),
        });
    }

    /// Returns the table alone.
    pub(crate) fn table(&self) -> String {
        let mut table = "| what | certroll | the least | figure | to hold | holds |\n|---|---|---|---|---|---|\n".to_owned();
        for row in &self.rows {
            let Row {
                what,
                certroll,
                least,
                figure,
                hold,
                holds,
            } = row;
            let holds = match holds {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                table,
                "| {what} | {certroll} | {least} | {figure} | {hold} | {holds} |"
            );
        }
        table
    }

    /// Returns the whole of docs/performance.md.
    pub(crate) fn page(&self) -> String {
        let Self {
            machine,
            idle_runs,
            first_runs,
            links,
            ..
        } = self;
        let table = self.table();
        format!(
            "\
# Performance

Written by `cargo bench --bench figures -- --write`; run it to get the figures of your machine. Only ratios travel from one
machine to another: both programs of a line were measured in one run, in turn, on one file system. Times are those of
whole processes, from start to exit.

Measured on {machine}

{table}
- **The least** is `benches/least.c`: the fewest system calls that can check, or durably put in place, the same tree as
  safely. To check, it lists `/etc` once, and for each service opens `conf.d` inside the root with no link followed, lists it
  (another file could mask ours), asks whether there is a `config.yml` (which could name another directory), looks at the
  link and reads its target; the pair, the override, the hosts template and `/etc/hosts` are read and compared. Without
  the two questions in brackets, which certroll always asks, certroll takes {links}. To apply, it saves what was there, stages every file and link, syncs, renames them all, and syncs.
- **Nothing to do** is `certroll --root R apply --yes --profile wazo --cert C --key K` on a root where everything is in
  place; median of {idle_runs} runs. A program's own start is the same run on a root of one service.
- **First apply** is that command on a fresh root, with everything else on the disk before; median of {first_runs} runs. The trees
  that the two programs leave are checked by each other.
- **Peak memory** is the larger maximum resident set of a first apply and of a run with nothing to do.
"
        )
    }
}

fn ms(time: Duration) -> String {
    // Small ones to a hundredth: what is just over a limit must not read as the limit.
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 100.0 {
        format!("{ms:.2} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

fn thousands(number: usize) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

/// Says what the figures depend on: processor, kernel, file system.
fn machine(dir: &Path) -> String {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed processor", |(_, name)| name.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split(['-', '\n']).next().unwrap_or_default();
    format!(
        "{cores} cores of {model}, Linux {kernel}, {}.",
        file_system(dir)
    )
}

/// Returns the type of the file system that holds a directory, by `/proc/self/mounts`.
fn file_system(dir: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let holding = fields.filter(|mount| mount.len() > 2 && dir.starts_with(mount[1]));
    let nearest = holding.max_by_key(|mount| mount[1].len());
    nearest.map_or_else(
        || "an unknown file system".to_owned(),
        |mount| mount[2].to_owned(),
    )
}

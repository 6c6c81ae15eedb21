//! What is measured: every figure a median of runs that take turns.

use std::{fs, time::Duration};

use crate::{Result, programs::Programs};

/// Medians of runs that have nothing to do.
pub(crate) struct Idle {
    /// `certroll --version`.
    pub(crate) version: Duration,
    /// certroll on a root of one service: its own start.
    pub(crate) start: Duration,
    /// The least program on that root.
    pub(crate) least_start: Duration,
    /// For each number of services: certroll, the least program.
    pub(crate) at: [(usize, Duration, Duration); 3],
    /// The links alone of the largest root, by the least program.
    pub(crate) links: Duration,
}

/// Medians of first applies at one number of services.
pub(crate) struct First {
    pub(crate) services: usize,
    pub(crate) certroll: Duration,
    pub(crate) least: Duration,
}

/// One first apply and one run with nothing to do on a very large host.
pub(crate) struct Many {
    pub(crate) services: usize,
    pub(crate) first: Duration,
    /// The most memory that either run held, in KiB.
    pub(crate) peak: u64,
}

/// Measures start-up and runs that have nothing to do.
pub(crate) fn nothing_to_do(programs: &Programs, sizes: [usize; 3], runs: usize) -> Result<Idle> {
    let mut roots = Vec::new();
    for services in sizes {
        let root = programs.fresh(&format!("idle-{services}"), services)?;
        programs.differs(&root)?;
        programs.apply(&root)?;
        programs.holds(&root)?;
        roots.push(root);
    }
    rustix::fs::sync();

    let mut starts = [(); 3].map(|()| Vec::new());
    let mut certroll = [(); 3].map(|()| Vec::new());
    let mut least = [(); 3].map(|()| Vec::new());
    let mut links = Vec::new();
    for _ in 0..runs {
        starts[0].push(Programs::version()?);
        starts[1].push(programs.apply(&programs.reference)?);
        starts[2].push(programs.least_check(&programs.reference)?);
        for (i, root) in roots.iter().enumerate() {
            certroll[i].push(programs.apply(root)?);
            least[i].push(programs.least_check(root)?);
        }
        links.push(programs.least_links(&roots[2])?);
    }
    for root in roots {
        fs::remove_dir_all(root)?;
    }
    let [version, start, least_start] = starts.map(median);
    let (certroll, least) = (certroll.map(median), least.map(median));
    let at = [0, 1, 2].map(|i| (sizes[i], certroll[i], least[i]));
    Ok(Idle {
        version,
        start,
        least_start,
        at,
        links: median(links),
    })
}

/// Measures first applies, each on a fresh root; the two programs take turns at going first.
pub(crate) fn first_apply(programs: &Programs, services: usize, runs: usize) -> Result<First> {
    let (mut certroll, mut least) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let ours = programs.fresh("first-certroll", services)?;
        let theirs = programs.fresh("first-least", services)?;
        for turn in [run % 2, (run + 1) % 2] {
            rustix::fs::sync();
            if turn == 0 {
                certroll.push(programs.apply(&ours)?);
            } else {
                least.push(programs.least_apply(&theirs)?);
            }
        }
        for root in [ours, theirs] {
            programs.holds(&root)?;
            fs::remove_dir_all(root)?;
        }
    }
    Ok(First {
        services,
        certroll: median(certroll),
        least: median(least),
    })
}

/// Measures the memory of a first apply and of a run with nothing to do at a very large number of services.
pub(crate) fn many(programs: &Programs, services: usize) -> Result<Many> {
    let root = programs.fresh("many", services)?;
    let (first, peak) = programs.apply_peak(&root)?;
    programs.holds(&root)?;
    let (_, idle_peak) = programs.apply_peak(&root)?;
    fs::remove_dir_all(root)?;
    Ok(Many {
        services,
        first,
        peak: peak.max(idle_peak),
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

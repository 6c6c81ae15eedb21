//! What is interrupted: a rollout, a rollback, and recoveries of runs that were interrupted themselves.

use super::{
    Judged, WORKERS,
    disks::Kind,
    site::Site,
    trace::{self, Injected, Point},
};
use crate::common::Scratch;

/// A command that starts from a state that was kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) from: &'static str,
    pub(crate) verb: &'static str,
}

/// A run of a phase that died as it was about to do something.
struct Death {
    /// The name under which what it left is kept.
    name: &'static str,
    phase: Phase,
    /// The call it died at, and a name that the call is about.
    call: &'static str,
    about: &'static str,
    /// Which of those calls it was.
    nth: usize,
}

const APPLY: Phase = Phase {
    from: "fresh",
    verb: "apply",
};

const ROLLBACK: Phase = Phase {
    from: "placed",
    verb: "rollback",
};

/// What recoveries start from, in an order in which each can be made of those before.
const DEATHS: [Death; 6] = [
    Death {
        name: "staging",
        phase: APPLY,
        call: "symlinkat",
        about: "override.yml",
        nth: 10,
    },
    // The key is switched, the leaf is not.
    Death {
        name: "split",
        phase: APPLY,
        call: "renameat",
        about: "server.crt",
        nth: 0,
    },
    // The record of the service's command is durable, and the command is about to start.
    Death {
        name: "running",
        phase: APPLY,
        call: "mkdirat",
        about: "/run/certroll",
        nth: 1,
    },
    Death {
        name: "committed",
        phase: APPLY,
        call: "renameat",
        about: "rollouts.json",
        nth: 0,
    },
    Death {
        name: "back-split",
        phase: ROLLBACK,
        call: "renameat",
        about: "server.crt",
        nth: 0,
    },
    Death {
        name: "restoring",
        phase: Phase {
            from: "running",
            verb: "recover",
        },
        call: "renameat",
        about: "server.crt",
        nth: 0,
    },
];

impl Phase {
    /// Every phase.
    pub(crate) fn all() -> Vec<Self> {
        let recover = |death: &Death| Self {
            from: death.name,
            verb: "recover",
        };
        [APPLY, ROLLBACK]
            .into_iter()
            .chain(DEATHS.iter().map(recover))
            .collect()
    }

    /// Tells whether the new tree is there once it has ended well.
    pub(crate) fn ends_new(self) -> bool {
        self.verb == "apply" || self.from == "committed" || self.from == "back-split"
    }

    /// Returns the calls of the phase that change something, in order.
    pub(crate) fn points(self, site: &Site<'_>) -> Vec<Point> {
        site.restore(self.from);
        let (run, points) = trace::points(site.scratch, &site.name, &site.does(self.verb));
        run.exits(0);
        points
    }

    /// Tells whether a series of ends, by the order of the calls, is possible: a recovery has one end, and what was
    /// once final stays so.
    pub(crate) fn is_possible(self, ends: &[Judged]) -> bool {
        let ends: Vec<bool> = ends.iter().filter_map(Judged::end).collect();
        let turns = ends.windows(2).filter(|two| two[0] != two[1]).count();
        turns <= usize::from(self.verb != "recover")
    }
}

/// Makes a host for each worker on disks of a kind, and keeps on each what the phases start from.
pub(crate) fn sites(scratch: &Scratch, kind: Kind) -> Vec<Site<'_>> {
    let sites: Vec<Site<'_>> = (0..WORKERS)
        .map(|n| Site::new(scratch, kind, &format!("w{n}")))
        .collect();
    die(&sites);
    sites
}

fn die(sites: &[Site<'_>]) {
    for death in &DEATHS {
        let points = death.phase.points(&sites[0]);
        let mut these = points
            .iter()
            .filter(|p| p.call == death.call && p.is_about(death.about));
        let point = these
            .nth(death.nth)
            .unwrap_or_else(|| panic!("no {} in {points:#?}", death.name));
        for site in sites {
            site.restore(death.phase.from);
            let killed = trace::kill(
                site.scratch,
                &site.name,
                point,
                &site.does(death.phase.verb),
            );
            assert!(
                matches!(killed, Injected::Done(_)),
                "{}: {killed:?}",
                death.name
            );
            // There is something to recover: where files were being switched, some are and some are not.
            let whole = [&site.old, &site.new].contains(&&site.tree());
            assert_eq!(
                whole,
                ["running", "committed"].contains(&death.name),
                "{}",
                death.name
            );
            site.keep(death.name);
        }
    }
}

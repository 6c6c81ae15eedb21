//! The walk itself.

use std::net::IpAddr;

use serde::Serialize;

use super::{
    Place, Rules,
    site::{Directories, Held, Role, Site, folded, suffixes},
};

/// One place that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The domain, or the role with its directory.
    pub at: String,
    /// What was found there, for people.
    pub found: String,
}

/// Whose certificate answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A domain's.
    Domain(String),
    /// That of a role's directory.
    Directory {
        /// The role that serves the request.
        role: String,
        /// The directory, as the configuration has it.
        path: String,
    },
    /// The one that the platform comes with.
    Builtin {
        /// The role that serves the request.
        role: String,
    },
    /// That of the role that serves the request; no configuration tells which.
    Role,
}

/// What answers, for the whole platform or where one role serves the request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Whose it is.
    pub origin: Origin,
    /// What it is; none where that was not looked at.
    pub held: Option<Held>,
}

/// How an answer was come to.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The name, as it is compared; none where a client sends none.
    pub name: Option<String>,
    /// Why a name was not looked for, where it was not.
    pub nameless: Option<&'static str>,
    /// Every place that was looked at, in order.
    pub steps: Vec<Step>,
    /// One answer where a domain answers; else one for each role that may serve the request.
    pub answers: Vec<Answer>,
}

/// Follows a platform's rules for one name, or for a client that sends none.
///
/// A value that is set answers, be it broken or expired; only a directory is passed over for what is wrong in it.
#[must_use]
pub fn explain(rules: &Rules, site: &Site, directories: &Directories, name: Option<&str>) -> Walk {
    let mut walk = Walk {
        name: name.map(folded),
        nameless: None,
        steps: Vec::new(),
        answers: Vec::new(),
    };
    let asked = match &walk.name {
        None => Err("the client sends no name"),
        Some(name) if name.parse::<IpAddr>().is_ok() => Err("an address is never sent as a name"),
        Some(name) => Ok(name.clone()),
    };
    match asked {
        Ok(asked) => {
            let places = if site.domains.contains_key(&asked) {
                &rules.named
            } else {
                &rules.other
            };
            for domain in places.iter().flat_map(|p| candidates(*p, site, &asked)) {
                let Some(held) = site.domains.get(domain) else {
                    continue;
                };
                walk.steps.push(Step {
                    at: format!("domain {domain}"),
                    found: told(held),
                });
                if !matches!(held, Held::Unset) {
                    walk.answers.push(Answer {
                        origin: Origin::Domain(domain.to_owned()),
                        held: Some(held.clone()),
                    });
                    return walk;
                }
            }
        }
        Err(why) => walk.nameless = Some(why),
    }
    match &site.roles {
        None => walk.answers.push(Answer {
            origin: Origin::Role,
            held: None,
        }),
        Some(all) => {
            for role in all {
                let (step, answer) = of_role(role, directories);
                walk.steps.push(step);
                walk.answers.push(answer);
            }
        }
    }
    walk
}

/// Returns the domains of a place, in the order they are looked at.
fn candidates<'s>(place: Place, site: &'s Site, name: &'s str) -> Vec<&'s str> {
    let known = |name: &&str| site.domains.contains_key(*name);
    match place {
        Place::Itself => Some(name).into_iter().filter(known).collect(),
        Place::Parents => std::iter::successors(site.parent(name), |d| site.parent(d)).collect(),
        Place::Suffixes => {
            let below = suffixes(name).filter(|s| *s != site.master);
            below.filter(known).collect()
        }
        Place::Master => vec![&site.master],
    }
}

fn of_role(role: &Role, directories: &Directories) -> (Step, Answer) {
    let builtin = |found: String, at: String| {
        let step = Step { at, found };
        let origin = Origin::Builtin {
            role: role.name.clone(),
        };
        (step, Answer { origin, held: None })
    };
    let at = format!("role {}", role.name);
    let path = match &role.directory {
        None => return builtin("no directory is set".to_owned(), at),
        Some(Err(why)) => return builtin(why.clone(), at),
        Some(Ok(path)) => path,
    };
    let at = format!("{at}, {path}");
    let held = directories.get(path);
    let fault = match held {
        Some(Held::Unset) => Some("it holds no pair"),
        Some(held) => held.fault(),
        None => None,
    };
    if let Some(fault) = fault {
        return builtin(fault.to_owned(), at);
    }
    let step = Step {
        at,
        found: held.map_or_else(|| "not looked at".to_owned(), told),
    };
    let origin = Origin::Directory {
        role: role.name.clone(),
        path: path.clone(),
    };
    let held = held.cloned();
    (step, Answer { origin, held })
}

fn told(held: &Held) -> String {
    match held {
        Held::Unset => "not set".to_owned(),
        Held::Leaf(leaf, None) => leaf.title(),
        Held::Leaf(leaf, Some(fault)) => format!("{}; {fault}", leaf.title()),
        Held::Broken(why) => why.clone(),
    }
}

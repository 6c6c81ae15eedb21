//! Which certificate is the leaf, which key is its own, and in which order the chain leads to its root.

use super::{
    Holds, Identity, Input, Remark,
    certificate::Certificate,
    key::Key,
    locked::Locked,
    read::{self, Contents},
};
use crate::{
    error::{Error, Result, backticked},
    preflight::{Finding, Severity},
    state::Bytes,
};

/// Certificates in one identity: a public chain has three or four, and ordering compares each with each.
const MOST_CERTIFICATES: usize = 100;

/// Everything the inputs hold, doubles removed, each with the index of its input.
#[derive(Debug, Default)]
struct Pool {
    certificates: Vec<(usize, Certificate)>,
    keys: Vec<(usize, Key)>,
    locked: Vec<(usize, Locked)>,
}

/// What several inputs hold, read once.
#[derive(Debug)]
pub struct Parts<'a> {
    inputs: &'a [Input],
    holds: Vec<Holds>,
    pool: Pool,
    remarks: Vec<Remark>,
    findings: Vec<Finding>,
}

impl<'a> Parts<'a> {
    /// Reads inputs, encrypted keys and stores with a password.
    ///
    /// # Errors
    /// [`Error::Input`] where one is empty, junk, cut off or a store that does not open.
    pub fn read(inputs: &'a [Input], password: Option<&Bytes>) -> Result<Self> {
        let mut parts = Self {
            inputs,
            holds: Vec::new(),
            pool: Pool::default(),
            remarks: Vec::new(),
            findings: Vec::new(),
        };
        for (at, input) in inputs.iter().enumerate() {
            parts.add(at, read::read(input, password)?);
        }
        Ok(parts)
    }

    fn add(&mut self, at: usize, found: Contents) {
        let pool = &mut self.pool;
        self.holds.push(Holds {
            certificate: !found.certificates.is_empty(),
            key: !found.keys.is_empty() || !found.locked.is_empty(),
        });
        for certificate in found.certificates {
            if !pool
                .certificates
                .iter()
                .any(|(_, known)| known.der == certificate.der)
            {
                pool.certificates.push((at, certificate));
            }
        }
        for key in found.keys {
            if !pool
                .keys
                .iter()
                .any(|(_, known)| known.public() == key.public())
            {
                pool.keys.push((at, key));
            }
        }
        pool.locked
            .extend(found.locked.into_iter().map(|locked| (at, locked)));
        self.remarks.extend(found.remarks);
        self.findings.extend(found.findings);
    }

    /// Tells what an input holds; none where there is none of this name.
    #[must_use]
    pub fn hold(&self, name: &str) -> Option<Holds> {
        let at = self.inputs.iter().position(|input| input.name == name)?;
        self.holds.get(at).copied()
    }

    /// Puts the identity together; see [`Identity::assemble`].
    ///
    /// # Errors
    /// [`Error::Input`] where no leaf is among them.
    pub fn assemble(self) -> Result<(Identity, Vec<Finding>)> {
        let Self {
            inputs,
            mut pool,
            remarks,
            mut findings,
            ..
        } = self;
        enough(&pool, inputs)?;

        let (leaf_at, own_key) = choose(&pool, inputs, &mut findings)?;
        let key = take_key(&mut pool, own_key, inputs, leaf_at, &mut findings);
        let order = order(&pool.certificates, leaf_at);
        describe(&pool.certificates, &order, inputs, &mut findings);

        let pick = |at: &usize| pool.certificates[*at].1.clone();
        let identity = Identity {
            leaf: pick(&leaf_at),
            chain: order.chain.iter().map(pick).collect(),
            anchor: order.roots.first().map(pick),
            key,
            remarks,
        };
        Ok((identity, findings))
    }
}

fn names(inputs: &[Input]) -> String {
    backticked(&inputs.iter().map(|i| i.name.clone()).collect::<Vec<_>>())
}

fn enough(pool: &Pool, inputs: &[Input]) -> Result<()> {
    let bad = |message: String, hint: &str| {
        Err(Error::Input {
            subject: names(inputs),
            message,
            hint: hint.to_owned(),
        })
    };
    if inputs.is_empty() {
        return Err(Error::Usage {
            message: "no certificate was given".to_owned(),
            hint: "--cert F --key F".to_owned(),
        });
    }
    if pool.certificates.is_empty() {
        return bad(
            "only a private key, no certificate".to_owned(),
            "name the file of the leaf as well",
        );
    }
    if pool.certificates.len() > MOST_CERTIFICATES {
        let message = format!(
            "{} certificates, wanted at most {MOST_CERTIFICATES}: is it a trust store?",
            pool.certificates.len()
        );
        return bad(message, "give the leaf and its chain alone");
    }
    Ok(())
}

/// Picks the leaf, and the key that is its own.
fn choose(
    pool: &Pool,
    inputs: &[Input],
    findings: &mut Vec<Finding>,
) -> Result<(usize, Option<usize>)> {
    let all = &pool.certificates;
    let issues = |at: usize| {
        all.iter()
            .enumerate()
            .any(|(child, (_, c))| child != at && !c.self_signed && all[at].1.issued(c))
    };
    let mut matches: Vec<(usize, usize)> = Vec::new();
    for (key_at, (_, key)) in pool.keys.iter().enumerate() {
        let own = all
            .iter()
            .enumerate()
            .filter(|(_, (_, c))| c.public().as_ref() == Some(key.public()));
        // A key that belongs to an issuer among them is the CA's, given by mistake.
        matches.extend(
            own.map(|(at, _)| (at, key_at))
                .filter(|(at, _)| !issues(*at)),
        );
    }
    if let [(leaf, key), rest @ ..] = matches.as_slice() {
        if !rest.is_empty() {
            findings.push(two_leaves(
                matches.iter().map(|(at, _)| &all[*at].1),
                "matches the key",
            ));
        }
        return Ok((*leaf, Some(*key)));
    }

    let ends = |at: &usize| !all[*at].1.is_ca && !issues(*at);
    let mut candidates: Vec<usize> = (0..all.len()).filter(ends).collect();
    if candidates.is_empty() {
        let nameless = |c: &Certificate| c.dns.is_empty() && c.ips.is_empty();
        let named = |at: &usize| !nameless(&all[*at].1) && !issues(*at);
        candidates = (0..all.len()).filter(named).collect();
    }
    match candidates.as_slice() {
        [] if all.len() == 1 && all[0].1.self_signed => Ok((0, None)),
        [] => Err(Error::Input {
            subject: names(inputs),
            message: "only certificates of CAs, no leaf among them".to_owned(),
            hint: "give the certificate that was issued for this host: `--cert F`".to_owned(),
        }),
        [leaf] => Ok((*leaf, None)),
        [leaf, ..] => {
            findings.push(two_leaves(
                candidates.iter().map(|at| &all[*at].1),
                "could be the leaf",
            ));
            Ok((*leaf, None))
        }
    }
}

fn two_leaves<'a>(leaves: impl Iterator<Item = &'a Certificate>, why: &str) -> Finding {
    let shown: Vec<String> = leaves
        .map(|c| format!("`{}` (fingerprint `{}`)", c.title(), short(&c.sha256)))
        .collect();
    let message = format!(
        "{} certificates: each {why}: {}",
        shown.len(),
        shown.join(", ")
    );
    Finding::input(Severity::Fatal, "two-leaves", message)
        .hinted("give one leaf: remove the other certificates from the input")
}

/// Takes the key out of the pool, and says what is wrong with it or with the others.
fn take_key(
    pool: &mut Pool,
    own: Option<usize>,
    inputs: &[Input],
    leaf_at: usize,
    findings: &mut Vec<Finding>,
) -> Option<Key> {
    let (leaf_input, leaf) = &pool.certificates[leaf_at];
    let severity = if own.is_some() {
        Severity::Warning
    } else {
        Severity::Fatal
    };
    for (input, locked) in &pool.locked {
        let message = format!("key `{}` {}", inputs[*input].name, locked.message);
        findings.push(Finding::input(severity, "key-encrypted", message).hinted(&locked.hint));
    }
    for (at, (input, key)) in pool.keys.iter().enumerate() {
        if Some(at) == own {
            continue;
        }
        let issuer = pool
            .certificates
            .iter()
            .find(|(_, c)| c.public().as_ref() == Some(key.public()));
        let whose = issuer.map_or_else(String::new, |(_, c)| {
            format!("; it belongs to `{}`", c.title())
        });
        let message = format!(
            "key `{}` does not belong to leaf `{}` in `{}`: leaf has public key `{}…` ({}), key has `{}…` ({}){whose}",
            inputs[*input].name,
            leaf.title(),
            inputs[*leaf_input].name,
            short(&leaf.pin()),
            leaf.key,
            short(&key.pin()),
            key.description(),
        );
        let name = if own.is_some() {
            "key-foreign"
        } else {
            "key-mismatch"
        };
        findings.push(
            Finding::input(severity, name, message)
                .hinted("give the key that was made with this certificate's request"),
        );
    }
    let at = own.or_else(|| (!pool.keys.is_empty()).then_some(0))?;
    Some(pool.keys.swap_remove(at).1)
}

fn short(text: &str) -> &str {
    text.get(..12).unwrap_or(text)
}

/// The certificates by their part, as indices into the pool.
struct Order {
    leaf: usize,
    chain: Vec<usize>,
    roots: Vec<usize>,
    foreign: Vec<usize>,
}

/// Orders by who signed whom: every certificate comes after one that it signed, ties as they were given.
fn order(all: &[(usize, Certificate)], leaf: usize) -> Order {
    let mut rest: Vec<usize> = (0..all.len()).filter(|at| *at != leaf).collect();
    let mut placed = vec![leaf];
    let mut roots = Vec::new();
    let mut next = 0;
    while let Some(&child) = placed.get(next) {
        next += 1;
        if all[child].1.self_signed {
            continue;
        }
        let (issuers, others): (Vec<usize>, Vec<usize>) = rest
            .into_iter()
            .partition(|at| all[*at].1.issued(&all[child].1));
        rest = others;
        let (ends, links): (Vec<usize>, Vec<usize>) =
            issuers.into_iter().partition(|at| all[*at].1.self_signed);
        roots.extend(ends);
        placed.extend(links);
    }
    Order {
        leaf,
        chain: placed.split_off(1),
        roots,
        foreign: rest,
    }
}

fn describe(
    all: &[(usize, Certificate)],
    order: &Order,
    inputs: &[Input],
    findings: &mut Vec<Finding>,
) {
    let titled = |at: &usize| format!("`{}`", all[*at].1.title());
    for at in &order.foreign {
        let message = format!(
            "certificate {} in `{}` is not part of the leaf's chain and is left out",
            titled(at),
            inputs[all[*at].0].name
        );
        findings.push(
            Finding::input(Severity::Warning, "chain-foreign", message)
                .hinted("remove it, and look whether the right intermediate is there"),
        );
    }
    for at in &order.roots {
        let message = format!(
            "root {} in `{}` is left out: a server never sends it",
            titled(at),
            inputs[all[*at].0].name
        );
        findings.push(Finding::input(Severity::Note, "root-dropped", message));
    }
    let ranks: Vec<usize> = std::iter::once(&order.leaf)
        .chain(&order.chain)
        .copied()
        .collect();
    for (input_at, input) in inputs.iter().enumerate() {
        // The pool has them in the order given, so the ranks of one input must rise.
        let of_input = all
            .iter()
            .enumerate()
            .filter(|(_, (input, _))| *input == input_at);
        let seen: Vec<usize> = of_input
            .filter_map(|(at, _)| ranks.iter().position(|r| *r == at))
            .collect();
        if !seen.is_sorted() {
            let message = format!(
                "certificates in `{}` are put in order: leaf first, then each one's issuer",
                input.name
            );
            findings.push(Finding::input(Severity::Note, "order-repaired", message));
        }
    }
}

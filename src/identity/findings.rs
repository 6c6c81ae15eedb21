//! Everything that is wrong or worth saying about an identity, all of it at once (severities: docs/architecture.md).

use super::{Identity, Trust, certificate::Certificate, trust};
use crate::preflight::{Finding, Severity};

/// Every name that a finding about an identity can have, as `--allow` takes it.
pub const NAMES: &[&str] = &[
    "ca-leaf",
    "chain-expired",
    "chain-foreign",
    "chain-incomplete",
    "cn-not-san",
    "expired",
    "expires-soon",
    "key-encrypted",
    "key-foreign",
    "key-mismatch",
    "metadata-contradicts",
    "name-uncovered",
    "no-san",
    "no-trust-path",
    "not-yet-valid",
    "order-repaired",
    "root-dropped",
    "self-signed",
    "sha1-signature",
    "two-leaves",
    "weak-key",
    "wrong-usage",
];

/// What an identity is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Checks<'a> {
    /// The time, seconds since the epoch, UTC.
    pub now: i64,
    /// Days before the end of the validity in which the end is a warning, as [`warning_time`] takes them.
    pub warn_days: i64,
    /// Trust anchors, DER.
    pub anchors: &'a [Vec<u8>],
    /// Host names and addresses that the leaf must cover.
    pub names: &'a [String],
}

impl Checks<'_> {
    /// Days of warning before the end unless a profile sets its own.
    pub const WARN_DAYS: i64 = 14;
}

/// Returns how many seconds before its end a certificate is warned of: so many days, and at most a quarter of its lifetime,
/// since one that lives six days is renewed in good time with two of them left.
#[must_use]
pub fn warning_time(certificate: &Certificate, days: i64) -> i64 {
    let lifetime = certificate.not_after.saturating_sub(certificate.not_before);
    (days * DAY).min(lifetime / 4)
}

/// Seconds in a day.
pub(super) const DAY: i64 = 86_400;

/// See [`Identity::findings`].
pub(super) fn findings(identity: &Identity, checks: &Checks<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    validity(&identity.leaf, checks, &mut found);
    names(&identity.leaf, checks, &mut found);
    usage(&identity.leaf, &mut found);
    strength(identity, &mut found);
    chain(identity, checks, &mut found);
    found.sort_by_key(|f| f.severity);
    found
}

/// Writes a time, seconds since the epoch, for people: `2026-11-21 04:48 UTC`.
#[must_use]
pub fn date(seconds: i64) -> String {
    // The civil calendar has the last day of the year 9999, which RFC 5280 (4.1.2.5) gives to what never ends; time zones do not.
    let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
    epoch
        .checked_add(jiff::SignedDuration::from_secs(seconds))
        .map_or_else(
            |_| format!("second {seconds} of the epoch"),
            |t| t.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        )
}

fn validity(leaf: &Certificate, checks: &Checks<'_>, found: &mut Vec<Finding>) {
    let (now, title) = (checks.now, leaf.title());
    if now > leaf.not_after {
        let message = format!(
            "leaf `{title}` expired on {}, {} days ago",
            date(leaf.not_after),
            (now - leaf.not_after) / DAY
        );
        found.push(
            Finding::input(Severity::Fatal, "expired", message)
                .hinted("renew it, and give the new leaf"),
        );
    } else if now < leaf.not_before {
        let message = format!(
            "leaf `{title}` is not valid before {}; it is {}",
            date(leaf.not_before),
            date(now)
        );
        found.push(
            Finding::input(Severity::Fatal, "not-yet-valid", message)
                .hinted("wait, or look whether this host's clock is right: `date -u`"),
        );
    } else if leaf.not_after - now < warning_time(leaf, checks.warn_days) {
        let message = format!(
            "leaf `{title}` expires on {}, in {} days",
            date(leaf.not_after),
            (leaf.not_after - now) / DAY
        );
        found.push(Finding::input(Severity::Warning, "expires-soon", message).hinted("renew it"));
    }
}

fn names(leaf: &Certificate, checks: &Checks<'_>, found: &mut Vec<Finding>) {
    let mut listed: Vec<String> = leaf.dns.clone();
    listed.extend(leaf.ips.iter().map(ToString::to_string));
    let has_san = !listed.is_empty();
    if !has_san {
        let message = format!(
            "leaf `{}` has no SAN: clients match names by the SAN alone (RFC 9525)",
            leaf.title()
        );
        found.push(
            Finding::input(Severity::Fatal, "no-san", message)
                .hinted("have it issued again with its names in the SAN"),
        );
    }
    for name in checks.names.iter().filter(|name| !leaf.covers(name)) {
        let listed = if has_san {
            listed.join(", ")
        } else {
            "none".to_owned()
        };
        let message = format!(
            "leaf `{}` does not cover `{name}`: its SAN has {listed}",
            leaf.title()
        );
        found.push(
            Finding::input(Severity::Fatal, "name-uncovered", message).hinted(format!(
                "have it issued with `{name}` in the SAN, or use a name that it has"
            )),
        );
    }
    if let Some(cn) = leaf
        .cn
        .as_ref()
        .filter(|cn| has_san && !leaf.covers(cn) && !leaf.dns.contains(&cn.to_ascii_lowercase()))
    {
        let message = format!(
            "CN `{}` is not among the SANs: {}",
            super::dn::escape(cn),
            listed.join(", ")
        );
        found.push(Finding::input(Severity::Note, "cn-not-san", message));
    }
}

/// Usages that go with serverAuth (RFC 5280 section 4.2.1.12).
const SERVER_USAGES: [&str; 3] = ["digitalSignature", "keyEncipherment", "keyAgreement"];

fn usage(leaf: &Certificate, found: &mut Vec<Finding>) {
    let mut wrong = |what: &str, has: String| {
        let message = format!(
            "leaf `{}` may not be used by a TLS server: {what} is {has}",
            leaf.title()
        );
        found.push(
            Finding::input(Severity::Fatal, "wrong-usage", message)
                .hinted("have it issued for serverAuth"),
        );
    };
    if let Some(usage) = leaf
        .key_usage
        .as_ref()
        .filter(|usage| !usage.iter().any(|u| SERVER_USAGES.contains(u)))
    {
        wrong("its key usage", usage.join(", "));
    }
    let serves = |usage: &Vec<String>| {
        usage
            .iter()
            .any(|u| u == "serverAuth" || u == "anyExtendedKeyUsage")
    };
    if let Some(usage) = leaf
        .extended_key_usage
        .as_ref()
        .filter(|usage| !serves(usage))
    {
        wrong("its extended key usage", usage.join(", "));
    }
    if leaf.is_ca && !leaf.self_signed {
        let message = format!(
            "leaf `{}` is a CA (CA:TRUE), which clients may refuse",
            leaf.title()
        );
        found.push(
            Finding::input(Severity::Warning, "ca-leaf", message)
                .hinted("have it issued as an end-entity certificate"),
        );
    }
}

fn strength(identity: &Identity, found: &mut Vec<Finding>) {
    let leaf = std::iter::once((&identity.leaf, "leaf", Severity::Fatal));
    let chain = identity
        .chain
        .iter()
        .map(|c| (c, "intermediate", Severity::Warning));
    for (certificate, part, severity) in leaf.chain(chain) {
        if certificate.public().is_some_and(|p| p.is_weak()) {
            let message = format!(
                "{part} `{}` has a weak key: {}, wanted RSA 2048 or more, or EC P-256 or more",
                certificate.title(),
                certificate.key
            );
            found.push(
                Finding::input(severity, "weak-key", message)
                    .hinted("make a new key and have it certified"),
            );
        }
        let algorithm = certificate.signature.to_ascii_lowercase();
        if !certificate.self_signed
            && (algorithm.contains("sha1")
                || algorithm.contains("md5")
                || algorithm.contains("md2"))
        {
            let message = format!(
                "{part} `{}` is signed with {}, which clients refuse",
                certificate.title(),
                certificate.signature
            );
            found.push(
                Finding::input(Severity::Warning, "sha1-signature", message)
                    .hinted("have it issued again with SHA-256"),
            );
        }
    }
}

fn chain(identity: &Identity, checks: &Checks<'_>, found: &mut Vec<Finding>) {
    let leaf = &identity.leaf;
    let now = checks.now;
    let trust = identity.trust(checks.anchors, now);
    expired_links(identity, checks, trust, found);
    if leaf.self_signed {
        let message = format!(
            "leaf `{}` is self-signed: clients must be given it",
            leaf.title()
        );
        found.push(Finding::input(Severity::Note, "self-signed", message));
        return;
    }
    if trust == Trust::Unknown
        && let Some(issuer) = missing_issuer(identity, checks)
    {
        let message = format!(
            "the chain ends at `{issuer}`, which is neither in it nor among the trust anchors"
        );
        found.push(
            Finding::input(Severity::Warning, "chain-incomplete", message).hinted(format!(
                "add the certificate of `{issuer}` with `--chain F`"
            )),
        );
    }
    // Outside the leaf's own validity every path fails, and that is said already.
    if !leaf.is_valid_at(now) {
        return;
    }
    let message = match (trust, &identity.anchor) {
        (Trust::Trusted | Trust::SelfSigned, _) => return,
        (Trust::PrivateCa, Some(root)) => {
            format!(
                "no path from leaf `{}` to this host's trust anchors: only to `{}`, which came with it",
                leaf.title(),
                root.title()
            )
        }
        (Trust::PrivateCa | Trust::Unknown, _) => {
            let links: Vec<&Certificate> = identity.chain.iter().collect();
            let roots = checks
                .anchors
                .iter()
                .chain(identity.anchor.iter().map(|a| &a.der));
            let why = trust::path(leaf, &links, roots.map(Vec::as_slice), now)
                .err()
                .unwrap_or_default();
            format!(
                "no path from leaf `{}` to this host's trust anchors: {why}",
                leaf.title()
            )
        }
    };
    found.push(
        Finding::input(Severity::Warning, "no-trust-path", message)
            .hinted("give the whole chain, or have clients trust its root"),
    );
}

/// Returns the issuer of the last certificate on every way up, where it is nowhere to be found.
fn missing_issuer(identity: &Identity, checks: &Checks<'_>) -> Option<String> {
    let anchors: Vec<Certificate> = checks
        .anchors
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect();
    let known: Vec<&Certificate> = identity
        .chain
        .iter()
        .chain(&identity.anchor)
        .chain(&anchors)
        .collect();
    let all = std::iter::once(&identity.leaf).chain(&identity.chain);
    let mut tops = all.filter(|c| !known.iter().any(|k| k.subject_der == c.issuer_der));
    tops.next().map(|top| top.issuer.clone())
}

fn expired_links(identity: &Identity, checks: &Checks<'_>, trust: Trust, found: &mut Vec<Finding>) {
    for link in identity.chain.iter().filter(|c| checks.now > c.not_after) {
        let holds = match trust {
            Trust::Trusted | Trust::PrivateCa => "another path holds without it",
            Trust::SelfSigned | Trust::Unknown => "no path without it was found",
        };
        let message = format!(
            "intermediate `{}` (issued by `{}`) expired on {}; {holds}",
            link.title(),
            link.issuer,
            date(link.not_after),
        );
        found.push(
            Finding::input(Severity::Warning, "chain-expired", message)
                .hinted("remove it from the chain, or replace it by a current one from the CA"),
        );
    }
}

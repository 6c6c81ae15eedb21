//! Settings: what was given, else the default, resolved in order.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{IdentityContext, Profile, Setting};
use crate::{
    error::{Error, Result, backticked},
    facts::Facts,
    render::Scope,
    state::HostPath,
};

/// Returns the settings that were given to one profile: by name to every profile that has one of that name, or to this
/// one alone by its own name, a dot and the setting's.
#[must_use]
pub fn given_to(profile: &Profile, set: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let value = |name: &str| {
        let own = set.get(&format!("{}.{name}", profile.name));
        own.or_else(|| set.get(name)).cloned()
    };
    let settings = profile.settings.iter();
    settings
        .filter_map(|s| Some((s.name.clone(), value(&s.name)?)))
        .collect()
}

/// Checks that every setting that was given is one of a profile's.
///
/// # Errors
/// [`Error::Unknown`] for the first that is not.
pub(super) fn check<'p>(
    profiles: impl Iterator<Item = &'p Profile>,
    set: &BTreeMap<String, String>,
) -> Result<()> {
    let all: Vec<(&str, &str)> = profiles
        .flat_map(|p| {
            p.settings
                .iter()
                .map(|s| (p.name.as_str(), s.name.as_str()))
        })
        .collect();
    let is_known = |given: &str| {
        let whole = |(profile, name): &(&str, &str)| {
            given == *name
                || given
                    .strip_prefix(profile)
                    .is_some_and(|rest| rest.strip_prefix('.') == Some(*name))
        };
        all.iter().any(whole)
    };
    match set.keys().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => Err(Error::Unknown {
            what: "setting",
            name: name.clone(),
            known: all.iter().map(|(_, name)| (*name).to_owned()).collect(),
        }),
    }
}

impl Profile {
    /// Returns the settings that are known before anything is read: those that were given, and plain defaults.
    pub(crate) fn plain_settings(&self, set: &BTreeMap<String, String>) -> Map<String, Value> {
        let plain = |text: &str| !text.contains("{{") && !text.contains("{%");
        let known = self.settings.iter().filter_map(|setting| {
            let default = Some(&setting.default.text).filter(|text| plain(text));
            let value = set.get(&setting.name).or(default)?;
            Some((setting.name.clone(), Value::from(value.as_str())))
        });
        known.collect()
    }
}

impl Profile {
    /// Tells whether the platform gets its pair by itself, by the settings that were given.
    ///
    /// # Errors
    /// As [`super::desired()`].
    pub(crate) fn is_by_itself(
        &self,
        facts: &Facts,
        set: &BTreeMap<String, String>,
    ) -> Result<bool> {
        let Some(when) = &self.by_itself else {
            return Ok(false);
        };
        let identity = IdentityContext::of_platform();
        let (scope, _) = scope(self, facts, &identity, &given_to(self, set))?;
        self.renderer.holds(Some(when), &scope)
    }
}

/// Resolves the settings of a profile, in order: a default may use those before it.
pub(super) fn scope(
    profile: &Profile,
    facts: &Facts,
    identity: &IdentityContext,
    set: &BTreeMap<String, String>,
) -> Result<(Scope, Map<String, Value>)> {
    let mut scope = Scope::default();
    scope.set("identity", &identity.json);
    scope.set("facts", &facts.json);
    let given: Map<String, Value> = profile
        .settings
        .iter()
        .map(|s| (s.name.clone(), Value::from(set.contains_key(&s.name))))
        .collect();
    scope.set("given", &given);
    let mut settings = Map::new();
    for setting in &profile.settings {
        let value = if let Some(value) = set.get(&setting.name) {
            takes(setting, value)?;
            value.clone()
        } else {
            scope.set("set", &settings);
            profile.renderer.text(&setting.default, &scope)?
        };
        // Values go into files line by line; a line break or control character in one can only be an attack or a slip.
        if value.chars().any(char::is_control) {
            return Err(Error::Usage {
                message: format!("setting `{}` has a control character", setting.name),
                hint: format!("certroll profiles show {}", profile.name),
            });
        }
        settings.insert(setting.name.clone(), Value::from(value));
    }
    scope.set("set", &settings);
    let covered: Map<String, Value> = settings
        .iter()
        .map(|(name, value)| {
            let covers = value.as_str().is_some_and(|v| (identity.covers)(v));
            (name.clone(), Value::from(covers))
        })
        .collect();
    scope.set("covered", &covered);
    Ok((scope, settings))
}

fn takes(setting: &Setting, value: &String) -> Result<()> {
    let path = setting.or_path && HostPath::new(value).is_ok();
    let Some(first) = setting.one_of.first() else {
        return Ok(());
    };
    if setting.one_of.contains(value) || path {
        return Ok(());
    }
    let or_path = if setting.or_path {
        " or an absolute path"
    } else {
        ""
    };
    let known = backticked(&setting.one_of);
    Err(Error::Usage {
        message: format!(
            "setting `{}` is `{}`: want {known}{or_path}",
            setting.name,
            value.escape_debug(),
        ),
        hint: format!("--set {}={first}", setting.name),
    })
}

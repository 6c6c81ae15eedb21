//! Users and groups: of this machine through NSS, of another root through its own files.

use std::{ffi::CString, io};

use nix::unistd::{Gid, Group, User as Account, getgrouplist};

use crate::{
    error::{Error, On, Result},
    host::User,
};

/// Finds a user of this machine with primary and supplementary groups.
///
/// # Errors
/// [`Error::Unknown`] where there is none; [`Error::Io`] where the user database cannot be asked.
pub(super) fn user(name: &str) -> Result<User> {
    let account = Account::from_name(name)
        .on("look up user", name)?
        .ok_or_else(|| unknown("user", name))?;
    let spelled = CString::new(name).map_err(io::Error::from);
    let spelled = spelled.on("look up user", name)?;
    let groups = getgrouplist(&spelled, account.gid).on("list the groups of", name)?;
    Ok(User {
        uid: account.uid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
    })
}

/// Finds the id of a group of this machine.
///
/// # Errors
/// [`Error::Unknown`] where there is none; [`Error::Io`] where the group database cannot be asked.
pub(super) fn group(name: &str) -> Result<u32> {
    Group::from_name(name)
        .on("look up group", name)?
        .map(|group| group.gid.as_raw())
        .ok_or_else(|| unknown("group", name))
}

fn unknown(what: &'static str, name: &str) -> Error {
    Error::Unknown {
        what,
        name: name.to_owned(),
        known: Vec::new(),
    }
}

/// Finds a user in the texts of a root's `etc/passwd` and `etc/group` (passwd(5), group(5)): the first entry of the
/// name; its groups are the primary one and those that list it.
#[must_use]
pub(super) fn user_in(passwd: &str, group: &str, name: &str) -> Option<User> {
    let entry = entries(passwd).find(|fields| fields.first() == Some(&name) && !name.is_empty())?;
    let uid = entry.get(2)?.parse().ok()?;
    let mut groups: Vec<u32> = vec![entry.get(3)?.parse().ok()?];
    for fields in entries(group) {
        let member = fields
            .get(3)
            .is_some_and(|members| members.split(',').any(|one| one.trim() == name));
        if let (true, Some(Ok(gid))) = (member, fields.get(2).map(|gid| gid.parse()))
            && !groups.contains(&gid)
        {
            groups.push(gid);
        }
    }
    Some(User { uid, groups })
}

/// Finds the id of a group in the text of a root's `etc/group`: the first entry of the name.
#[must_use]
pub(super) fn group_in(group: &str, name: &str) -> Option<u32> {
    entries(group)
        .find(|fields| fields.first() == Some(&name) && !name.is_empty())
        .and_then(|fields| fields.get(2)?.parse().ok())
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(':').collect())
}

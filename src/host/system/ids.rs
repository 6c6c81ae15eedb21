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

/// Returns the name of a user of this machine.
pub(super) fn user_name(uid: u32) -> Option<String> {
    Account::from_uid(uid.into())
        .ok()
        .flatten()
        .map(|user| user.name)
}

/// Returns the name of a group of this machine.
pub(super) fn group_name(gid: u32) -> Option<String> {
    Group::from_gid(gid.into())
        .ok()
        .flatten()
        .map(|group| group.name)
}

/// Finds the first name with an id in the text of a passwd or group file, which both have it in the third field.
pub(super) fn name_in(text: &str, id: u32) -> Option<String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        (fields.nth(1)?.parse() == Ok(id)).then_some(name)
    };
    text.lines().find_map(entry)
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

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/bin/sh\nbroken:x:many:1::/:\nwww-data:x:99:99::/:\n";
    const GROUP: &str =
        "root:x:0:\nwww-data:x:33:asterisk\nssl-cert:x:110:postgres,www-data\nww:x:7:www-data2\n";

    #[test]
    fn a_roots_files_give_ids_and_supplementary_groups() {
        let found = user_in(PASSWD, GROUP, "www-data").unwrap();
        assert_eq!((found.uid, found.groups), (33, vec![33, 110]));
        for name in ["nobody", "broken", "", "#root"] {
            assert_eq!(user_in(PASSWD, GROUP, name), None, "{name}");
        }
        assert_eq!(group_in(GROUP, "ssl-cert"), Some(110));
        assert_eq!(group_in(GROUP, "ssl"), None);
    }

    #[test]
    fn this_machine_knows_root_and_not_a_stranger() {
        let root = user("root").unwrap();
        assert_eq!(root.uid, 0);
        assert!(root.groups.contains(&0));
        assert_eq!(group("root").unwrap(), 0);
        for error in [
            user("no-such-user-here").map(|_| 0),
            group("no-such-group-here"),
        ] {
            assert!(matches!(error, Err(Error::Unknown { .. })), "{error:?}");
        }
    }
}

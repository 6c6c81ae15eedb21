//! POSIX access ACLs as the kernel keeps them (acl(5), `linux/posix_acl_xattr.h`). Pure.

/// Name of the extended attribute that holds an access ACL.
pub(crate) const ACL: &str = "system.posix_acl_access";

/// Whom an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Group,
    GroupObj,
    Mask,
    Other,
    User,
    UserObj,
}

/// One entry of an ACL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) tag: Tag,
    /// `rwx` as 4, 2, 1.
    pub(crate) permissions: u32,
    /// Of the user or group; nothing for the others.
    pub(crate) id: u32,
}

/// Decodes the attribute: a version (2), then entries of tag, permissions and id, little-endian
/// (`linux/posix_acl_xattr.h`). None where it is anything else.
pub(crate) fn parse(value: &[u8]) -> Option<Vec<Entry>> {
    let (version, entries) = value.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != 2 || entries.len() % 8 != 0 {
        return None;
    }
    entries
        .chunks_exact(8)
        .map(|entry| {
            let [t0, t1, p0, p1, i0, i1, i2, i3] = entry.try_into().ok()?;
            let tag = match u16::from_le_bytes([t0, t1]) {
                0x01 => Tag::UserObj,
                0x02 => Tag::User,
                0x04 => Tag::GroupObj,
                0x08 => Tag::Group,
                0x10 => Tag::Mask,
                0x20 => Tag::Other,
                _ => return None,
            };
            Some(Entry {
                tag,
                permissions: u32::from(u16::from_le_bytes([p0, p1])),
                id: u32::from_le_bytes([i0, i1, i2, i3]),
            })
        })
        .collect()
}

/// Tells whether an access ACL lets a user or a group write that is none of `ours` and not root: the mode does not say, as with an ACL its
/// group bits are the mask. What is no ACL lets in everybody.
pub(crate) fn lets_others_write(value: &[u8], ours: &[u32]) -> bool {
    let Some(entries) = parse(value) else {
        return true;
    };
    let mask = entries.iter().find(|entry| entry.tag == Tag::Mask);
    let mask = mask.map_or(0o7, |mask| mask.permissions);
    entries.iter().any(|entry| {
        let is_other = match entry.tag {
            Tag::User => entry.id != 0 && !ours.contains(&entry.id),
            Tag::Group => entry.id != 0,
            Tag::UserObj | Tag::GroupObj | Tag::Mask | Tag::Other => false,
        };
        is_other && entry.permissions & mask & 0o2 != 0
    })
}

/// Returns an access ACL as chmod(2) would leave it: the owner's, the mask's (without one the group's) and the others'
/// permissions are those of the mode. What is no ACL stays.
///
/// A file that gets its ACL before its mode would else be open to whom the old mode let in, for a moment.
pub(crate) fn with_mode(value: &[u8], mode: u32) -> Vec<u8> {
    let mut fitted = value.to_vec();
    let Some(entries) = parse(value) else {
        return fitted;
    };
    let masked = entries.iter().any(|entry| entry.tag == Tag::Mask);
    let (_, bytes) = fitted.split_at_mut(4);
    for (entry, bytes) in entries.iter().zip(bytes.chunks_exact_mut(8)) {
        let shift = match entry.tag {
            Tag::UserObj => 6,
            Tag::Mask => 3,
            Tag::GroupObj if !masked => 3,
            Tag::Other => 0,
            Tag::GroupObj | Tag::User | Tag::Group => continue,
        };
        // The permissions, two bytes, follow the tag; three bits are all there is.
        bytes[2] = u8::try_from(mode >> shift & 7).unwrap_or(0);
        bytes[3] = 0;
    }
    fitted
}

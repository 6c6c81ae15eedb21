//! System calls of a trace, and a model of who may read what they write.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One call as strace(1) shows it with `-xx`: strings are hexadecimal, and so have nothing in them that could mislead.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) args: Vec<String>,
    pub(crate) result: i64,
}

/// Reads the lines of a trace.
pub(crate) fn calls(trace: &str) -> Vec<Call> {
    let call = |line: &str| {
        assert!(!line.contains("unfinished"), "two threads at once: {line}");
        let (head, rest) = line.split_once('(')?;
        let (args, result) = rest.rsplit_once(" = ")?;
        let args = args.trim_end().strip_suffix(')')?;
        Some(Call {
            name: head.rsplit(' ').next()?.to_owned(),
            args: args.split(", ").map(str::to_owned).collect(),
            result: result.split(' ').next()?.parse().ok()?,
        })
    };
    trace.lines().filter_map(call).collect()
}

impl Call {
    fn number(&self, n: usize) -> u32 {
        let text = &self.args[n];
        let octal = text.strip_prefix('0').filter(|rest| !rest.is_empty());
        octal.map_or_else(
            || text.parse().unwrap(),
            |o| u32::from_str_radix(o, 8).unwrap(),
        )
    }

    /// Returns a string, decoded.
    pub(crate) fn bytes(&self, n: usize) -> Vec<u8> {
        let text = self.args[n].split('"').nth(1).unwrap_or_default();
        let pairs = text.split("\\x").filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect()
    }

    pub(crate) fn text(&self, n: usize) -> String {
        String::from_utf8(self.bytes(n)).unwrap()
    }
}

const ACL: &str = "system.posix_acl_access";

/// Entries of an ACL by tag and id (`linux/posix_acl_xattr.h`).
type Acl = BTreeMap<(u16, u32), u32>;

const OWNER: u16 = 0x01;
const GROUP: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

fn acl(value: &[u8]) -> Acl {
    let entry = |e: &[u8]| {
        let id = u32::from_le_bytes(e[4..8].try_into().unwrap());
        let tag = u16::from_le_bytes([e[0], e[1]]);
        let id = if matches!(tag, 0x02 | 0x08) { id } else { 0 };
        ((tag, id), u32::from(e[2]))
    };
    value[4..].chunks_exact(8).map(entry).collect()
}

/// What decides on the readers of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Door {
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    pub(crate) group: u32,
    pub(crate) acl: Option<Acl>,
}

impl Door {
    /// A new file with an ACL out of its directory's default: limited to the mode it was made with (acl(5)).
    fn born(mode: u32, default: Option<&Acl>) -> Self {
        let mut door = Self {
            mode,
            acl: default.cloned(),
            ..Self::default()
        };
        door.chmod(mode);
        door
    }

    fn chmod(&mut self, mode: u32) {
        self.mode = mode;
        if let Some(acl) = &mut self.acl {
            let group = if acl.contains_key(&(MASK, 0)) {
                MASK
            } else {
                GROUP
            };
            acl.insert((OWNER, 0), mode >> 6 & 7);
            acl.insert((group, 0), mode >> 3 & 7);
            acl.insert((OTHER, 0), mode & 7);
        }
    }

    fn set_acl(&mut self, acl: Acl) {
        let group = acl.get(&(MASK, 0)).unwrap_or_else(|| &acl[&(GROUP, 0)]);
        self.mode = acl[&(OWNER, 0)] << 6 | group << 3 | acl[&(OTHER, 0)];
        self.acl = Some(acl);
    }

    /// Who but root may read.
    fn readers(&self) -> BTreeSet<String> {
        let mut readers = BTreeSet::new();
        let mut add = |may: bool, who: String| {
            if may && who != "user 0" && who != "group 0" {
                readers.insert(who);
            }
        };
        add(self.mode & 0o400 != 0, format!("user {}", self.owner));
        add(self.mode & 0o004 != 0, "others".to_owned());
        match &self.acl {
            None => add(self.mode & 0o040 != 0, format!("group {}", self.group)),
            Some(acl) => {
                let mask = acl.get(&(MASK, 0)).copied().unwrap_or(7);
                for ((tag, id), permissions) in acl {
                    let may = permissions & mask & 4 != 0;
                    match *tag {
                        0x02 => add(may, format!("user {id}")),
                        0x08 => add(may, format!("group {id}")),
                        GROUP => add(may, format!("group {}", self.group)),
                        _ => {}
                    }
                }
            }
        }
        readers
    }
}

/// What became of one file that was opened to be written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) name: String,
    door: Door,
    has_bytes: bool,
    /// Who could read it while it held bytes, at each step.
    steps: Vec<(String, BTreeSet<String>)>,
}

impl Written {
    /// Says at which call somebody could read it who may not in the end.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let last = self.door.readers();
        let leak = |(call, readers): &(String, BTreeSet<String>)| {
            let more: Vec<&String> = readers.difference(&last).collect();
            (!more.is_empty()).then(|| format!("`{}` after {call}: {more:?}", self.name))
        };
        self.steps.iter().filter_map(leak).collect()
    }
}

/// Follows every file that is opened to be written. `known` are files written in place, as they were; `default` is an
/// ACL that new files on the host inherit.
pub(crate) fn follow(
    calls: &[Call],
    known: &HashMap<&str, Door>,
    default: Option<&[u8]>,
) -> Vec<Written> {
    let default = default.map(acl);
    let mut written: Vec<Written> = Vec::new();
    let mut open: HashMap<i64, usize> = HashMap::new();
    for call in calls.iter().filter(|call| call.result >= 0) {
        if call.name == "openat" {
            let (name, flags) = (call.text(1), &call.args[2]);
            if !flags.contains("O_WRONLY") && !flags.contains("O_RDWR") {
                continue;
            }
            let door = if flags.contains("O_CREAT") {
                let inherits = name.starts_with(".certroll-");
                Door::born(call.number(3), default.as_ref().filter(|_| inherits))
            } else {
                known[name.as_str()].clone()
            };
            open.insert(call.result, written.len());
            written.push(Written {
                name,
                door,
                has_bytes: false,
                steps: Vec::new(),
            });
            continue;
        }
        let fd = call.args.first().and_then(|fd| fd.parse().ok());
        let Some(file) = fd
            .and_then(|fd: i64| open.get(&fd))
            .map(|n| &mut written[*n])
        else {
            continue;
        };
        match call.name.as_str() {
            "close" => drop(fd.and_then(|fd| open.remove(&fd))),
            "write" => file.has_bytes = true,
            "fchmod" => file.door.chmod(call.number(1)),
            "fchown" => (file.door.owner, file.door.group) = (call.number(1), call.number(2)),
            "fsetxattr" if call.text(1) == ACL => file.door.set_acl(acl(&call.bytes(2))),
            "fremovexattr" if call.text(1) == ACL => file.door.acl = None,
            _ => {}
        }
        if let Some(file) = fd.and_then(|fd| open.get(&fd)).map(|n| &mut written[*n])
            && file.has_bytes
        {
            let step = (call.name.clone(), file.door.readers());
            file.steps.push(step);
        }
    }
    written
}

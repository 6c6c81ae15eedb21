//! How files that hold a key come into being and are put back: what the kernel is asked, in which order.

use std::collections::HashMap;

use super::{
    EC,
    calls::{Call, Door, Written, calls, follow},
    common::{CERTROLL, Running, Scratch, skip},
    scratch,
    tally::Tally,
};

const CALLS: &str = "open,openat,creat,chmod,fchmod,fchmodat,chown,fchown,fchownat,lchown,rename,renameat,renameat2,link,\
    linkat,write,pwrite64,writev,close,dup,dup2,dup3,setxattr,lsetxattr,fsetxattr,fremovexattr";

const APPLY: &str = "--root R apply --profile wazo --cert c.pem --key c.key --yes";
const BACK: &str = "--root R rollback --yes --profile wazo";

/// User `nobody` may read and write, by an ACL in the form of the kernel.
fn acl(other: u8) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0];
    for (tag, permissions, id) in [
        (0x01, 6, u32::MAX),
        (0x02, 6, 65534),
        (0x04, 4, u32::MAX),
        (0x10, 6, u32::MAX),
        (0x20, other, u32::MAX),
    ] {
        bytes.extend([tag, 0, permissions, 0]);
        bytes.extend(u32::to_le_bytes(id));
    }
    bytes
}

fn strace(line: &str) -> String {
    format!("strace -f -qq -xx -s 65536 -o trace -e trace={CALLS} {CERTROLL} {line}")
}

/// Runs a script in which one command is traced, and returns its calls; none where nothing can be traced.
fn traced(scratch: &Scratch, script: &str, code: i32) -> Option<Vec<Call>> {
    let probe = scratch
        .program("strace")
        .args(["-o", "/dev/null", "true"])
        .status();
    if !nix::unistd::geteuid().is_root() || !probe.is_ok_and(|status| status.success()) {
        skip("only root can give files away, and strace must be there");
        return None;
    }
    let mut command = scratch.program("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-uc", script]);
    Running::start(&mut command).end().exits(code);
    Some(calls(&scratch.read("trace")))
}

/// Asserts that no file is open to more at any time than in the end, and that the files that hold keys were among them.
#[track_caller]
fn closed_throughout(
    calls: &[Call],
    known: &HashMap<&str, Door>,
    default: Option<&[u8]>,
    holders: &[&str],
) -> u64 {
    let by_path = [
        "creat",
        "chmod",
        "fchmodat",
        "chown",
        "lchown",
        "setxattr",
        "lsetxattr",
        "link",
        "linkat",
    ];
    for call in calls {
        let writes = call.name == "open" && !call.args[1].starts_with("O_RDONLY");
        assert!(
            !writes && !by_path.contains(&call.name.as_str()),
            "by a name that may be another's by then: {call:?}"
        );
        if call.name != "openat" || !call.args[2].contains("O_CREAT") {
            continue;
        }
        let (name, flags) = (call.text(1), &call.args[2]);
        // The lock may be made by two runs at once, a journal is appended to: neither holds a secret.
        let shared = name == "lock" || name == "journal.jsonl";
        assert!(flags.contains("O_EXCL") || shared, "{call:?}");
        assert!(
            flags.contains("O_NOFOLLOW") && call.args[3] == "0600",
            "{call:?}"
        );
    }
    let written = follow(calls, known, default);
    let leaks: Vec<String> = written.iter().flat_map(Written::leaks).collect();
    assert_eq!(leaks, Vec::<String>::new());
    let staged: HashMap<String, String> = calls
        .iter()
        .filter(|call| call.name == "renameat")
        .map(|call| (call.text(1), call.text(3)))
        .collect();
    for holder in holders {
        let seen =
            |name: &String| name == holder || staged.get(name).is_some_and(|to| to == holder);
        assert!(
            written.iter().any(|file| seen(&file.name)),
            "`{holder}` was not seen: {written:#?}"
        );
    }
    calls.len() as u64
}

#[test]
fn no_file_that_holds_a_key_is_ever_open_to_more_than_in_the_end() {
    let (scratch, _) = scratch(EC);
    // What was there is wide open, by mode and by ACL; so is whatever is made in its directory.
    let open = "cp other.key R/usr/share/xivo-certs/server.key; chmod 0666 R/usr/share/xivo-certs/server.key
        setfacl -m u:65534:rw,o::r R/usr/share/xivo-certs/server.key
        setfacl -d -m u:65534:rw,g::r,o::r R/usr/share/xivo-certs";
    let Some(applied) = traced(&scratch, &format!("{open}\n{}", strace(APPLY)), 0) else {
        return;
    };
    let (nothing, default) = (HashMap::new(), acl(4));
    let mut watched = closed_throughout(
        &applied,
        &nothing,
        Some(&default),
        &["server.key", "key.pem", "0"],
    );
    let shown = scratch.sh("getfacl -cnp R/usr/share/xivo-certs/server.key");
    assert!(
        shown.contains("mask::r--") && shown.contains("other::---"),
        "{shown}"
    );
    let back = traced(&scratch, &strace(BACK), 0).unwrap();
    watched += closed_throughout(&back, &nothing, Some(&default), &["server.key", "0"]);

    // A run that dies between two renames, and its recovery; a key that is closed must stay so all the way.
    scratch.sh("chmod 0600 R/usr/share/xivo-certs/server.key");
    // The first run had one rename more: it made the key of the digests.
    let mut renames = applied.iter().filter(|call| call.name == "renameat");
    let nth = renames
        .position(|call| call.text(3) == "server.crt")
        .unwrap();
    let dies = format!(
        "strace -f -qq -o died -e inject=renameat:signal=KILL:when={nth} {CERTROLL} {APPLY}; test -e R/var/lib/certroll/pending"
    );
    let recovers = format!(
        "{dies} && cmp c.key R/usr/share/xivo-certs/server.key && {}",
        strace("--root R recover")
    );
    let recovered = traced(&scratch, &recovers, 0).unwrap();
    watched += closed_throughout(&recovered, &nothing, Some(&default), &["server.key"]);
    assert_eq!(
        scratch.sh("stat -c %a R/usr/share/xivo-certs/server.key"),
        "600\n"
    );

    // In place, there is no closed copy: the file itself is closed and given away first.
    let mounted = "cp other.key mounted; chown 65534:65534 mounted; chmod 0664 mounted
        mount --bind mounted R/usr/share/xivo-certs/server.key";
    let theirs = Door {
        mode: 0o664,
        owner: 65534,
        group: 65534,
        acl: None,
    };
    let known = HashMap::from([("server.key", theirs)]);
    let script = format!("{mounted}\n{}", strace(APPLY));
    let applied = traced(&scratch, &script, 0).unwrap();
    watched += closed_throughout(&applied, &known, Some(&default), &["server.key"]);
    Tally {
        row: "70-secrets-calls".to_owned(),
        section: "secrets",
        tried: "system calls of apply, rollback and recover, watched for a file that is open to more than in the end".to_owned(),
        cases: watched,
        not_reached: 0,
        failures: 0,
    }
    .settle();
}

#[test]
fn the_model_finds_the_orders_that_leak() {
    let hex = |bytes: &[u8]| {
        let each: Vec<String> = bytes.iter().map(|b| format!("\\x{b:02x}")).collect();
        each.concat()
    };
    let (name, attribute) = (hex(b".certroll-1-0"), hex(b"system.posix_acl_access"));
    let value = hex(&acl(4));
    let made = format!("9 openat(4, \"{name}\", O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW, 0600) = 5");
    let set = format!("9 fsetxattr(5, \"{attribute}\", \"{value}\", 44, 0) = 0");
    let gone = format!("9 fremovexattr(5, \"{attribute}\") = 0");
    let leaks = |lines: &[&str], default: Option<&[u8]>| {
        let text = lines.join("\n");
        let written = follow(&calls(&text), &HashMap::new(), default);
        assert_eq!(written.len(), 1);
        written[0].leaks().len()
    };
    let (write, own) = ("9 write(5, \"\\x41\", 1) = 1", "9 fchown(5, 0, 33) = 0");
    let (wide, usual, narrow) = (
        "9 fchmod(5, 0644) = 0",
        "9 fchmod(5, 0640) = 0",
        "9 fchmod(5, 0600) = 0",
    );
    assert_eq!(leaks(&[&made, write, own, usual], None), 0);
    assert_eq!(leaks(&[&made, wide, write, usual], None), 1);
    assert_eq!(leaks(&[&made, write, usual, own], None), 0);
    assert_eq!(leaks(&[&made, write, wide, own, narrow], None), 2);
    assert_eq!(
        leaks(
            &[
                &made,
                write,
                "9 fchown(5, 33, 0) = 0",
                "9 fchown(5, 0, 0) = 0",
                narrow
            ],
            None
        ),
        1
    );
    // The old ACL as it is, and only then the mode: who it lets in gets a moment.
    assert_eq!(leaks(&[&made, write, own, &set, narrow], None), 1);
    // An inherited ACL sleeps until a mode with a group in it wakes it.
    let inherited = acl(4);
    assert_eq!(
        leaks(&[&made, write, own, &gone, usual], Some(&inherited)),
        0
    );
    assert_eq!(
        leaks(&[&made, write, own, usual, &gone], Some(&inherited)),
        1
    );
}

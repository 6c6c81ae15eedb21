//! How a file that holds the key comes into being: what the kernel is asked, in which order.

use super::{
    EC, WAZO,
    common::{CERTROLL, Running, Scratch, skip},
    scratch,
};

/// One system call of a trace: its name, and what stands between the parentheses, with the result.
fn calls(trace: &str) -> Vec<(&str, &str)> {
    let call = |line: &'_ str| -> Option<(usize, usize)> {
        let open = line.find('(')?;
        let name = line[..open].rfind(' ').map_or(0, |space| space + 1);
        Some((name, open))
    };
    let lines = trace.lines().filter(|line| !line.contains("resumed>"));
    lines
        .filter_map(|line| call(line).map(|(name, open)| (&line[name..open], &line[open + 1..])))
        .collect()
}

/// Traces an apply, and returns the calls that make, own, open and name files; none where nothing can be traced.
fn traced(scratch: &Scratch, line: &str) -> Option<String> {
    let mut command = scratch.program("strace");
    command.args(["-f", "-qq", "-s", "300", "-o", "trace", "-e"]);
    command.arg("trace=open,openat,openat2,creat,chmod,fchmod,fchmodat,chown,fchown,fchownat,rename,renameat,renameat2,close,dup,dup2,fremovexattr,umask");
    command.arg(CERTROLL).args(line.split(' '));
    let probe = scratch
        .program("strace")
        .args(["-o", "/dev/null", "true"])
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        skip("strace is not there or may not trace");
        return None;
    }
    Running::start(&mut command).end().exits(0);
    Some(scratch.read("trace"))
}

#[test]
fn a_key_is_born_closed_and_gets_its_owner_before_its_mode() {
    let (scratch, _) = scratch(EC);
    // A default ACL would let its user in the moment that a mode with a group is set (acl(5)).
    let acl = scratch
        .program("setfacl")
        .args(["-d", "-m", "u:65534:rw", "R/usr/share/xivo-certs"])
        .status();
    if !acl.is_ok_and(|status| status.success()) {
        skip("no default ACL: setfacl is not there, or the file system has none");
    }
    let line = format!("--root R apply {WAZO} --cert c.pem --key c.key --yes");
    let Some(trace) = traced(&scratch, &line) else {
        return;
    };
    let calls = calls(&trace);
    let staged = calls
        .iter()
        .find_map(|(name, rest)| {
            let parts: Vec<&str> = rest.split('"').collect();
            (name.starts_with("rename") && parts.get(3) == Some(&"server.key")).then(|| parts[1])
        })
        .unwrap();
    assert!(staged.starts_with(".certroll-"), "{staged}");
    let made: Vec<&(&str, &str)> = calls
        .iter()
        .filter(|(name, rest)| name.starts_with("open") && rest.contains("O_CREAT"))
        .collect();
    assert!(made.len() > 10, "{made:#?}");
    for (_, rest) in &made {
        // The lock may be made by two runs at once, a journal is appended to: neither holds a secret.
        let shared = rest.contains("\"lock\"") || rest.contains("\"journal.jsonl\"");
        assert!(rest.contains("O_EXCL") || shared, "{rest}");
        assert!(
            rest.contains("O_NOFOLLOW") && rest.contains(", 0600"),
            "{rest}"
        );
    }
    for file in [staged, "key.pem"] {
        let quoted = format!("\"{file}\"");
        let at = calls
            .iter()
            .position(|(_, rest)| rest.contains(&quoted) && rest.contains("O_CREAT|O_EXCL"))
            .unwrap();
        let fd = calls[at].1.rsplit("= ").next().unwrap();
        let on_it: Vec<&str> = calls[at + 1..]
            .iter()
            .take_while(|(name, rest)| !(*name == "close" && rest.starts_with(&format!("{fd})"))))
            .filter(|(name, rest)| {
                matches!(*name, "fchown" | "fchmod" | "fremovexattr")
                    && rest.starts_with(&format!("{fd},"))
            })
            .map(|(name, _)| *name)
            .collect();
        let place = |name: &str| on_it.iter().position(|call| *call == name);
        assert!(
            place("fchown").unwrap() < place("fchmod").unwrap(),
            "{file}: {on_it:?}"
        );
        assert!(
            place("fremovexattr").unwrap() < place("fchmod").unwrap(),
            "{file}: {on_it:?}"
        );
    }
    let by_path = calls
        .iter()
        .filter(|(name, _)| matches!(*name, "chmod" | "fchmodat"));
    assert_eq!(
        by_path.count(),
        0,
        "no mode is set on a name that may be another's by then"
    );
    let acl = scratch.sh("getfacl -cnp R/usr/share/xivo-certs/server.key 2>/dev/null || echo none");
    assert!(!acl.contains("65534"), "{acl}");
}

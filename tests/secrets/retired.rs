//! Retired keys: of the identity in force and the one before a copy is kept, of all others no byte.

use std::fs;

use super::{
    EC, PASSWORD,
    canary::Canary,
    common::{Run, Scratch, skip},
    files_below, scratch,
    tally::Tally,
};

/// Mints a pair, and returns what its key is told by.
fn pair(scratch: &Scratch, name: &str) -> Canary {
    scratch.mint(name, "wazo.example.com");
    scratch.sh(&format!(
        "openssl pkey -in {name}.key -traditional -outform DER -out {name}.der"
    ));
    let der = fs::read(scratch.path(&format!("{name}.der"))).unwrap();
    Canary::new(&der[7..39], PASSWORD)
}

fn apply(name: &str) -> String {
    format!("--root R apply --yes --profile wazo --cert {name}.pem --key {name}.key")
}

/// Names of the files of the state directory in which a key is, in whatever form.
fn holders(scratch: &Scratch, canary: &Canary, searched: &mut u64) -> Vec<String> {
    let state = scratch.path("R/var/lib/certroll");
    let mut holders = Vec::new();
    for path in files_below(&state) {
        *searched += 1;
        if canary.key_in(&fs::read(&path).unwrap()).is_some() {
            let name = path.strip_prefix(&state).unwrap();
            holders.push(name.display().to_string());
        }
    }
    holders
}

/// Runs an apply of which the third rename, of the certificate after the key, fails or kills.
fn interfered(scratch: &Scratch, how: &str, line: &str) -> Option<Run> {
    let mut command = scratch.program("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat", "-e"]);
    command.arg(format!("inject=renameat:{how}:when=3"));
    command.arg(super::CERTROLL).args(line.split(' '));
    match command.status() {
        Ok(status) if status.code() != Some(1) => {}
        other => {
            skip(&format!("strace cannot be had: {other:?}"));
            return None;
        }
    }
    Some(scratch.on_root("history"))
}

#[test]
fn of_a_retired_key_no_byte_is_left_in_the_state_directory() {
    let (scratch, _) = scratch(EC);
    let keys: Vec<Canary> = (0..9).map(|n| pair(&scratch, &format!("k{n}"))).collect();
    let mut searched = 0;
    // The first pair was one file with its key, where only certificates go now.
    scratch.sh("cat k0.key k0.pem > R/usr/share/xivo-certs/server.crt; cp k0.key R/usr/share/xivo-certs/server.key");
    for n in 1..=4 {
        scratch.certroll(&apply(&format!("k{n}"))).exits(0);
        for (m, key) in keys.iter().enumerate() {
            let held = holders(&scratch, key, &mut searched);
            let kept = m == n || m + 1 == n;
            assert_eq!(!held.is_empty(), kept, "after k{n}, k{m} is in {held:?}");
        }
    }
    // One that failed and was taken back in its own run is not kept, and does not push out the one before.
    if interfered(&scratch, "error=EIO", &apply("k5")).is_none() {
        return;
    }
    assert_eq!(
        scratch.read("R/usr/share/xivo-certs/server.key"),
        scratch.read("k4.key")
    );
    assert_eq!(
        holders(&scratch, &keys[5], &mut searched),
        Vec::<String>::new()
    );
    assert_ne!(
        holders(&scratch, &keys[3], &mut searched),
        Vec::<String>::new()
    );
    scratch.certroll(&apply("k6")).exits(0);
    assert_ne!(
        holders(&scratch, &keys[4], &mut searched),
        Vec::<String>::new()
    );
    assert_eq!(
        holders(&scratch, &keys[3], &mut searched),
        Vec::<String>::new()
    );
    scratch.on_root("rollback --yes --profile wazo").exits(0);
    assert_eq!(
        scratch.read("R/usr/share/xivo-certs/server.key"),
        scratch.read("k4.key")
    );

    // What somebody put there while a run was dead is kept as found, and goes when keys go.
    interfered(&scratch, "signal=KILL", &apply("k7")).unwrap();
    assert_eq!(
        scratch.read("R/usr/share/xivo-certs/server.key"),
        scratch.read("k7.key")
    );
    scratch.sh("cp k8.key R/usr/share/xivo-certs/server.key");
    scratch.on_root("recover").exits(4);
    let found = holders(&scratch, &keys[8], &mut searched);
    assert!(
        found.len() == 1 && found[0].contains("/found/"),
        "{found:?}"
    );
    scratch.on_root("recover --abandon").exits(0);
    for n in [1, 2] {
        scratch.certroll(&apply(&format!("k{n}"))).exits(0);
    }
    for n in [3, 4, 5, 6, 7, 8] {
        assert_eq!(
            holders(&scratch, &keys[n], &mut searched),
            Vec::<String>::new(),
            "k{n}"
        );
    }
    scratch.on_root("forget wazo").exits(0);
    for key in &keys {
        assert_eq!(holders(&scratch, key, &mut searched), Vec::<String>::new());
    }
    Tally {
        row: "71-secrets-places".to_owned(),
        section: "secrets",
        tried: "files of the state directory, searched for retired keys in four forms".to_owned(),
        cases: searched,
        not_reached: 0,
        failures: 0,
    }
    .settle();
}

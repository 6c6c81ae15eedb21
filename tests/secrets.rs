//! No byte of a key and no password anywhere but in the files that are there to hold them; and those are closed.

mod common;

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use common::{CERTROLL, Run, Running, Scratch, Snapshot};

const PASSWORD: &str = "canary-Tr0ub4dor&3-password";

/// What must not be found: every form in which a careless program could show the key or the password.
struct Canary(Vec<Vec<u8>>);

impl Canary {
    fn of(scratch: &Scratch, key: &str) -> Self {
        let lines = |text: String| -> Vec<Vec<u8>> {
            let body = text.lines().filter(|line| !line.starts_with("-----"));
            body.map(|line| line.as_bytes().to_vec()).collect()
        };
        let mut needles = lines(scratch.read(key));
        needles.extend(lines(
            scratch.sh(&format!("openssl rsa -in {key} -traditional 2>/dev/null")),
        ));
        // The private exponent and the primes, as numbers.
        let text = scratch.sh(&format!("openssl rsa -in {key} -noout -text 2>/dev/null"));
        let mut secret = false;
        let mut number = String::new();
        let mut numbers = Vec::new();
        for line in text.lines() {
            if let Some(digits) = line.strip_prefix("    ") {
                number.push_str(&digits.replace(':', ""));
            } else {
                if secret {
                    numbers.push(std::mem::take(&mut number));
                }
                number.clear();
                secret = [
                    "privateExponent",
                    "prime",
                    "exponent1",
                    "exponent2",
                    "coefficient",
                ]
                .iter()
                .any(|name| line.starts_with(name));
            }
        }
        if secret {
            numbers.push(number);
        }
        assert_eq!(numbers.len(), 6, "{text}");
        for number in numbers {
            let bytes: Vec<u8> = (0..number.len() / 2)
                .map(|n| u8::from_str_radix(&number[2 * n..2 * n + 2], 16).unwrap())
                .collect();
            for piece in bytes.chunks_exact(16) {
                let mut hex = String::new();
                for byte in piece {
                    write!(hex, "{byte:02x}").unwrap();
                }
                let list = piece.iter().map(u8::to_string).collect::<Vec<_>>();
                needles.push(piece.to_vec());
                needles.push(hex.to_uppercase().into_bytes());
                needles.push(hex.into_bytes());
                needles.push(list.join(", ").into_bytes());
            }
        }
        // The last line of a document may be short enough to be met by chance.
        needles.retain(|needle| needle.len() >= 16);
        assert!(needles.len() > 100);
        needles.push(PASSWORD.as_bytes().to_vec());
        Self(needles)
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let found = |needle: &Vec<u8>| bytes.windows(needle.len()).any(|part| part == needle);
        self.0.iter().any(found)
    }

    #[track_caller]
    fn is_not_told(&self, run: &Run) {
        assert!(!self.is_in(run.out.as_bytes()), "on stdout: {}", run.line);
        assert!(!self.is_in(run.err.as_bytes()), "on stderr: {}", run.line);
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        }
        all.push(path);
    }
    all
}

/// Looks at every file of the state directory, and returns how many held the key where they may.
fn state_is_closed(scratch: &Scratch, canary: &Canary) -> usize {
    let mut holders = 0;
    for path in files(&scratch.path("R/var/lib/certroll")) {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let (shown, mode) = (path.display(), metadata.mode() & 0o7777);
        if metadata.is_dir() {
            assert_eq!(mode, 0o700, "{shown}");
            continue;
        }
        assert_eq!(mode, 0o600, "{shown}");
        let place = path.parent().unwrap().file_name().unwrap();
        let bytes = fs::read(&path).unwrap();
        if place == "identity" || place == "before" || place == "found" {
            holders += usize::from(canary.is_in(&bytes));
        } else {
            assert!(!canary.is_in(&bytes), "{shown}");
        }
    }
    holders
}

fn desk() -> (Scratch, Canary) {
    let scratch = Scratch::wazo();
    scratch.mint("b", "wazo.example.com");
    scratch.sh(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout a.key -out a.pem -days 365 -subj /CN=wazo.example.com \
         -addext subjectAltName=DNS:wazo.example.com 2>&1",
    );
    scratch.file("password", format!("{PASSWORD}\n"));
    scratch.file("wrong", format!("not-{PASSWORD}\n"));
    scratch.sh(
        "openssl pkcs8 -topk8 -v2 aes-256-cbc -in a.key -out locked.key -passout file:password;
         openssl pkcs12 -export -in a.pem -inkey a.key -out a.p12 -passout file:password;
         openssl pkey -in a.key -outform DER -out a.der;
         head -n 9 a.key > cut.key; sed 's/^MII/!!!/' a.key > torn.key; tr '\\n' ' ' < a.key > flat.key;
         cat a.pem a.key > both.pem; cat a.key a.key > twice.key; head -c 700 a.der > cut.der;
         { cat a.key; echo 'profile: [unclosed'; } > key.yaml",
    );
    let canary = Canary::of(&scratch, "a.key");
    assert!(canary.is_in(scratch.read("a.key").as_bytes()));
    assert!(canary.is_in(&fs::read(scratch.path("a.der")).unwrap()));
    (scratch, canary)
}

#[test]
fn no_command_tells_a_key_or_a_password() {
    let (scratch, canary) = desk();
    let locked = "--profile wazo --cert a.pem --key locked.key --password-file password";
    let other = "--profile wazo --cert b.pem --key b.key";
    for (line, code) in [
        (format!("plan {locked}"), 5),
        (format!("plan {locked} --out saved.json"), 5),
        (format!("apply {locked} --yes"), 0),
        ("status".to_owned(), 0),
        (format!("plan {other}"), 5),
        (format!("apply {other} --yes"), 0),
        ("history".to_owned(), 0),
        ("show 1".to_owned(), 0),
        ("show 2".to_owned(), 0),
        (
            "inspect a.pem locked.key --password-file password".to_owned(),
            0,
        ),
        ("inspect a.p12 --password-file password".to_owned(), 0),
        ("inspect both.pem".to_owned(), 0),
        ("inspect flat.key a.pem".to_owned(), 0),
        ("apply --plan saved.json --yes".to_owned(), 7),
        ("rollback --yes".to_owned(), 0),
        ("show 3".to_owned(), 0),
        ("rollback --yes".to_owned(), 0),
    ] {
        // Text, verbose text and JSON of what changes nothing; one of them, in turn, of what does.
        let changes = line.starts_with("apply") || line.starts_with("rollback");
        let flags = ["", "-v", "--json"];
        for flag in if changes { &flags[1..2] } else { &flags } {
            let run = scratch.on_root(&format!("{flag} {line}")).exits(code);
            assert!(!run.out.is_empty() || code == 7, "{run:#?}");
            canary.is_not_told(&run);
        }
        if line.starts_with("apply") {
            let holders = state_is_closed(&scratch, &canary);
            assert!(holders > 0, "the key is kept for a rollback: {line}");
        } else if scratch.path("R/var").exists() {
            state_is_closed(&scratch, &canary);
        }
    }
    assert!(!canary.is_in(scratch.read("saved.json").as_bytes()));
}

#[test]
fn no_error_tells_a_key_or_a_password() {
    let (scratch, canary) = desk();
    let wazo = "--profile wazo --cert";
    for line in [
        format!("apply --yes {wazo} a.pem --key b.key"),
        format!("apply --yes {wazo} b.pem --key a.key"),
        format!("apply --yes {wazo} a.key --key a.pem"),
        format!("apply --yes {wazo} a.pem --key cut.key"),
        format!("apply --yes {wazo} a.pem --key torn.key"),
        format!("apply --yes {wazo} b.pem --key twice.key"),
        format!("apply --yes {wazo} a.pem --key cut.der"),
        format!("apply --yes {wazo} a.pem --key locked.key"),
        format!("apply --yes {wazo} a.pem --key locked.key --password-file wrong"),
        format!("apply --yes {wazo} a.pem --key password"),
        format!("apply --yes {wazo} password --key a.key"),
        format!("apply --yes {wazo} a.p12 --password-file wrong"),
        format!("apply --yes {wazo} a.pem --key a.key --chain a.key"),
        format!("apply --yes {wazo} a.pem --key a.key --set host=other.example.com"),
        "apply --yes --plan a.key".to_owned(),
        "apply --yes --plan password".to_owned(),
        "profiles check a.key".to_owned(),
        "profiles check key.yaml".to_owned(),
        "profiles check password".to_owned(),
        "inspect torn.key".to_owned(),
        "inspect cut.der".to_owned(),
        "inspect password".to_owned(),
        "inspect a.p12 --password-file wrong".to_owned(),
    ] {
        for flag in ["-v", "--json"] {
            let run = scratch.on_root(&format!("{flag} {line}"));
            assert!([1, 2].contains(&run.code), "{run:#?}");
            canary.is_not_told(&run);
        }
    }
}

#[test]
fn a_key_is_never_in_the_words_or_the_surroundings_of_a_command() {
    let (scratch, canary) = desk();
    scratch.dir("live");
    let to = scratch.text("live");
    scratch.profile(
        "own",
        &format!(
            "resources: [{{kind: pem, path: {to}/x.key, form: key}}, {{kind: pem, path: {to}/x.pem, form: leaf}}]\n\
             services: [{{manager: command, command: [sh, -c, \"cat /proc/$$/cmdline /proc/$$/environ /proc/$PPID/cmdline \
             > {to}/seen; umask > {to}/umask; ls -l /proc/$$/fd > {to}/open\"]}}]\n"
        ),
    );
    let line = "--state state --profiles P apply --yes --profile own --cert a.pem --key locked.key --password-file password";
    let mut command = scratch.program("sh");
    command.args(["-c", &format!("umask 000; exec {CERTROLL} {line}")]);
    let run = Running::start(command.env("CANARY", "from the caller")).end();
    let run = run.exits(0);
    canary.is_not_told(&run);
    let seen = scratch.read("live/seen");
    assert!(seen.contains("PATH=/usr/local/sbin"), "{seen}");
    assert!(!seen.contains("from the caller") && !canary.is_in(seen.as_bytes()));
    assert_eq!(scratch.read("live/umask"), "0022\n");
    let open = scratch.read("live/open");
    assert!(
        !open.contains("state") && !open.contains("live/x"),
        "nothing is inherited: {open}"
    );
}

#[test]
fn the_callers_umask_changes_no_mode() {
    let modes = |umask: &str| {
        let scratch = Scratch::wazo();
        scratch.mint("a", "wazo.example.com");
        for line in [
            "apply --profile wazo --cert a.pem --key a.key --yes",
            "status",
        ] {
            let script = format!("umask {umask}; exec {CERTROLL} --root R {line}");
            let run = Running::start(scratch.program("sh").args(["-c", &script])).end();
            run.exits(0);
        }
        let snapshot = Snapshot::of(&scratch.path("R"), &[]);
        snapshot
            .0
            .into_iter()
            .map(|(path, object)| {
                format!("{:o} {:?} {}", object.mode, object.owner, path.display())
            })
            .collect::<std::collections::BTreeSet<_>>()
    };
    let usual = modes("022");
    assert!(usual.len() > 30);
    for umask in ["000", "077", "777"] {
        let modes = modes(umask);
        let differ: Vec<_> = modes.symmetric_difference(&usual).collect();
        assert!(differ.is_empty(), "umask {umask}: {differ:#?}");
    }
}

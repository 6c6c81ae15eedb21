//! The programs of `pin export --as` whose languages are on every machine that runs tests; `tests/toolchains` has the others.

use certroll::pins::{Leaf, Pin, Source, snippet};

use super::speaks::speaks_to_the_pinned_peer_alone as works;

#[test]
fn the_python_program_speaks_to_nobody_but_the_pinned_peer() {
    works("python", "pinned.py", &["python3", "pinned.py"], false);
}

#[test]
fn the_curl_program_speaks_to_nobody_but_the_holder_of_the_pinned_key() {
    works("curl", "pinned.sh", &["sh", "pinned.sh"], true);
}

#[test]
fn the_openssl_program_speaks_to_nobody_but_the_pinned_peer() {
    works("openssl", "pinned.sh", &["bash", "pinned.sh"], false);
}

#[test]
fn every_program_is_as_it_was_read_and_approved() {
    let leaf = |byte: u8| Leaf {
        public_key: Some("nP7sWrHzCBsGyhC+2AqGAUHHEtYRuylZQoJVckw1eoI=".to_owned()),
        ..Leaf::of(&[byte; 4])
    };
    let pin = Pin {
        leaf: leaf(1),
        first_seen: 0,
        source: Source::Manual,
        next: Some(leaf(2)),
    };
    for language in ["csharp", "powershell"] {
        let text = snippet(language, "mgmt.example.com:4434", &pin).unwrap();
        let golden = format!(
            "{}/tests/golden/pins/{language}.txt",
            env!("CARGO_MANIFEST_DIR")
        );
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(std::path::Path::new(&golden).parent().unwrap()).unwrap();
            std::fs::write(&golden, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&golden).unwrap(), "{golden}");
    }
}

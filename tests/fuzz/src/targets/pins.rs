//! Fingerprints as people and tools give them, and the store of pins.

use certroll::{
    peer::Fingerprint,
    pins::{Pins, key, parse_cpapi},
};

use super::{printable, refused};

/// What is read says the same again in every form that is printed; what is refused is refused with words.
pub(super) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Fingerprint::read(&text) {
        Ok(read) => {
            for form in [
                read.to_string(),
                read.colons(),
                format!("{} {}", read.digest(), read.colons()),
            ] {
                assert_eq!(Fingerprint::read(&form).unwrap(), read, "{form}");
            }
        }
        Err(error) => drop(refused(&error)),
    }
    if let Ok((name, peer)) = key(&text) {
        assert_eq!(key(&name).unwrap(), (name.clone(), peer));
        printable(&name);
        let odd = name.contains(['\'', '"', '$', '`', ';', '\\', ' ', '&', '|', '<', '>', '(']);
        assert!(!odd, "a name that a shell takes apart: {name}");
    }
    match Pins::parse(data) {
        Ok(pins) => {
            let stored = serde_json::to_vec(&pins).unwrap();
            assert_eq!(Pins::parse(&stored).unwrap(), pins);
        }
        Err(message) => assert!(!message.is_empty()),
    }
    if let Err(error) = parse_cpapi("fingerprints.txt", data) {
        refused(&error);
    }
}

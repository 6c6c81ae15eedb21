//! Stores made by hand: of odd types, cut, and boundless.

use super::*;

fn password() -> Bytes {
    Bytes::from(b"changeit".to_vec())
}

/// A store of one trusted entry, by hand, with the digest that belongs to it.
fn store(version: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(body);
    let digest = wide(&password()).unwrap().seal(&bytes);
    bytes.extend(digest);
    bytes
}

/// What [`Jks::read`] says of a store.
fn refused(bytes: &[u8]) -> String {
    Jks::read(bytes, Some(&password())).unwrap_err().message
}

#[test]
fn entries_of_both_versions_and_of_other_types_are_written_as_they_were() {
    // Tag 2, alias "A" in a case that Java never finds, made at 2 s; then a type that is not X.509.
    let first = b"\0\0\0\x02\0\x01A\0\0\0\0\0\0\x07\xd0";
    let one = [&b"\0\0\0\x01"[..], first, b"\0\0\0\x02xy"].concat();
    let two = [&b"\0\0\0\x01"[..], first, b"\0\x03PGP\0\0\0\x02xy"].concat();
    for (version, body) in [(1, one), (2, two)] {
        let bytes = store(version, &body);
        let mut read = Jks::read(&bytes, Some(&password())).unwrap();
        let entry = &read.entries(None)[0];
        assert_eq!((&*entry.alias, entry.made), ("A", Some(2)));
        assert!(matches!(entry.holds, Holds::Other(_)), "{entry:?}");
        assert_eq!(read.write(&password()).unwrap().reveal(), bytes);
        read.put_trusted("A", b"der", 5).unwrap();
        let written = read.write(&password()).unwrap();
        let again = Jks::read(written.reveal(), Some(&password())).unwrap();
        let aliases = again.entries(None).into_iter().map(|e| e.alias);
        assert_eq!(aliases.collect::<Vec<_>>(), ["A", "a"], "{version}");
        assert!(written.reveal().starts_with(&bytes[..8]));
    }
}

#[test]
fn what_is_longer_than_the_file_or_goes_on_behind_it_is_refused() {
    let cut = "is a JKS store that is cut off or damaged";
    for body in [
        &b"\xff\xff\xff\xff"[..],
        b"\0\0\0\x01\0\0\0\x02\xff\xffA",
        b"\0\0\0\x01\0\0\0\x01\0\x01a\0\0\0\0\0\0\0\0\xff\xff\xff\xff",
        b"\0\0\0\x01\0\0\0\x01\0\x01a\0\0\0\0\0\0\0\0\0\0\0\x01x\xff\xff\xff\xff",
        b"\0\0\0\x01\0\0\0\x03\0\x01a\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\0\0\0\x01\0\0\0\x02\0\x01\x80\0\0\0\0\0\0\0\0\0\x05X.509\0\0\0\0",
        b"\0\0\0\0more",
        b"\0\0",
    ] {
        assert_eq!(refused(&store(2, body)), cut, "{body:?}");
    }
    assert!(refused(&store(3, b"\0\0\0\0")).contains("version 3: wanted 1 or 2"));
    assert_eq!(refused(&MAGIC), cut);
    let mut changed = store(2, b"\0\0\0\0");
    changed[11] ^= 1;
    assert!(refused(&changed).contains("or it was changed"));
}

//! Bytes that nobody meant.

use proptest::prelude::*;

use super::*;

fn good() -> String {
    let root = ca("Root", None, |_| {});
    let (key, leaf) = leaf(&root, |_| {});
    [key, "friendlyName: x\n".to_owned(), leaf, root.pem].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Identity::assemble(&[input("x", bytes)], None);
    }

    #[test]
    fn arbitrary_der_never_panics(body in prop::collection::vec(any::<u8>(), 0..300), tag in prop::sample::select(vec![0x30u8, 0x02, 0x06])) {
        let der = der::write(tag, &[&body]).to_vec();
        let _ = Identity::assemble(&[input("x", der.clone())], Some(&Bytes::from(b"x".to_vec())));
        let mut pem = Zeroizing::new(String::new());
        pem::write(&mut pem, "PRIVATE KEY", &der);
        let _ = Identity::assemble(&[input("x", pem.as_bytes())], None);
    }

    #[test]
    fn mutations_of_a_good_file_never_panic_and_never_say_what_is_in_it(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let good = good();
        let key_line = good.lines().nth(1).unwrap().to_owned();
        let mut bytes = good.into_bytes();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let said = match Identity::assemble(&[input("x", bytes)], None) {
            Ok((identity, findings)) => format!("{identity:?} {findings:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!said.contains(&key_line[8..40]));
    }

    #[test]
    fn mutated_bodies_never_panic(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let good = good();
        for block in pem::read(&good).unwrap().blocks {
            let mut der = block.der.to_vec();
            let at = at.index(der.len());
            der[at] = value;
            let _ = Identity::assemble(&[input("x", der)], None);
        }
    }
}

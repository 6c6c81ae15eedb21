//! Keystores: JKS with its digest made right again, and PKCS#12.

use certroll::{
    identity::{Identity, Input},
    keystore::{Chance, Encryption, Format, Holds, Outdated, Passwords, Store, Wanted, WantedKey},
    state::Bytes,
};

use super::{
    hosts::{KEY, LEAF},
    keeps, printable,
};

/// The password of the seeds; it must come out nowhere.
const PASSWORD: &str = "canary-of-a-password";

const CHANCE: Chance = Chance {
    salt: [7; 20],
    now: 1_767_225_600,
};

pub(super) fn check(data: &[u8]) {
    let sealed = sealed(data);
    for data in [Some(data), sealed.as_deref()].into_iter().flatten() {
        let password = Bytes::from(PASSWORD.as_bytes().to_vec());
        let mut said = match Store::read(data, None) {
            Ok(store) => told(&store),
            Err(fault) => fault.of("store").to_string(),
        };
        match Store::read(data, Some(&password)) {
            Ok(store) => {
                said += &told(&store);
                said += &rewritten(data, &password, &store);
            }
            Err(fault) => said += &fault.of("store").to_string(),
        }
        keeps(PASSWORD, &said, data);
    }
}

fn told(store: &Store) -> String {
    let entries = store.entries(Some(&Bytes::from(PASSWORD.as_bytes().to_vec())));
    format!("{entries:?}")
}

/// Puts a key and a trusted certificate in: what others put there is still in it, and a second time there is nothing to do.
fn rewritten(data: &[u8], password: &Bytes, before: &Store) -> String {
    let input = |name: &str, text: &str| Input {
        name: name.to_owned(),
        bytes: Bytes::from(text.as_bytes().to_vec()),
    };
    let pair = [input("leaf", LEAF), input("key", KEY)];
    let (identity, _) = Identity::assemble(&pair, None).unwrap();
    let wanted = Wanted {
        key: Some(WantedKey {
            alias: "ours".to_owned(),
            key: identity.key.unwrap(),
            chain: vec![identity.leaf.clone()],
        }),
        outdated: Outdated::default(),
        trusted: vec![("ours too".to_owned(), identity.leaf)],
        format: Format::Jks,
        encryption: Encryption::Modern,
    };
    let passwords = Passwords {
        store: password.clone(),
        key: None,
    };
    let settled = match wanted.settle(Some(data), &passwords, &CHANCE) {
        Ok(settled) => settled,
        Err(fault) => return fault.of("store").to_string(),
    };
    settled.lines.iter().for_each(|line| printable(line));
    let after = Store::read(settled.bytes.reveal(), Some(password)).unwrap();
    assert_eq!(after.format(), before.format());
    let others = |store: &Store| {
        let entries = store.entries(Some(password));
        let mut others: Vec<_> = entries
            .into_iter()
            .filter(|entry| !entry.found_as.starts_with("ours"))
            .map(|entry| {
                let certificates = match &entry.holds {
                    Holds::Key { chain, .. } => chain.clone(),
                    Holds::Trusted(certificate) => vec![(**certificate).clone()],
                    Holds::Other(_) => Vec::new(),
                };
                (entry.alias, entry.made, certificates)
            })
            .map(|entry| format!("{entry:?}"))
            .collect();
        if store.format() == Format::Pkcs12 {
            others.sort();
        }
        others
    };
    assert_eq!(others(before), others(&after), "entries of others");
    let again = wanted.settle(Some(settled.bytes.reveal()), &passwords, &CHANCE);
    assert_eq!(again.unwrap().bytes, settled.bytes, "settled twice");
    settled.lines.join("\n")
}

/// Gives a JKS store the digest that belongs to its bytes: else a single changed bit would end every reading.
fn sealed(data: &[u8]) -> Option<Vec<u8>> {
    let body = data.strip_prefix(&[0xfe, 0xed, 0xfe, 0xed])?;
    let body = &data[..body.len().checked_sub(20)? + 4];
    let wide = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes);
    let mut hashed: Vec<u8> = wide.collect();
    hashed.extend_from_slice(b"Mighty Aphrodite");
    hashed.extend_from_slice(body);
    Some([body, &sha1(&hashed)].concat())
}

/// SHA-1 (FIPS 180-4 section 6.1), a second time: the program's own would only agree with itself.
#[allow(
    clippy::many_single_char_names,
    reason = "they are those of the standard"
)]
fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());
    let mut state: [u32; 5] = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    for block in padded.chunks_exact(64) {
        let mut words = [0_u32; 80];
        for (word, four) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = u32::from_be_bytes(four.try_into().unwrap());
        }
        for n in 16..80 {
            words[n] = (words[n - 3] ^ words[n - 8] ^ words[n - 14] ^ words[n - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (n, word) in words.iter().enumerate() {
            let (mixed, constant) = match n {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc_u32),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let next = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e);
            let next = next.wrapping_add(constant).wrapping_add(*word);
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        for (old, new) in state.iter_mut().zip([a, b, c, d, e]) {
            *old = old.wrapping_add(new);
        }
    }
    let mut out = [0; 20];
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    out
}

use super::*;

fn server_hello(version: u16, extensions: &[u8]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend([0xc0, 0x2f, 0]);
    body.extend(extensions);
    let mut message = vec![2, 0, 0, u8::try_from(body.len()).unwrap()];
    message.extend(body);
    message
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, 3, 0, u8::try_from(body.len()).unwrap()];
    record.extend(body);
    record
}

#[test]
fn an_offer_is_a_record_whose_lengths_are_true() {
    for version in Version::ALL {
        for sni in [None, Some("pbx.example")] {
            let suites = version.suites();
            let bytes = Offer {
                version,
                suites: &suites,
                sni,
                random: [5; 32],
            }
            .record();
            let long = |at: usize| usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1]);
            assert_eq!(&bytes[..3], [22, 3, 1]);
            assert_eq!(long(3), bytes.len() - 5);
            assert_eq!((bytes[5], bytes[6], long(7)), (1, 0, bytes.len() - 9));
            let named = bytes.windows(11).any(|w| w == b"pbx.example");
            assert_eq!(named, sni.is_some());
            assert!(bytes.len() < 600, "{}", bytes.len());
        }
    }
}

#[test]
fn the_table_of_suites_is_in_order_and_each_version_has_its_own() {
    assert!(SUITES.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(name(0x1301), "TLS_AES_128_GCM_SHA256");
    assert_eq!(name(0xeeee), "0xeeee");
    let has = |version: Version, suite| version.suites().contains(&suite);
    for (suite, in_10, in_12, in_13) in [
        (0x002f, true, true, false),
        (0xc02f, false, true, false),
        (0x1301, false, false, true),
    ] {
        let found = (
            has(Version::Tls10, suite),
            has(Version::Tls12, suite),
            has(Version::Tls13, suite),
        );
        assert_eq!(found, (in_10, in_12, in_13), "{suite:04x}");
    }
}

#[test]
fn an_answer_is_read_from_any_pieces_and_nothing_else_is_one() {
    let old = record(22, &server_hello(0x0303, &[]));
    let new = record(22, &server_hello(0x0303, &[0, 6, 0, 43, 0, 2, 3, 4]));
    let alert = record(21, &[2, 70]);
    let chose = |version| Answer::Chose {
        version,
        suite: 0xc02f,
    };
    let message = server_hello(0x0301, &[]);
    let split = [record(22, &message[..10]), record(22, &message[10..])].concat();
    let warned = [record(21, &[1, 112]), old.clone()].concat();
    for (name, bytes, want) in [
        ("TLS 1.2", old.clone(), chose(0x0303)),
        ("TLS 1.3", new, chose(0x0304)),
        ("two records", split, chose(0x0301)),
        ("a warning first", warned, chose(0x0303)),
        ("an alert", alert, Answer::Alert(70)),
    ] {
        assert_eq!(read(&bytes), Ok(Some(want)), "{name}");
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Ok(None), "{name} at {cut}");
        }
    }
    for bytes in [
        b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
        b"SSH-2.0-x".to_vec(),
        record(23, &[0; 5]),
        record(21, &[2]),
        record(22, &[]),
        record(22, &[14, 0, 0, 0]),
        record(22, &[2, 0xff, 0xff, 0xff]),
        record(22, &server_hello(0x0303, &[0, 6, 0, 43, 0, 9, 3, 4])),
        [vec![22, 3, 3, 0xff, 0xff], vec![2; 30 << 10]].concat(),
    ] {
        assert_eq!(read(&bytes), Err(Refusal), "{bytes:?}");
    }
}

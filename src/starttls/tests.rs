use super::*;

/// Feeds a protocol's dialogue what a peer would say, in pieces of `size` bytes; a turn of ours takes the next saying.
/// Returns what was said to the peer, and how it ended.
fn converse(protocol: Protocol, sayings: &[&[u8]], size: usize) -> (Vec<u8>, Result<(), Refusal>) {
    let mut dialogue = Dialogue::new(protocol, "pbx.example");
    let mut sayings = sayings.iter();
    let mut pieces: Vec<&[u8]> = Vec::new();
    let mut said = Vec::new();
    let mut heard: &[u8] = &[];
    loop {
        match dialogue.hear(heard) {
            Err(refusal) => return (said, Err(refusal)),
            Ok(Turn::Handshake) => return (said, Ok(())),
            Ok(Turn::Say(bytes)) => {
                assert!(pieces.is_empty(), "{protocol:?} spoke into an answer");
                said.extend(bytes);
                heard = &[];
            }
            Ok(Turn::Listen) => {
                if pieces.is_empty() {
                    let saying: &[u8] = sayings.next().expect("the peer has nothing more to say");
                    pieces = saying.chunks(size).rev().collect();
                }
                heard = pieces.pop().unwrap_or_default();
            }
        }
    }
}

const MYSQL: &[u8] =
    b"\x2b\0\0\0\x0a10.11.6\0\x01\0\0\0saltsalt\0\xfe\xff\x21\x02\0\xff\x81\x150123456789012";

const GREETING: &[u8] = b"<?xml version='1.0'?><stream:stream id='1' xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

const OFFER: &[u8] =
    b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>\
    </stream:features>";

/// A protocol, what its peer says, and what it is told.
type Talk = (Protocol, Vec<&'static [u8]>, &'static [u8]);

fn willing() -> Vec<Talk> {
    vec![
        (Protocol::Direct, vec![], b""),
        (
            Protocol::Smtp,
            vec![
                b"220-mx ESMTP\r\n220 ready\r\n",
                b"250-mx\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n",
                b"220 2.0.0 Ready\r\n",
            ],
            b"EHLO certroll.invalid\r\nSTARTTLS\r\n",
        ),
        (
            Protocol::Imap,
            vec![
                b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n",
                b"* CAPABILITY IMAP4rev1\r\nC1 OK Begin\r\n",
            ],
            b"c1 STARTTLS\r\n",
        ),
        (
            Protocol::Pop3,
            vec![b"+OK ready\r\n", b"+OK Begin TLS\r\n"],
            b"STLS\r\n",
        ),
        (
            Protocol::Ftp,
            vec![
                b"220-Welcome\r\n to this server\r\n220-\r\n2200 files\r\n220 now\r\n",
                b"234 AUTH TLS OK.\r\n",
            ],
            b"AUTH TLS\r\n",
        ),
        (
            Protocol::Nntp,
            vec![b"201 no posting\r\n", b"382 go on\r\n"],
            b"STARTTLS\r\n",
        ),
        (
            Protocol::Sieve,
            vec![
                b"\"IMPLEMENTATION\" \"Pigeonhole\"\r\n\"STARTTLS\"\r\nOK \"ready.\"\r\n",
                b"OK \"Begin\"\r\n",
            ],
            b"STARTTLS\r\n",
        ),
        (
            Protocol::Ldap,
            vec![b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"],
            b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037",
        ),
        (
            // Lengths in the long form, as some servers write all of theirs.
            Protocol::Ldap,
            vec![b"\x30\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0a\x01\x00\x04\x00\x04\x00"],
            b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037",
        ),
        (Protocol::Postgres, vec![b"S"], b"\0\0\0\x08\x04\xd2\x16\x2f"),
        (
            Protocol::Mysql,
            vec![MYSQL],
            b"\x20\0\0\x01\0\x8a\0\0\0\0\0\x01\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ),
        (
            Protocol::Xmpp,
            vec![
                &[GREETING, OFFER].concat().leak()[..],
                b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
            ],
            b"<?xml version='1.0'?><stream:stream to='pbx.example' version='1.0' xmlns='jabber:client' \
              xmlns:stream='http://etherx.jabber.org/streams'><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        ),
    ]
}

#[test]
fn every_protocol_comes_to_tls_however_its_answers_are_cut() {
    let talks = willing();
    for (_, protocol, _) in SCHEMES {
        assert!(talks.iter().any(|(p, ..)| p == protocol), "{protocol:?}");
    }
    for (protocol, sayings, want) in talks {
        for size in [1, 2, 7, 4096] {
            let (said, end) = converse(protocol, &sayings, size);
            assert_eq!(end, Ok(()), "{protocol:?} in pieces of {size}");
            assert_eq!(said, want, "{protocol:?}");
        }
    }
}

#[test]
fn what_comes_after_an_answer_and_before_the_handshake_is_refused() {
    for (protocol, mut sayings, _) in willing() {
        let Some(last) = sayings.pop() else { continue };
        let injected: &[u8] = b"250 injected\r\n";
        let whole = [last, injected].concat();
        sayings.push(&whole);
        let (_, end) = converse(protocol, &sayings, 4096);
        assert_eq!(end, Err(Refusal::Injected(14)), "{protocol:?}");
    }
    // An answer that came before its question was not an answer to it.
    let early: [&[u8]; 1] = [b"+OK ready\r\n+OK Begin TLS\r\n"];
    let (said, end) = converse(Protocol::Pop3, &early, 4096);
    assert_eq!(
        (said.as_slice(), end),
        (&b""[..], Err(Refusal::Injected(15)))
    );
}

#[test]
fn a_peer_that_offers_no_tls_is_told_with_its_answer() {
    let talks: &[(Protocol, &[&[u8]], &str)] = &[
        (
            Protocol::Smtp,
            &[
                b"220 mx\r\n",
                b"250 mx\r\n",
                b"502 5.5.1 not implemented\r\n",
            ],
            "502 5.5.1 not implemented",
        ),
        (
            Protocol::Smtp,
            &[b"554 go\x1b[2J away\r\n"],
            "554 go [2J away",
        ),
        (
            Protocol::Imap,
            &[b"* OK\r\n", b"c1 BAD no\r\n"],
            "c1 BAD no",
        ),
        (Protocol::Imap, &[b"* BYE full\r\n"], "* BYE full"),
        (Protocol::Pop3, &[b"+OK\r\n", b"-ERR what\r\n"], "-ERR what"),
        (
            Protocol::Ftp,
            &[b"220 a\r\n", b"530 login\r\n"],
            "530 login",
        ),
        (Protocol::Nntp, &[b"200 a\r\n", b"580 no\r\n"], "580 no"),
        (
            Protocol::Sieve,
            &[b"OK\r\n", b"NO \"none\"\r\n"],
            "NO \"none\"",
        ),
        (
            Protocol::Ldap,
            &[b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"],
            "result 2",
        ),
        (Protocol::Postgres, &[b"N"], "N"),
        (
            Protocol::Mysql,
            &[b"\x15\0\0\0\x0a5\0\x01\0\0\0saltsalt\0\xff\xf7\x21\x02\0"],
            "capabilities without SSL",
        ),
        (
            Protocol::Mysql,
            &[b"\x0b\0\0\0\xff\x69\x04Too many"],
            "Too many",
        ),
        (
            Protocol::Xmpp,
            &[b"<stream:stream><stream:features><bind/></stream:features>"],
            "features without starttls",
        ),
        (
            Protocol::Xmpp,
            &[b"<stream:stream><stream:features/>"],
            "<stream:features/>",
        ),
    ];
    for (protocol, sayings, want) in talks {
        let (_, end) = converse(*protocol, sayings, 4096);
        assert_eq!(
            end,
            Err(Refusal::Unwilling((*want).to_owned())),
            "{protocol:?}"
        );
    }
}

#[test]
fn a_peer_of_another_protocol_is_told_from_one_that_will_not() {
    let http: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    for (scheme, protocol, _) in SCHEMES {
        let talk = converse(*protocol, &[http], 4096).1;
        match protocol {
            Protocol::Direct => assert_eq!(talk, Ok(())),
            _ => assert!(
                matches!(talk, Err(Refusal::Foreign(_))),
                "{scheme}: {talk:?}"
            ),
        }
    }
}

#[test]
fn a_peer_that_never_ends_its_answer_is_given_up() {
    let flood = vec![b'2'; 1 << 20];
    for (scheme, protocol, _) in SCHEMES.iter().skip(1) {
        let (_, end) = converse(*protocol, &[&flood], 1000);
        assert!(
            matches!(end, Err(Refusal::TooMuch | Refusal::Foreign(_))),
            "{scheme}: {end:?}"
        );
    }
    let endless = b"250-more\r\n".repeat(10_000);
    let (_, end) = converse(Protocol::Smtp, &[b"220 mx\r\n", &endless], 1000);
    assert_eq!(end, Err(Refusal::TooMuch));
}

#[test]
fn a_name_cannot_break_out_of_the_stream_that_it_opens() {
    let Ok(Turn::Say(opened)) = Dialogue::new(Protocol::Xmpp, "a'/><b&c").hear(b"") else {
        panic!("nothing was said");
    };
    let opened = String::from_utf8(opened).unwrap();
    assert!(opened.contains("to='a&apos;/>&lt;b&amp;c'"), "{opened}");
}

#[test]
fn targets_are_understood_or_refused_with_the_forms() {
    for (target, want) in [
        ("pbx.example:8443", "pbx.example:8443"),
        ("pbx.example", "pbx.example:443"),
        ("https://pbx.example/login?x=1", "pbx.example:443"),
        ("https://pbx.example:9497", "pbx.example:9497"),
        ("[::1]:8443", "[::1]:8443"),
        ("[::1]", "[::1]:443"),
        ("::1", "[::1]:443"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("smtp://mx.example", "smtp://mx.example:25"),
        ("smtp://mx.example:587/", "smtp://mx.example:587"),
        ("imap://[::1]", "imap://[::1]:143"),
        ("pop3://a", "pop3://a:110"),
        ("ftp://a", "ftp://a:21"),
        ("ldap://a", "ldap://a:389"),
        ("postgres://a", "postgres://a:5432"),
        ("mysql://a", "mysql://a:3306"),
        ("xmpp://a", "xmpp://a:5222"),
        ("sieve://a", "sieve://a:4190"),
        ("nntp://a", "nntp://a:119"),
    ] {
        assert_eq!(Peer::parse(target).unwrap().to_string(), want, "{target}");
    }
    for (target, hinted) in [
        ("gopher://pbx", "`ldap`, `mysql`, `nntp`"),
        ("SMTP://pbx", "`smtp`"),
        ("smtp://", "host:port"),
        ("pbx:0", "host:port"),
        ("pbx:70000", "host:port"),
        ("pbx:", "host:port"),
        (":443", "host:port"),
        ("", "host:port"),
        ("[::1]8443", "host:port"),
        ("user@pbx:443", "host:port"),
    ] {
        match Peer::parse(target) {
            Err(Error::Usage { hint, .. }) => assert!(hint.contains(hinted), "{target}: {hint}"),
            other => panic!("{target}: {other:?}"),
        }
    }
}

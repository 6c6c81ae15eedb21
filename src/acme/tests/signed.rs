//! What a DNS server answers to an update, and whether that proves anything (RFC 8945 section 5.3).

use std::{cell::RefCell, rc::Rc};

use aws_lc_rs::hmac;

use super::{NAME, asked};
use crate::{
    acme::{Answering, Asked, Folder, Update, check, settle},
    host::{
        Host as _, Output,
        fake::{FakeHost, World},
    },
    state::{Attrs, HostPath, State},
};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOTAUTH: u8 = 9;

/// An answer that is still to be signed.
#[derive(Debug, Clone)]
struct Reply {
    code: u8,
    key: &'static [u8],
    secret: &'static [u8],
    /// Seconds between the two clocks.
    late: i64,
    error: u16,
    /// How much of the MAC is sent.
    kept: usize,
}

const WELL: Reply = Reply {
    code: 0,
    key: b"\x04acme\x00",
    secret: SECRET,
    late: 0,
    error: 0,
    kept: 32,
};

impl Reply {
    /// The head alone.
    fn plain(&self, request: &[u8]) -> Vec<u8> {
        let [a, b, ..] = request else { panic!() };
        vec![*a, *b, 5 << 3 | 0x80, self.code, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    /// What is signed: the request's MAC, the answer, and what the signature says of itself; then the record itself.
    fn signed(&self, request: &[u8], now: i64) -> Vec<u8> {
        let mac = &request[request.len() - 38..request.len() - 6];
        let mut answer = self.plain(request);
        let algorithm = b"\x0bhmac-sha256\x00";
        let time = &(now + self.late).to_be_bytes()[2..];
        let error = self.error.to_be_bytes();
        let signed = [
            &[0, 32],
            mac,
            &answer,
            self.key,
            &[0, 255, 0, 0, 0, 0],
            algorithm,
            time,
            &[1, 44],
            &error,
            &[0, 0],
        ];
        let made = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, self.secret),
            &signed.concat(),
        );
        let mac = &made.as_ref()[..self.kept];
        let kept = u8::try_from(self.kept).unwrap();
        let data = [
            algorithm,
            time,
            &[1, 44, 0, kept],
            mac,
            &request[..2],
            &error,
            &[0, 0],
        ];
        let data = data.concat();
        let length = u8::try_from(data.len()).unwrap();
        answer[11] = 1;
        let head = [0, 250, 0, 255, 0, 0, 0, 0, 0, length];
        [&answer, self.key, &head, &data].concat()
    }
}

/// Looks whether an answer like this would be taken; returns how it ends, and how many messages were sent. What may be there
/// is known after that.
fn looked(answer: impl Fn(&[u8], i64) -> Vec<u8> + 'static) -> (String, usize) {
    let sent = Rc::new(RefCell::new(0));
    let count = Rc::clone(&sent);
    let mut host = host(move |request, now| {
        *count.borrow_mut() += 1;
        answer(request, now)
    });
    let said = RefCell::new(Vec::new());
    let say = |line: &str| said.borrow_mut().push(line.to_owned());
    let ended = check(&mut host, &folder(), &updated(), &say);
    let ended = ended.map_or_else(|error| error.to_string(), |_| "taken".to_owned());
    let is_unknown = ended.contains("proves nothing");
    assert_eq!(is_known(&host), is_unknown, "{ended}");
    let said = said.take();
    assert_eq!(said.len(), usize::from(is_unknown), "{said:?}");
    assert!(said.iter().all(|line| line.starts_with("left in place: ")));
    (ended, sent.take())
}

fn folder() -> Folder {
    Folder::of("one").unwrap()
}

fn is_known(host: &FakeHost) -> bool {
    let note: Option<serde_json::Value> = folder().load(host, "presented.json").unwrap();
    note.is_some()
}

fn updated() -> Asked {
    let how = Answering::DnsUpdate(Update {
        server: "ns.acme.example".to_owned(),
        key_file: "/tsig".to_owned(),
        wait: 0,
    });
    asked(&[NAME], how)
}

/// A host with the key, in front of a server.
fn host(answer: impl Fn(&[u8], i64) -> Vec<u8> + 'static) -> FakeHost {
    let mut world = World::default();
    let key = "key \"Acme\" { algorithm hmac-sha256; secret \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"; };";
    let at = HostPath::new("/tsig").unwrap();
    world
        .tree
        .insert(at, State::file(key.to_owned(), Attrs::default()));
    let host = FakeHost::new(world, Rc::new(|_, _| Output::default()));
    let now = host.now();
    host.with_dns(Rc::new(move |request| Ok(answer(request, now))))
}

#[test]
fn what_a_server_of_updates_took_may_still_be_seen_by_nobody_else() {
    let mut host = host(|request, now| WELL.signed(request, now));
    let unseen = check(&mut host, &folder(), &updated(), &|line| panic!("{line}"));
    assert_eq!(
        unseen.unwrap(),
        ["whether the records are seen elsewhere: not checkable from here"]
    );
    assert!(!is_known(&host));
}

#[test]
fn a_record_that_may_be_there_is_known_until_its_server_removes_it_or_has_no_such_zone() {
    for (later, is_left) in [
        (Some(0), false),
        (Some(5), true),
        (Some(NOTAUTH), true),
        (None, false),
    ] {
        let now = Rc::new(RefCell::new(false));
        let is_later = Rc::clone(&now);
        let mut host = host(move |request, now| {
            let plain = Reply {
                code: later.unwrap_or(NOTAUTH),
                // BADKEY, where a key is the reason.
                error: u16::from(later == Some(NOTAUTH)) * 17,
                ..WELL
            };
            match (*is_later.borrow(), later) {
                (false, _) => WELL.plain(request),
                (true, None) => plain.plain(request),
                (true, Some(_)) => plain.signed(request, now),
            }
        });
        check(&mut host, &folder(), &updated(), &|_| {}).unwrap_err();
        assert!(is_known(&host));
        now.replace(true);
        settle(&mut host, &folder(), &|_| {}).unwrap();
        assert_eq!(is_known(&host), is_left, "{later:?}");
    }
    // Where the server was not asked at all, as there is no key, nothing is there.
    let mut host = host(|_, _| panic!("asked"));
    host.meddle(|world| world.tree.clear());
    check(&mut host, &folder(), &updated(), &|_| {}).unwrap_err();
    assert!(!is_known(&host));
}

#[test]
fn an_answer_is_believed_by_its_signature_alone() {
    let nothing = |why: &str| {
        format!(
            "`ns.acme.example` answers an update of `_acme-challenge.{NAME}` with what proves nothing: it {why}"
        )
    };
    let refuses = |code: &str| {
        format!("`ns.acme.example` does not take an update of `_acme-challenge.{NAME}`: {code}")
    };
    let wrongly = nothing("is signed wrongly");
    let taken = "taken".to_owned();
    let late = |late| Reply { late, ..WELL };
    let code = |code, error| Reply {
        code,
        error,
        ..WELL
    };
    let kept = |kept| Reply {
        kept,
        ..code(NOTAUTH, 16)
    };
    // Added and removed: two messages. What proves nothing has the record removed as well; a refusal is heard of each zone.
    for (reply, ends, messages) in [
        (WELL, taken.clone(), 2),
        (late(-300), taken.clone(), 2),
        (late(300), taken, 2),
        (late(301), nothing("is signed at another time"), 2),
        (late(-301), nothing("is signed at another time"), 2),
        (
            Reply {
                secret: b"other",
                ..WELL
            },
            wrongly.clone(),
            2,
        ),
        (
            Reply {
                key: b"\x04acm_\x00",
                ..WELL
            },
            nothing("is signed with another key"),
            2,
        ),
        (Reply { kept: 31, ..WELL }, wrongly.clone(), 2),
        (Reply { kept: 0, ..WELL }, nothing("is not signed"), 2),
        (code(5, 0), refuses("REFUSED"), 4),
        (code(NOTAUTH, 18), refuses("BADTIME"), 4),
        (kept(0), refuses("BADSIG"), 4),
        (kept(8), wrongly.clone(), 2),
    ] {
        let shown = format!("{reply:?}");
        let found = looked(move |request, now| reply.signed(request, now));
        assert_eq!(found, (ends, messages), "{shown}");
    }
    // Without a signature a refusal is one, and success is none.
    let not = looked(|request, _| WELL.plain(request));
    assert_eq!(not, (nothing("is not signed"), 2));
    let not = looked(move |request, _| code(NOTAUTH, 0).plain(request));
    assert_eq!(not, (refuses("NOTAUTH"), 4));
}

#[test]
fn an_answer_that_was_changed_after_it_was_signed_proves_nothing_whatever_was_changed() {
    let length = {
        let request = [0; 64];
        WELL.signed(&request, 0).len()
    };
    for place in 0..length {
        for bit in [1, 0x80] {
            let (ended, _) = looked(move |request, now| {
                let mut answer = WELL.signed(request, now);
                answer[place] ^= bit;
                answer
            });
            assert_ne!(ended, "taken", "byte {place}, bit {bit:#x}");
        }
        let (ended, _) = looked(move |request, now| {
            let mut answer = WELL.signed(request, now);
            answer.truncate(place);
            answer
        });
        assert_ne!(ended, "taken", "cut off after {place}");
    }
}

#[test]
fn names_that_lead_in_a_circle_end() {
    let (ended, _) = looked(|request, _| {
        let mut answer = WELL.plain(request);
        answer[5] = 1;
        answer.extend([0xc0, 12, 0, 6, 0, 1]);
        answer
    });
    assert!(ended.ends_with("it is cut off"), "{ended}");
}

//! What ACME servers answer, and DNS servers that take updates.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use certroll::{
    acme::{self, Answering, Asked, Folder, Stands, Update},
    error::Error,
    host::{
        Host as _, WebCall, WebReply,
        fake::{FakeHost, World},
    },
    issue::KeyKind,
    state::{Attrs, Content, State},
};

use super::{hosts, printable, refused, sections};

const NAME: &str = "www.acme.example";
const SERVER: &str = "https://acme.test/";
const CHAIN: &str = include_str!("../../../../fixtures/identities/private-ca/fullchain.pem");
const KEY: &str = include_str!("../../../../fixtures/identities/private-ca/test-only.key");

/// Far more than one name may take: each look at the server, and each wait for it, is bounded.
const LONGEST: u64 = 2 * 3600;

fn asked(answering: Answering) -> Asked {
    Asked {
        format: Asked::FORMAT.to_owned(),
        names: vec![NAME.to_owned()],
        server: format!("{SERVER}dir"),
        contact: None,
        key: KeyKind::P256,
        answering,
        ca_file: None,
        external: None,
        left: 33,
    }
}

/// A world with a web server's folder, and an identity in force that came from the server.
fn world(asked: &Asked) -> World {
    let mut world = World::default();
    hosts::put(&mut world, &hosts::path("/srv/www"), hosts::dir());
    let here = vec!["127.0.0.1".parse().unwrap()];
    world.names.insert(NAME.to_owned(), here);
    for dir in ["/acme", "/acme/one", "/acme/one/000001"] {
        world.state.insert(hosts::path(dir), hosts::dir());
    }
    for (at, text) in [
        ("asked.json", serde_json::to_string(asked).unwrap()),
        ("000001/key.pem", KEY.to_owned()),
        ("000001/fullchain.pem", CHAIN.to_owned()),
    ] {
        let at = hosts::path("/acme/one").join(at);
        world.state.insert(at, hosts::file(text, 0o600));
    }
    let live = State::Present {
        content: Content::Link("000001".to_owned()),
        attrs: Attrs::default(),
    };
    world.state.insert(hosts::path("/acme/one/live"), live);
    world
}

/// What is answered at each path, one after the other, the last again and again.
struct Answers(RefCell<HashMap<String, Vec<WebReply>>>);

impl Answers {
    /// Sections of status, header fields (`NAME=VALUE`) and body: `== PATH 200 retry-after=5`.
    fn read(text: &str) -> Self {
        let mut all: HashMap<String, Vec<WebReply>> = HashMap::new();
        for (head, body) in sections(text).1 {
            let mut words = head.split(' ');
            let path = words.next().unwrap_or_default();
            let status = words.next().and_then(|word| word.parse().ok());
            let status = status.unwrap_or(200);
            let kind = if status < 400 { "" } else { "problem+" };
            let mut headers = vec![
                ("replay-nonce".to_owned(), "bm9uY2U".to_owned()),
                ("content-type".to_owned(), format!("application/{kind}json")),
            ];
            let more = words.filter_map(|word| word.split_once('='));
            headers.extend(more.map(|(name, value)| (name.to_lowercase(), value.to_owned())));
            all.entry(path.to_owned()).or_default().push(WebReply {
                status,
                headers,
                body: body.as_bytes().to_vec(),
            });
        }
        for replies in all.values_mut() {
            replies.reverse();
        }
        Self(RefCell::new(all))
    }

    fn answer(&self, call: &WebCall) -> Result<WebReply, Error> {
        let silent = || Error::Server {
            server: SERVER.to_owned(),
            message: "gives no answer".to_owned(),
            hint: String::new(),
        };
        let Some(path) = call.url.strip_prefix(SERVER) else {
            // Whether the answer of this host is seen from here is another matter.
            let headers = vec![("location".to_owned(), "https://elsewhere.test/".to_owned())];
            let is_ours = call.url.starts_with(&format!("http://{NAME}:80/"));
            return is_ours.then(|| reply(301, headers)).ok_or_else(silent);
        };
        let mut all = self.0.borrow_mut();
        let replies = all.get_mut(path).ok_or_else(silent)?;
        match replies.len() {
            1 => Ok(replies[0].clone()),
            _ => replies.pop().ok_or_else(silent),
        }
    }
}

fn reply(status: u16, headers: Vec<(String, String)>) -> WebReply {
    WebReply {
        status,
        headers,
        body: Vec::new(),
    }
}

/// Orders from a server of any words: the pair in force, and all that is no state of certroll's own, stays as it was, and
/// no server puts a renewal off beyond the leaf's end.
pub(super) fn check(data: &[u8]) {
    let asked = asked(Answering::Webroot {
        dir: "/srv/www".to_owned(),
        port: 80,
    });
    let before = world(&asked);
    let answers = Answers::read(&String::from_utf8_lossy(data));
    let host = hosts::host(before.clone());
    let mut host = host.with_web(Rc::new(move |call| answers.answer(call)));
    let folder = Folder::of("one").unwrap();
    let ended = acme::obtain(&mut host, &folder, &asked, &printable);
    // Nobody has a leaf for a key that was made just now.
    let said = refused(&ended.unwrap_err());
    printable(&said);
    is_as_before(&host, &before);
    if let Err(error) = acme::ask(&mut host, &folder) {
        printable(&refused(&error));
    }
    is_as_before(&host, &before);
    let stands = Stands::of(&host, &folder).unwrap();
    let (due, leaf) = (stands.due.unwrap(), stands.identity.unwrap().leaf);
    assert!(due.at < leaf.not_after, "{due:?} is after the leaf's end");
    let took = host.elapsed().as_secs();
    assert!(took < LONGEST, "the server was heard for {took} s");
}

/// Asserts that nothing but the order and what is known of the server is another.
fn is_as_before(host: &FakeHost, before: &World) {
    let world = host.world();
    assert_eq!(world.tree, before.tree, "something is left in place");
    for (at, state) in &before.state {
        assert_eq!(world.state.get(at), Some(state), "{at}");
    }
}

/// Looks whether a record would be added, at a server that answers each message with the same bytes.
pub(super) fn dns(data: &[u8]) {
    let asked = asked(Answering::DnsUpdate(Update {
        server: "ns.acme.example".to_owned(),
        key_file: "/tsig".to_owned(),
        wait: 0,
    }));
    let mut before = world(&asked);
    let key = "key \"acme\" { algorithm hmac-sha256; secret \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"; };";
    hosts::put(&mut before, &hosts::path("/tsig"), hosts::file(key, 0o600));
    let (answer, sent) = (data.to_vec(), Rc::new(Cell::new(0)));
    let count = Rc::clone(&sent);
    let host = hosts::host(before.clone());
    let mut host = host.with_dns(Rc::new(move |_| {
        count.set(count.get() + 1);
        Ok(answer.clone())
    }));
    // An answer to the first message proves nothing of the second, which takes the record away.
    let folder = Folder::of("one").unwrap();
    let error = acme::check(&mut host, &folder, &asked, &|_| {}).unwrap_err();
    printable(&refused(&error));
    assert!(sent.get() <= 16, "{} messages", sent.get());
    is_as_before(&host, &before);
}

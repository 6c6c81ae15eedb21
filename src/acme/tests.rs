//! Orders of a host in memory, with a server that does as it is told.

use std::{rc::Rc, time::Duration};

use serde_json::json;

use super::{Answering, Asked, External, Folder, Program, check, obtain};
use crate::{
    host::{
        Host as _, Output, WebReply,
        fake::{FakeHost, World},
    },
    issue::KeyKind,
    state::{Attrs, Content, HostPath, State},
};

mod astray;
mod bounds;
mod issuer;
mod kept;
mod left;
mod replaces;
mod server;
mod signed;
mod taken_up;
mod unseen;

use server::Server;

const NAME: &str = "www.acme.example";

/// A host on which all names lead to itself, in front of a server; its programs say nothing and succeed.
fn host(server: &Rc<Server>) -> FakeHost {
    let mut world = World::default();
    let dir = State::Present {
        content: Content::Dir,
        attrs: Attrs::default(),
    };
    for path in ["/srv", "/srv/www", "/etc"] {
        world.tree.insert(HostPath::new(path).unwrap(), dir.clone());
    }
    let passwd = State::file("root\n".to_owned(), Attrs::default());
    world
        .tree
        .insert(HostPath::new("/etc/passwd").unwrap(), passwd);
    for name in [NAME, "a.acme.example", "b.acme.example"] {
        world
            .names
            .insert(name.to_owned(), vec!["127.0.0.1".parse().unwrap()]);
    }
    let done = |_: &mut World, _: &_| Output {
        status: Some(0),
        ..Output::default()
    };
    let server = Rc::clone(server);
    FakeHost::new(world, Rc::new(done)).with_web(Rc::new(move |call| server.answer(call)))
}

fn asked(names: &[&str], answering: Answering) -> Asked {
    Asked {
        format: Asked::FORMAT.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        server: "https://acme.test/dir".to_owned(),
        contact: None,
        key: KeyKind::P256,
        answering,
        ca_file: None,
        external: None,
        left: 33,
    }
}

fn webroot() -> Answering {
    Answering::Webroot {
        dir: "/srv/www".to_owned(),
        port: 80,
    }
}

fn program(wait: u64) -> Program {
    Program {
        path: "/usr/local/sbin/record".to_owned(),
        wait,
    }
}

fn hook(wait: u64) -> Answering {
    Answering::DnsHook(program(wait))
}

/// Orders, which never comes to an end with this server, and returns what it ended with.
fn ordered(host: &mut FakeHost, asked: &Asked) -> String {
    let folder = Folder::of("one").unwrap();
    let ended = obtain(host, &folder, asked, &|_| {});
    ended.unwrap_err().to_string()
}

#[test]
fn what_a_server_calls_a_token_or_a_name_leads_to_no_other_file() {
    for (name, token, says) in [
        (NAME, "../../../../etc/passwd", "\"../../../../etc/passwd\""),
        (NAME, "..", "\"..\""),
        (NAME, "a/b", "\"a/b\""),
        (NAME, "\u{1b}[2J", "\"\\u{1b}[2J\""),
        (NAME, "", "\"\""),
        ("other.example", "good-token_1", "\"other.example\""),
        ("../up", "good-token_1", "\"../up\""),
    ] {
        let server = Server::new(&[(name, token)]);
        let mut host = host(&server);
        let before = host.world().tree;
        let error = ordered(&mut host, &asked(&[NAME], webroot()));
        assert!(error.contains(says), "{name} {token}: {error}");
        assert_eq!(host.world().tree, before, "{name} {token}");
        assert_eq!(server.answered.get(), 0, "{name} {token}");
    }
    // A good one is answered, and the folder is as it was.
    let server = Server::new(&[(NAME, "good-token_1")]);
    let mut host = host(&server);
    let before = host.world().tree;
    let error = ordered(&mut host, &asked(&[NAME], webroot()));
    assert!(error.contains("refuses: enough"), "{error}");
    assert_eq!((host.world().tree, server.answered.get()), (before, 1));
}

#[test]
fn each_name_has_its_own_time_however_long_a_record_takes_to_be_seen() {
    let names = [NAME, "a.acme.example", "b.acme.example"];
    let server = Server::new(&names.map(|name| (name, "good-token_1")));
    let mut host = host(&server);
    let all = ["a", "b", "c"].iter().zip(names);
    *server.challenges.borrow_mut() = all
        .map(|(token, name)| (name.to_owned(), (*token).to_owned()))
        .collect();
    let error = ordered(&mut host, &asked(&names, hook(400)));
    assert!(error.contains("refuses: enough"), "{error}");
    // Each record was there for its time, one after the other, and none before the order.
    assert!(
        (1200..1230).contains(&host.elapsed().as_secs()),
        "{:?}",
        host.elapsed()
    );
    let ran = host.world().ran;
    let verbs: Vec<&str> = ran.iter().map(|argv| argv[1].as_str()).collect();
    assert_eq!(verbs, ["present", "remove"].repeat(3));
}

#[test]
fn a_server_that_asks_again_and_again_is_not_heard_for_ever() {
    let server = Server::new(&[(NAME, "good-token_1")]);
    server.restless.set(true);
    let mut host = host(&server);
    let error = ordered(&mut host, &asked(&[NAME], hook(0)));
    assert!(error.contains("still looks for an answer"), "{error}");
    assert!(host.elapsed().as_secs() < 400, "{:?}", host.elapsed());
    let ran = host.world().ran;
    assert_eq!(ran.last().unwrap()[1], "remove");
}

#[test]
fn what_a_server_and_a_program_say_moves_no_cursor() {
    let server = Server::new(&[(NAME, "good-token_1")]);
    let error = ordered(&mut host(&server), &asked(&[NAME], hook(0)));
    assert_eq!(
        error,
        "`https://acme.test/dir` refuses: enough\\u{1b}]0;owned\\u{7} (about:blank)"
    );
    let fails = |_: &mut World, _: &_| Output {
        status: Some(3),
        stderr: "no\u{1b}[2J".to_owned(),
        ..Output::default()
    };
    let answers = Rc::clone(&server);
    let mut host = FakeHost::new(World::default(), Rc::new(fails))
        .with_web(Rc::new(move |call| answers.answer(call)));
    server.answered.set(0);
    let error = ordered(&mut host, &asked(&[NAME], hook(0)));
    assert!(error.ends_with("exited with 3: no\\u{1b}[2J"), "{error:?}");
}

#[test]
fn a_web_server_that_leads_elsewhere_is_no_reason_not_to_order() {
    let server = Server::new(&[]);
    let mut host = host(&server);
    host = host.with_web(Rc::new(|_| {
        Ok(WebReply {
            status: 301,
            headers: vec![(
                "location".to_owned(),
                "https://www.acme.example/x".to_owned(),
            )],
            body: Vec::new(),
        })
    }));
    let unseen = check(
        &mut host,
        &Folder::of("one").unwrap(),
        &asked(&[NAME], webroot()),
        &|_| {},
    )
    .unwrap();
    assert_eq!(
        unseen,
        ["`www.acme.example`: not checkable from here: redirects to `https://www.acme.example/x`"]
    );
}

#[test]
fn the_key_of_an_account_is_kept_before_the_server_hears_of_it() {
    let server = Server::new(&[(NAME, "good-token_1")]);
    // No answer to the account comes, as often as it is asked for in one run.
    server.deaf.set(3);
    let mut host = host(&server);
    let asked = asked(&[NAME], hook(0));
    let error = ordered(&mut host, &asked);
    assert!(error.contains("gives no answer"), "{error}");
    let error = ordered(&mut host, &asked);
    assert!(error.contains("refuses: enough"), "{error}");
    let mut keys = server.at("account").into_iter().map(|(key, _)| key);
    let first = keys.next().unwrap();
    assert!(first["x"].is_string(), "{first}");
    assert!(
        keys.len() == 3 && keys.all(|key| key == first),
        "another key"
    );
    // One file is left of it.
    let accounts = HostPath::new("/acme/.accounts").unwrap();
    assert_eq!(host.load_list(&accounts).unwrap().len(), 1);
}

#[test]
fn an_account_is_that_of_its_binding_and_has_the_address_that_was_given_last() {
    let server = Server::new(&[(NAME, "good-token_1")]);
    let mut host = host(&server);
    host.meddle(|world| {
        let key = State::file("c2VjcmV0\n".to_owned(), Attrs::default());
        world.tree.insert(HostPath::new("/etc/eab").unwrap(), key);
    });
    let with = |kid: Option<&str>, contact: Option<&str>| Asked {
        external: kid.map(|kid| External {
            kid: kid.to_owned(),
            key_file: "/etc/eab".to_owned(),
        }),
        contact: contact.map(str::to_owned),
        ..asked(&[NAME], hook(0))
    };
    let mut accounts = Vec::new();
    for (kid, contact) in [
        (None, None),
        (Some("one"), Some("a@acme.example")),
        (Some("two"), None),
        (Some("one"), Some("a@acme.example")),
        (Some("one"), Some("b@acme.example")),
        (Some("one"), None),
        (None, Some("c@acme.example")),
    ] {
        ordered(&mut host, &with(kid, contact));
        let changes = server
            .at("account/1")
            .into_iter()
            .map(|(_, what)| what["contact"].clone());
        accounts.push((server.at("account").len(), changes.collect::<Vec<_>>()));
    }
    let (b, c) = (
        json!(["mailto:b@acme.example"]),
        json!(["mailto:c@acme.example"]),
    );
    assert_eq!(
        accounts,
        [
            (1, vec![]),
            (2, vec![]),
            (3, vec![]),
            (3, vec![]),
            (3, vec![b.clone()]),
            (3, vec![b.clone()]),
            (3, vec![b, c]),
        ]
    );
    let second = &server.at("account")[1].1;
    assert_eq!(second["contact"], json!(["mailto:a@acme.example"]));
    assert!(second["externalAccountBinding"].is_object(), "{second}");
    assert!(host.elapsed() < Duration::from_mins(5));
}

#[test]
fn a_record_is_in_a_zone_of_its_own_in_one_above_or_in_one_of_a_single_label() {
    let zones = |name: &str| super::update::zones(name).join(" ");
    assert_eq!(
        zones("_acme-challenge.www.lan"),
        "_acme-challenge.www.lan www.lan lan"
    );
    // What the server of the right zone says is told, not what it says of those that it does not have.
    let telling = super::zone::telling;
    assert_eq!(telling(&["NOTAUTH", "REFUSED", "NOTAUTH"]), "REFUSED");
    assert_eq!(telling(&["NOTAUTH", "NOTAUTH"]), "NOTAUTH");
}

#[test]
fn a_server_is_given_by_a_url_or_a_short_name() {
    let url = "https://acme.test/dir";
    assert_eq!(super::server(url).unwrap(), url);
    for wrong in [
        "http://acme.test/dir",
        "https://",
        "https://acme test/dir",
        "acme.test",
    ] {
        let error = super::server(wrong).unwrap_err().to_string();
        assert!(
            error.contains(&format!("`{wrong}` is no server")),
            "{error}"
        );
    }
}

//! What a look from here tells before the first order: what holds, what cannot be seen, and what is somebody else's.

use super::*;
use crate::{
    error::{Error, Result},
    host::Presented,
};

/// What is there when this host asks for a page by a name.
#[derive(Debug, Clone, Copy)]
enum There {
    /// This host, with the answer that it has put in place.
    Here,
    /// Another host, with a status and a page of its own.
    Another(u16),
    /// Somebody who leads elsewhere.
    Leading,
    Nobody,
}

fn page(there: There, url: &str) -> Result<WebReply> {
    let token = url.rsplit('/').next().unwrap();
    let (status, body) = match there {
        There::Here => (200, format!("{token}.looked-for")),
        There::Another(status) => (status, "hello".to_owned()),
        There::Leading => (302, String::new()),
        There::Nobody => {
            return Err(Error::Server {
                server: url.to_owned(),
                message: "gives no answer".to_owned(),
                hint: String::new(),
            });
        }
    };
    Ok(WebReply {
        status,
        headers: vec![("location".to_owned(), "https://else.example/x".to_owned())],
        body: body.into_bytes(),
    })
}

/// Looks at a name that has these addresses; returns the lines of what cannot be seen, or the error. What was put in place
/// for that is gone.
fn looked(addresses: &[&str], how: Answering, there: There) -> Vec<String> {
    let host = host(&Server::new(&[]));
    host.meddle(|world| {
        let all = addresses.iter().map(|address| address.parse().unwrap());
        world.names.insert(NAME.to_owned(), all.collect());
    });
    let mut host = host.with_web(Rc::new(move |call| page(there, &call.url)));
    let before = host.world();
    let looked = check(
        &mut host,
        &Folder::of("one").unwrap(),
        &asked(&[NAME], how),
        &|line| panic!("{line}"),
    );
    let after = host.world();
    assert_eq!((after.tree, after.ran), (before.tree, before.ran));
    looked.unwrap_or_else(|error| vec![error.to_string()])
}

#[test]
fn each_way_says_what_of_it_is_not_checkable_from_here() {
    let here = &["127.0.0.1"][..];
    // Another host's address: of the name, what is found there decides.
    let foreign = &["192.0.2.9"][..];
    let port = || Answering::Http { port: 80 };
    let alpn = || Answering::TlsAlpn { port: 443 };
    let run = || Answering::HttpHook(program(0));
    let seen = "whether the server can reach this host: not checkable from here";
    let silent = format!("`{NAME}`: not checkable from here: ");
    let away = format!("{silent}redirects to `https://else.example/x`");
    let none = format!("`{NAME}` does not resolve: want an address that leads here");
    let other = |status: u16| format!("answers with {status} and 5 bytes of somebody else's");
    for (addresses, how, there, says) in [
        (here, port(), There::Here, None),
        (here, webroot(), There::Here, None),
        (foreign, port(), There::Another(404), Some(other(404))),
        (foreign, port(), There::Another(200), Some(other(200))),
        (foreign, webroot(), There::Another(404), Some(other(404))),
        (foreign, port(), There::Nobody, Some(silent.clone())),
        (foreign, webroot(), There::Leading, Some(away.clone())),
        (here, alpn(), There::Nobody, Some(seen.to_owned())),
        (foreign, alpn(), There::Another(404), Some(seen.to_owned())),
        (here, run(), There::Nobody, Some(seen.to_owned())),
        (foreign, run(), There::Another(404), Some(seen.to_owned())),
        (&[], port(), There::Here, Some(none.clone())),
        (&[], webroot(), There::Here, Some(none.clone())),
        (&[], alpn(), There::Here, Some(none.clone())),
        (&[], run(), There::Here, Some(none)),
        // A name of records need have no address.
        (
            &[],
            hook(0),
            There::Nobody,
            Some("the records of the names: not checkable from here".to_owned()),
        ),
    ] {
        let told = looked(addresses, how.clone(), there);
        let row = format!("{addresses:?} {how:?} {there:?}: {told:?}");
        assert_eq!(told.len(), usize::from(says.is_some()), "{row}");
        for (line, says) in told.iter().zip(says) {
            assert!(line.contains(&says), "no {says:?}: {row}");
        }
    }
}

#[test]
fn a_port_that_somebody_has_is_found_out_before_the_order() {
    for how in [
        Answering::Http { port: 80 },
        Answering::TlsAlpn { port: 80 },
    ] {
        let mut host = host(&Server::new(&[]));
        host.meddle(|world| {
            let at = "127.0.0.1:80".parse().unwrap();
            world.endpoints.insert(at, Presented::default());
        });
        let asked = asked(&[NAME], how);
        let error = check(&mut host, &Folder::of("one").unwrap(), &asked, &|_| {});
        let error = error.unwrap_err().to_string();
        assert!(error.contains("`port 80` is taken"), "{error}");
    }
}

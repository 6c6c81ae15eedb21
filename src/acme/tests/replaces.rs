//! What an order says of the leaf that it replaces (RFC 9773 section 5).

use super::{
    NAME, asked, hook, host, ordered,
    server::{Replaces, Server},
};
use crate::{
    acme::{Asked, Folder, store},
    host::fake::FakeHost,
    journal::Store,
    state::Bytes,
};

/// Key identifier of the issuer and serial number, as openssl-x509(1) shows them, in base64url.
const ID: &str = "Lx7kBULOMqSHmENRe7JS6UKpXfo.EAM";

/// Has a pair be in force that came from a server.
fn in_force(host: &mut FakeHost, from: &Asked) {
    let folder = Folder::of("one").unwrap();
    let key = include_str!("../../../fixtures/identities/private-ca/test-only.key");
    let chain = include_str!("../../../fixtures/identities/private-ca/fullchain.pem");
    let begun = folder.begin(host, from, Bytes::from(key.to_owned()));
    let number = begun.unwrap().number;
    let at = folder.file(number, "fullchain.pem");
    Store::put(&mut store::writer(host), &at, chain.to_owned()).unwrap();
    folder.put_in_force(host, number).unwrap();
    folder.save(host, "asked.json", from).unwrap();
    folder.drop(host, "order.json").unwrap();
}

#[test]
fn an_order_says_what_it_replaces_where_its_server_may_know_it_and_is_made_in_any_case() {
    let own = asked(&[NAME], hook(0));
    let other = Asked {
        server: "https://other.test/dir".to_owned(),
        ..own.clone()
    };
    let (with, without) = (Some(ID), None);
    // What the server does, where the pair of before came from, what its orders say; how it ends.
    let table = [
        (Replaces::Unheard, Some(&own), vec![without], "enough"),
        (Replaces::Heeded, Some(&own), vec![with], "enough"),
        (Replaces::Heeded, None, vec![without], "enough"),
        (Replaces::Heeded, Some(&other), vec![without], "enough"),
        (Replaces::Lost, Some(&own), vec![with, without], "enough"),
        (Replaces::Refused, Some(&own), vec![with, without], "enough"),
        (Replaces::Limited, Some(&own), vec![with], "rateLimited"),
    ];
    for (does, before, says, ends) in table {
        let server = Server::new(&[(NAME, "good-token_1")]);
        server.replaces.set(does);
        let mut host = host(&server);
        if let Some(before) = before {
            in_force(&mut host, before);
        }
        let error = ordered(&mut host, &own);
        assert!(error.contains(ends), "{does:?}: {error}");
        let orders = server.at("order");
        let said: Vec<_> = orders
            .iter()
            .map(|(_, order)| order["replaces"].as_str())
            .collect();
        assert_eq!(said, says, "{does:?} {before:?}");
    }
}

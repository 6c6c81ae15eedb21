//! What answers the challenges of an ACME server for a moment, asked by clients that take their time.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use certroll::{
    host::{Host as _, Stand, Standing, system::SystemHost},
    state::Bytes,
};

use crate::common::{Scratch, moment, own_port};

/// As many as are answered at a time.
const CROWD: usize = 32;

/// Something that stands, and its port.
fn stands(stand: &Stand) -> (Box<dyn Standing>, u16) {
    let host = SystemHost::open(None, None).unwrap();
    let port = own_port();
    (host.stand(port, stand).unwrap(), port)
}

/// Clients that send the beginning of something, and never its end.
fn crowd(port: u16, beginning: &[u8]) -> Vec<TcpStream> {
    let one = |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(beginning).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    (0..CROWD).map(one).collect()
}

/// Sends one more byte, and tells whether the connection was ended.
fn is_over(mut stream: &TcpStream) -> bool {
    drop(stream.write(b"0"));
    match stream.read(&mut [0; 64]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// The page that is asked for.
const PAGE: &str = "/.well-known/acme-challenge/token";

/// What answers in both ways.
fn both(scratch: &Scratch) -> [Stand; 2] {
    scratch.sh(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -subj /CN=leaf -days 9 \
           -addext subjectAltName=DNS:leaf -outform DER -out leaf.der 2>&1
         openssl pkcs8 -topk8 -nocrypt -in leaf.key -outform DER -out leaf.p8",
    );
    let der = |file: &str| std::fs::read(scratch.path(file)).unwrap();
    [
        Stand::Leaf(der("leaf.der"), Bytes::from(der("leaf.p8"))),
        Stand::Pages(BTreeMap::from([(PAGE.to_owned(), "answer".to_owned())])),
    ]
}

/// Asks as an ACME server does, and is answered.
fn answered(scratch: &Scratch, by_tls: u16, by_http: u16) {
    let shown = scratch.sh(&format!(
        "timeout 5 openssl s_client -connect 127.0.0.1:{by_tls} -alpn acme-tls/1 -servername leaf </dev/null 2>/dev/null"
    ));
    assert!(
        shown.contains("ALPN protocol: acme-tls/1") && shown.contains("CN = leaf"),
        "{shown}"
    );
    let got = scratch.sh(&format!(
        "curl -s --max-time 5 --noproxy '*' http://127.0.0.1:{by_http}{PAGE}"
    ));
    assert_eq!(got, "answer");
}

#[test]
fn those_who_send_a_byte_now_and_then_shut_no_acme_server_out() {
    let scratch = Scratch::new();
    let [leaf, pages] = both(&scratch);
    let (_leaf, by_tls) = stands(&leaf);
    let (_pages, by_http) = stands(&pages);
    // The head of a record of 512 bytes, and that of a request.
    let mut held = crowd(by_tls, b"\x16\x03\x01\x02\x00\x01");
    held.extend(crowd(by_http, b"GET / HTTP/1.1\r\nX: "));
    let start = Instant::now();
    while !held.is_empty() {
        let left = held.len();
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(14), "{left} are heard still");
        moment(700);
        held.retain(|stream| !is_over(stream));
    }
    // Nobody was sent away early.
    assert!(start.elapsed() > Duration::from_secs(9));
    answered(&scratch, by_tls, by_http);
}

#[test]
fn who_comes_last_is_answered_while_as_many_as_are_heard_say_nothing() {
    let scratch = Scratch::new();
    let [leaf, pages] = both(&scratch);
    let (_leaf, by_tls) = stands(&leaf);
    let (_pages, by_http) = stands(&pages);
    let held = [crowd(by_tls, b""), crowd(by_http, b"")];
    moment(200);
    let start = Instant::now();
    answered(&scratch, by_tls, by_http);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    // One of each crowd made room, the first who came.
    for crowd in &held {
        let gone: Vec<bool> = crowd.iter().map(is_over).collect();
        assert_eq!(gone.iter().position(|over| *over), Some(0), "{gone:?}");
        assert_eq!(gone.iter().filter(|over| **over).count(), 1, "{gone:?}");
    }
}

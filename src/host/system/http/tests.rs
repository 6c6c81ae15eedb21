use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ServerConfig, ServerConnection,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::{super::limited::connect, *};
use crate::{
    host::{Dial, WebCall},
    starttls::Protocol,
};

const LIMIT: Duration = Duration::from_millis(800);

/// How many bytes drip, ten a second.
const LONG: usize = 100;

/// A peer that says a beginning, encrypted or not, and then goes on byte by byte, much longer than the limit.
fn drip(encrypted: bool, beginning: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        if encrypted {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["peer.example".to_owned()]).unwrap();
            let leaf = params.self_signed(&key).unwrap();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![leaf.der().clone()], key)
                .unwrap();
            let mut session = ServerConnection::new(Arc::new(config)).unwrap();
            while session.is_handshaking() {
                session.complete_io(&mut stream).unwrap();
            }
        }
        stream.set_nodelay(true).unwrap();
        stream.write_all(beginning).unwrap();
        for _ in 0..LONG {
            if stream.write_all(b"1").is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    address
}

/// Has something end within its limit, or nearly so.
fn timely<T>(case: &str, asked: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let ended = asked();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "{case}: {took:?}");
    ended
}

#[test]
fn an_answer_that_comes_byte_by_byte_is_waited_for_no_longer_than_the_limit() {
    for (case, tls, beginning) in [
        (
            "a record of 16 KiB",
            true,
            b"\x17\x03\x03\x40\x00".as_slice(),
        ),
        ("a head", false, b"HTTP/1.1 200 OK\r\nX: "),
    ] {
        let address = drip(tls, beginning);
        let call = Call {
            dial: Dial::new(address, Protocol::Direct, "peer.example", LIMIT),
            tls,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            login: None,
            load: Load::Nothing,
        };
        let reply = timely(case, || exchange(&call)).unwrap();
        let Reply::Lost(why) = reply else {
            panic!("{case}: {reply:?}");
        };
        assert!(why.contains("no end of it within 0.8 s"), "{case}: {why}");
    }
}

fn web(url: String) -> String {
    let call = WebCall {
        method: "GET".to_owned(),
        url,
        headers: Vec::new(),
        body: Vec::new(),
        anchors: Vec::new(),
        limit: LIMIT,
    };
    let asked = timely(&call.url, || web::ask(&call, Vec::new));
    asked.unwrap_err().to_string()
}

#[test]
fn a_handshake_or_an_answer_of_the_web_that_drips_is_waited_for_no_longer_than_the_limit() {
    for (scheme, beginning) in [
        ("https", b"\x16\x03\x03\x40\x00".as_slice()),
        ("http", b"HTTP/1.1 200 OK\r\nX: "),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"),
    ] {
        let address = drip(false, beginning);
        let error = web(format!("{scheme}://{address}/"));
        assert!(error.contains("no end of it within 0.8 s"), "{error}");
    }
}

#[test]
fn what_ends_with_its_limit_and_is_quicker_to_say_so_is_told_as_any_other() {
    let quicker = io::Error::new(io::ErrorKind::TimedOut, "connection timed out");
    let ended = Limit::new(LIMIT).hold(|_| Err::<(), _>(quicker));
    assert!(
        ended
            .unwrap_err()
            .to_string()
            .contains("no end of it within 0.8 s")
    );
    let kernel = Limit::new(LIMIT).hold(|_| Err::<(), _>(io::Error::from_raw_os_error(110)));
    assert_eq!(kernel.unwrap_err().raw_os_error(), Some(110));
}

#[test]
fn all_addresses_of_a_name_share_one_limit() {
    // One that never answers: its queue has room for one, and is full.
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    let cut = Command::new("perl")
        .args(["-e", "listen(STDIN, 0) or die"])
        .stdin(OwnedFd::from(full.try_clone().unwrap()))
        .status();
    assert!(cut.unwrap().success());
    let address = full.local_addr().unwrap();
    let _held = TcpStream::connect(address).unwrap();
    let answering = TcpListener::bind("127.0.0.1:0").unwrap();
    let alive = answering.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = answering.accept().unwrap();
        drop(stream.read(&mut [0; 9]));
    });
    let limit = || Limit::new(LIMIT);
    let all = [address; 4];
    let error = timely("none", || connect(&all, limit())).unwrap_err();
    assert!(error.contains("within 0.2 s"), "{error}");
    // One that is silent takes nothing of the next one's time.
    let found = timely("the second", || connect(&[address, alive], limit()));
    assert_eq!(found.unwrap().1, alive);
}

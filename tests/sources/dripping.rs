//! An ACME server that takes its time with every byte.

use std::{
    io::Write as _,
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use crate::common::{Running, Scratch, moment, until};

/// The address of a server that begins a record of 16 KiB with each who comes, and goes on byte by byte.
fn server() -> (String, impl Fn() -> bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (came, coming) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            stream.write_all(b"\x16\x03\x03\x40\x00").unwrap();
            came.send(()).unwrap();
            while stream.write_all(b"\0").is_ok() {
                moment(100);
            }
        }
    });
    (address, move || coming.try_recv().is_ok())
}

#[test]
fn a_signal_ends_the_wait_for_an_acme_server_at_once() {
    let scratch = Scratch::new();
    let (address, has_come) = server();
    let line = format!(
        "--state state issue acme www.acme.example --server https://{address}/dir --agree-tos --dns-hook /bin/true"
    );
    let words: Vec<&str> = line.split(' ').collect();
    let running = Running::start(&mut scratch.command(&words));
    until("the handshake", &has_come);
    moment(300);
    running.signal("TERM");
    let start = Instant::now();
    let run = running.end_within(Duration::from_secs(10)).exits(1);
    assert!(start.elapsed() < Duration::from_secs(2), "{run:?}");
    assert!(run.err.contains("interrupted by SIGTERM"), "{run:?}");
}

//! Leaves that somebody shows without having their key.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::{
    common::{Running, Scratch, own_port, skip, until},
    run,
};

/// The head of a handshake message that is signed with the key (RFC 5246 section 7.4).
const SERVER_KEY_EXCHANGE: u8 = 12;

/// Hands records on, and a refusal in the place of the signed one where it cuts; counts those.
fn between(port: u16, to: u16, cuts: &Arc<AtomicBool>, cut: &Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let (cuts, cut) = (Arc::clone(cuts), Arc::clone(cut));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (cuts, cut) = (Arc::clone(&cuts), Arc::clone(&cut));
            std::thread::spawn(move || {
                let mut server = TcpStream::connect(("127.0.0.1", to)).unwrap();
                let (mut from, mut up) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut up));
                let mut client = client;
                let mut head = [0; 5];
                while server.read_exact(&mut head).is_ok() {
                    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
                    let whole = server.read_exact(&mut body).is_ok();
                    let is_signed = head[0] == 22 && body.first() == Some(&SERVER_KEY_EXCHANGE);
                    if is_signed && cuts.load(Ordering::SeqCst) {
                        cut.fetch_add(1, Ordering::SeqCst);
                        drop(client.write_all(&[21, 3, 3, 0, 2, 2, 40]));
                        break;
                    }
                    let sent = client.write_all(&[head.as_slice(), &body].concat());
                    if !whole || sent.is_err() {
                        break;
                    }
                }
                drop(client.shutdown(std::net::Shutdown::Both));
            });
        }
    });
}

#[test]
fn a_leaf_is_proved_by_a_server_that_refuses_the_client_and_by_none_that_signs_nothing() {
    if !rustix::process::geteuid().is_root() {
        skip("only root plans for this host");
        return;
    }
    let scratch = Scratch::new();
    scratch.mint("site", "localhost");
    let (port, behind) = (own_port(), own_port());
    let mut command = scratch.program("setpriv");
    command.args([
        "--pdeathsig",
        "TERM",
        "--",
        "openssl",
        "s_server",
        "-accept",
    ]);
    command.args([
        &format!("127.0.0.1:{behind}"),
        "-cert",
        "site.pem",
        "-key",
        "site.key",
    ]);
    // It takes no client without a certificate.
    command.args(["-tls1_2", "-Verify", "1", "-verify_return_error", "-quiet"]);
    let _server = Running::start(&mut command);
    until("the server", || {
        TcpStream::connect(("127.0.0.1", behind)).is_ok()
    });
    let (cuts, cut) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    between(port, behind, &cuts, &cut);
    let dir = scratch.text("tls");
    scratch.dir("tls");
    scratch.profile(
        "own",
        &format!(
            "resources: [{{kind: pem, path: {dir}/a.key, form: key}}]\n\
             probes: [{{tls: \"localhost:{port}\", addresses: [127.0.0.1]}}]\ndeadline: 1\n"
        ),
    );
    let site = scratch.text("site");
    let line = format!(
        "--state S --profiles P plan --profile own --cert {site}.pem --key {site}.key --emit-script script"
    );
    scratch.certroll(&line).exits(5);
    cuts.store(true, Ordering::SeqCst);
    let ran = run(&scratch, "script").exits(4);
    assert!(ran.err.contains("in vain for: presents"), "{ran:#?}");
    assert!(cut.load(Ordering::SeqCst) > 0);
    cuts.store(false, Ordering::SeqCst);
    run(&scratch, "script").exits(0);
}

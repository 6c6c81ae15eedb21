use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{ServerConfig, ServerConnection, crypto::aws_lc_rs, pki_types::PrivateKeyDer};

use super::*;
use crate::starttls::Protocol;

const LIMIT: Duration = Duration::from_secs(10);

fn handshake(
    address: SocketAddr,
    protocol: Protocol,
    name: &str,
    limit: Duration,
) -> Result<Presented> {
    super::handshake(&Dial::new(address, protocol, name, limit))
}

fn pair(name: &str) -> (Vec<u8>, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (leaf.der().to_vec(), key.serialize_der())
}

/// A peer that does something with its connections, on a port of its own.
fn peer(deed: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(&deed));
    address
}

fn found(address: SocketAddr, limit: Duration) -> String {
    match handshake(address, Protocol::Direct, "pbx.example", limit) {
        Err(Error::Unproved { found, .. }) => found,
        other => panic!("{other:?}"),
    }
}

#[test]
fn leaf_chain_version_and_server_name_are_as_the_peer_has_them() {
    let (leaf, key) = pair("pbx.example");
    let (other, _) = pair("intermediate.example");
    for (versions, said) in [
        ([&rustls::version::TLS12], "TLS 1.2"),
        ([&rustls::version::TLS13], "TLS 1.3"),
    ] {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.clone().into(), other.clone().into()],
                PrivateKeyDer::try_from(key.clone()).unwrap(),
            )
            .unwrap();
        let config = Arc::new(config);
        let (tell, told) = std::sync::mpsc::channel();
        let address = peer(move |mut stream| {
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
            tell.send(session.server_name().map(str::to_owned)).unwrap();
        });
        for (name, sni) in [
            ("pbx.example", Some("pbx.example")),
            ("127.0.0.1", None),
            ("not a name", None),
        ] {
            let presented = handshake(address, Protocol::Direct, name, LIMIT).unwrap();
            assert_eq!(presented.certificates, [leaf.clone(), other.clone()]);
            assert_eq!(presented.version, said);
            assert_eq!(told.recv().unwrap().as_deref(), sni, "{name}");
        }
    }
}

#[test]
fn silent_dripping_plain_and_closed_peers_are_told_apart_within_the_limit() {
    let limit = Duration::from_millis(700);
    let silent = peer(|stream| {
        thread::sleep(Duration::from_mins(1));
        drop(stream);
    });
    let drip = peer(|mut stream| {
        // The start of a handshake record of 16 KiB, then a byte at a time.
        let _ = stream.write_all(&[0x16, 3, 3, 0x40, 0]);
        while stream.write_all(&[2]).is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let plain = peer(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 1024]);
    });
    let closing = peer(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
    });
    let flood = peer(|mut stream| while stream.write_all(&[0x16; 8192]).is_ok() {});
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    for (address, said) in [
        (silent, "gave no certificate within 0.7 s"),
        (drip, "gave no certificate within 0.7 s"),
        (plain, "answered with something that is not TLS"),
        (closing, "closed the connection without a certificate"),
        (flood, "answered with something that is not TLS"),
        (closed, "refused the connection"),
    ] {
        let start = Instant::now();
        assert_eq!(found(address, limit), said);
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "{said}: {:?}",
            start.elapsed()
        );
    }
}

/// `openssl s_server`, ended when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn openssl(key: &[&str], options: &[&str]) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=pbx.example",
        ])
        .args(["-keyout", "key.pem", "-out", "leaf.pem"])
        .args(key)
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut child = Command::new("openssl")
        .args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            "leaf.pem",
            "-key",
            "key.pem",
        ])
        .args(options)
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .by_ref()
        .map_while(std::result::Result::ok)
        .find_map(|line| line.strip_prefix("ACCEPT ").map(|at| at.parse().unwrap()))
        .unwrap();
    // The rest is read so that the server never waits for a reader.
    thread::spawn(move || lines.for_each(drop));
    Server {
        child,
        address,
        folder,
    }
}

impl Server {
    fn leaf(&self) -> Vec<u8> {
        let text = std::fs::read(self.folder.path().join("leaf.pem")).unwrap();
        trust_anchors_in(&text).remove(0)
    }
}

#[test]
fn openssl_peers_show_their_leaf_even_where_the_handshake_cannot_end() {
    let rsa = ["-newkey", "rsa:2048"];
    let curve = |name| ["-newkey", "ec", "-pkeyopt", name];
    for (name, key, options, version) in [
        ("RSA over TLS 1.2", &rsa[..], &["-tls1_2"][..], "TLS 1.2"),
        ("RSA over TLS 1.3", &rsa[..], &["-tls1_3"][..], "TLS 1.3"),
        (
            "P-521",
            &curve("ec_paramgen_curve:P-521")[..],
            &[][..],
            "TLS 1.3",
        ),
        ("Ed25519", &["-newkey", "ed25519"][..], &[][..], "TLS 1.3"),
        (
            "RSA-1024 over TLS 1.3",
            &["-newkey", "rsa:1024"][..],
            &["-tls1_3", "-cipher", "DEFAULT@SECLEVEL=0"][..],
            "",
        ),
        (
            "RSA-1024 over TLS 1.2",
            &["-newkey", "rsa:1024"][..],
            &["-tls1_2", "-cipher", "DEFAULT@SECLEVEL=0"][..],
            "",
        ),
        (
            "client certificate demanded",
            &rsa[..],
            &["-tls1_2", "-Verify", "1"][..],
            "TLS 1.2",
        ),
    ] {
        let server = openssl(key, options);
        let presented = handshake(server.address, Protocol::Direct, "pbx.example", LIMIT).unwrap();
        assert_eq!(presented.certificates, [server.leaf()], "{name}");
        assert_eq!(presented.version, version, "{name}");
    }
}

#[test]
fn names_resolve_in_order_each_address_once() {
    assert_eq!(resolve("127.0.0.1"), [IpAddr::from([127, 0, 0, 1])]);
    assert_eq!(resolve("::1"), ["::1".parse::<IpAddr>().unwrap()]);
    assert!(resolve("localhost").contains(&IpAddr::from([127, 0, 0, 1])));
    assert!(resolve("no-such-name.invalid").is_empty());
}

#[test]
fn a_bundle_with_a_damaged_block_gives_the_others() {
    let (leaf, _) = pair("root.example");
    let good = rcgen_pem(&leaf);
    let bundle = format!(
        "# comment\n{good}-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n{good}"
    );
    let found = trust_anchors_in(bundle.as_bytes());
    assert_eq!(found, [leaf.clone(), leaf]);
}

fn rcgen_pem(der: &[u8]) -> String {
    let made = Command::new("openssl")
        .args(["x509", "-inform", "der"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            child.stdin.take().unwrap().write_all(der)?;
            child.wait_with_output()
        })
        .unwrap();
    String::from_utf8(made.stdout).unwrap()
}

#[test]
fn a_leaf_behind_a_preamble_is_seen_and_what_is_injected_before_the_handshake_is_refused() {
    let (leaf, key) = pair("pbx.example");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.clone().into()],
            PrivateKeyDer::try_from(key).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let server = |answer: &'static [u8]| {
        let config = Arc::clone(&config);
        peer(move |mut stream| {
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            let _ = stream.write_all(b"+OK ready\r\n");
            lines.read_line(&mut line).unwrap();
            assert_eq!(line, "STLS\r\n");
            let _ = stream.write_all(answer);
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
        })
    };
    let address = server(b"+OK begin\r\n");
    let presented = handshake(address, Protocol::Pop3, "pbx.example", LIMIT).unwrap();
    assert_eq!(presented.certificates, [leaf]);
    for (answer, want) in [
        (
            &b"+OK begin\r\n+OK injected\r\n"[..],
            "sent 14 bytes after an answer, before the handshake",
        ),
        (
            b"-ERR what?\r\n",
            "does not offer TLS: it answered `-ERR what?`",
        ),
        (
            b"HTTP/1.1 400\r\n",
            "does not speak this protocol: it said `HTTP/1.1 400`",
        ),
    ] {
        match handshake(server(answer), Protocol::Pop3, "pbx.example", LIMIT) {
            Err(Error::Unproved { found, .. }) => assert_eq!(found, want),
            other => panic!("{other:?}"),
        }
    }
    // A peer that says nothing, or ever half of it, costs the limit and no more.
    let limit = Duration::from_millis(700);
    let drip = peer(|mut stream| {
        while stream.write_all(b"+").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let start = Instant::now();
    match handshake(drip, Protocol::Pop3, "pbx.example", limit) {
        Err(Error::Unproved { found, .. }) => {
            assert_eq!(found, "gave no certificate within 0.7 s");
        }
        other => panic!("{other:?}"),
    }
    assert!(start.elapsed() < Duration::from_secs(3));
}

//! Peers that are pinned, and peers that ask who their client is.

use std::{
    net::{SocketAddr, TcpListener},
    thread,
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::aws_lc_rs,
    pki_types::PrivateKeyDer,
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};

use super::*;
use crate::{
    identity::{Identity, Input},
    peer::{Accept, Fingerprint},
    starttls::Protocol,
};

const LIMIT: Duration = Duration::from_secs(10);

fn pair(name: &str) -> (Vec<u8>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (leaf.self_signed(&key).unwrap().der().to_vec(), key)
}

/// Presents a leaf with whatever key, as somebody can who copied the leaf.
#[derive(Debug)]
struct Presents(Arc<CertifiedKey>);

impl ResolvesServerCert for Presents {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A peer of one version that presents a leaf with a key, and asks for a client certificate of a CA if one is given. It
/// notes how many bytes came behind handshakes.
fn peer(
    version: &'static rustls::SupportedProtocolVersion,
    leaf: &[u8],
    key: &KeyPair,
    client_ca: Option<&[u8]>,
) -> SocketAddr {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = Presents(Arc::new(CertifiedKey::new(vec![leaf.to_vec().into()], key)));
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap();
    let config = match client_ca {
        None => config.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.to_vec().into()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = Arc::new(config.with_cert_resolver(Arc::new(shown)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            while session
                .complete_io(&mut stream)
                .is_ok_and(|(read, _)| read > 0)
            {}
        }
    });
    address
}

fn dial(address: SocketAddr) -> Dial {
    Dial::new(address, Protocol::Direct, "pbx.example", LIMIT)
}

#[test]
fn a_pin_is_compared_inside_the_handshake_and_a_copied_leaf_without_its_key_is_refused() {
    let (leaf, key) = pair("pbx.example");
    let (other, other_key) = pair("pbx.example");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let name = format!("{:?}", version.version);
        let right = peer(version, &leaf, &key, None);
        let wrong = peer(version, &other, &other_key, None);
        let copied = peer(version, &leaf, &other_key, None);
        for pin in [Fingerprint::of(&leaf), Fingerprint::legacy(&leaf)] {
            for (address, presents, accepted) in [
                (right, &leaf, true),
                (wrong, &other, false),
                (copied, &leaf, false),
            ] {
                let dial = Dial {
                    accept: Accept::Only(vec![Fingerprint::of(b"next"), pin]),
                    ..dial(address)
                };
                let presented = handshake(&dial).unwrap();
                assert_eq!(&presented.certificates[0], presents, "{name}");
                assert_eq!(
                    !presented.version.is_empty(),
                    accepted,
                    "{name}: {presented:?}"
                );
                assert_eq!(
                    presented.refusal.is_none(),
                    accepted,
                    "{name}: {presented:?}"
                );
            }
        }
    }
}

fn identity(leaf: &[u8], key: &KeyPair) -> Arc<Identity> {
    let inputs = [leaf.to_vec(), key.serialize_der()].map(|bytes| Input {
        name: "client".to_owned(),
        bytes: bytes.into(),
    });
    Arc::new(Identity::assemble(&inputs, None).unwrap().0)
}

#[test]
fn who_asks_for_a_client_certificate_is_known_by_it_and_its_judgement_comes_late_or_early() {
    let (leaf, key) = pair("pbx.example");
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(rcgen::DnType::CommonName, "clients");
    let ca_der = ca.self_signed(&ca_key).unwrap().der().to_vec();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let client_key = KeyPair::generate().unwrap();
    let client = CertificateParams::new(vec!["me.example".to_owned()])
        .unwrap()
        .signed_by(&client_key, &issuer)
        .unwrap();
    let known = identity(client.der(), &client_key);
    let (stranger, stranger_key) = pair("me.example");
    let stranger = identity(&stranger, &stranger_key);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let address = peer(version, &leaf, &key, Some(&ca_der));
        for (client, refused) in [
            (None, Some("CertificateRequired")),
            (Some(&known), None),
            (Some(&stranger), Some("alert")),
        ] {
            let presented = handshake(&Dial {
                client: client.cloned(),
                ..dial(address)
            })
            .unwrap();
            let asked = presented.asked.clone().unwrap();
            assert_eq!(asked.len(), 1);
            assert!(asked[0].contains("CN=clients"), "{asked:?}");
            let name = format!("{:?} {refused:?}: {presented:?}", version.version);
            // TLS 1.2 calls it a failure of the handshake, RFC 5246 section 7.4.6.
            let says = |text: &str, wanted: &str| {
                text.contains(wanted) || text.contains("HandshakeFailure")
            };
            match refused {
                None => assert_eq!(presented.refusal, None, "{name}"),
                Some(wanted) => assert!(
                    presented
                        .refusal
                        .as_deref()
                        .is_some_and(|r| says(r, wanted)),
                    "{name}"
                ),
            }
            assert!(!presented.version.is_empty(), "{name}");
        }
        // Whoever does not ask is not waited for.
        let silent = peer(version, &leaf, &key, None);
        assert_eq!(handshake(&dial(silent)).unwrap().asked, None);
    }
}

#[test]
fn many_are_asked_side_by_side_and_answered_in_order() {
    let start = Instant::now();
    let numbers: Vec<u64> = (0..200).collect();
    let doubled = each(&numbers, |n| {
        thread::sleep(Duration::from_millis(20));
        n * 2
    });
    assert!(
        doubled
            .iter()
            .zip(&numbers)
            .all(|(twice, n)| *twice == n * 2)
    );
    assert_eq!(doubled.len(), numbers.len());
    // One after the other they take four seconds.
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert!(each(&Vec::<u8>::new(), |n| *n).is_empty());
}

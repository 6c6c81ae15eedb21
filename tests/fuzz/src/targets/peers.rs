//! What peers present in a handshake: any bytes where certificates should be.

use std::net::{IpAddr, SocketAddr};

use certroll::{
    desired::Probe,
    host::Presented,
    probe::{self, Observation, Want},
};

use super::{hosts, printable};

const PORT: u16 = 443;

/// Certificates as frames: two bytes of length, big end first, then as many bytes as there are.
fn frames(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let [high, low, rest @ ..] = data {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (frame, after) = rest.split_at(length);
        frames.push(frame.to_vec());
        data = after;
    }
    frames
}

pub(super) fn check(data: &[u8]) {
    let certificates = frames(data);
    let here = IpAddr::from([127, 0, 0, 1]);
    let mut world = hosts::world();
    world.endpoints.insert(
        SocketAddr::new(here, PORT),
        Presented {
            certificates: certificates.clone(),
            version: "TLS 1.3".to_owned(),
            ..Presented::default()
        },
    );
    let host = hosts::host(world);
    let probe = Probe::Tls {
        protocol: certroll::starttls::Protocol::Direct,
        name: "pbx.example.com".to_owned(),
        port: PORT,
        addresses: vec![here],
        service: "nginx".to_owned(),
    };
    let seen = probe::observe(&host, &probe);
    let Observation::Tls(ends) = &seen else {
        panic!("not an observation of TLS: {seen:?}");
    };
    let silence = Observation::Tls(Vec::new());
    let Some(served) = ends[0].presented.as_ref() else {
        assert!(certificates.is_empty(), "certificates were not seen");
        assert!(ends[0].silence.is_some(), "silent without a reason");
        return;
    };
    assert_eq!(served.chain.len() + 1, certificates.len());
    for (der, fingerprint) in certificates
        .iter()
        .zip([&served.leaf].into_iter().chain(&served.chain))
    {
        assert_eq!(fingerprint.len(), 64);
        assert_eq!(&probe::details(der).sha256, fingerprint);
    }
    let want = |leaf: &str| Want::Leaf {
        leaf: leaf.to_owned(),
        chain: served.chain.clone(),
    };
    let good = probe::judge(&probe, &want(&served.leaf), &seen, &silence);
    let bad = probe::judge(&probe, &want("another"), &seen, &silence);
    let same = probe::judge(&probe, &Want::Baseline(seen.clone()), &seen, &silence);
    assert!(good.good && good.judged && !bad.good && bad.fails() && same.good);
    for verdict in [good, bad, same] {
        printable(&verdict.found);
        printable(&verdict.want);
    }
    reported(&host, data.len() + 16 * certificates.len());
    let stored = serde_json::to_string(&seen).unwrap();
    assert_eq!(
        serde_json::from_str::<Observation>(&stored).unwrap(),
        seen,
        "what a journal keeps is not what was seen"
    );
}

/// What is told is bound by what came, a certificate of nothing counted too.
fn reported(host: &certroll::host::fake::FakeHost, size: usize) {
    let target = [format!("127.0.0.1:{PORT}")];
    let reports = probe::run(host, &target, &probe::Questions::default()).unwrap();
    for end in &reports[0].endpoints {
        for details in end.leaf.iter().chain(&end.chain) {
            printable(&details.subject);
            printable(&details.issuer);
            details.names.iter().for_each(|name| printable(name));
        }
    }
    let told = serde_json::to_string(&reports).unwrap().len();
    assert!(
        told < 4096 + 32 * size,
        "{told} bytes are told of {size} that came"
    );
}

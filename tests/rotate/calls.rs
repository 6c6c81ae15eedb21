//! A call that is judged by the handshake alone: TLS 1.2 refuses inside it, TLS 1.3 behind it.

use crate::{
    common::{Running, Scratch, own_port, until},
    nginx::live,
};

#[test]
fn a_call_is_judged_by_the_handshake_alone_where_nothing_is_asked_for() {
    let scratch = Scratch::new();
    for pair in ["new", "other"] {
        scratch.mint(pair, "pair.example.com");
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let port = own_port();
        let words = format!(
            "s_server -accept 127.0.0.1:{port} -cert new.pem -key new.key -CAfile new.pem -Verify 1 -verify_return_error \
             -quiet {version}"
        );
        let mut server = Running::start(scratch.program("openssl").args(words.split(' ')));
        until("the server", || {
            assert!(!server.has_ended(), "openssl ended: {server:?}");
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let plan = |with: &str| {
            let files = format!(
                "[{}, {}]",
                scratch.text(&format!("{with}.pem")),
                scratch.text(&format!("{with}.key"))
            );
            scratch.profile(
                "calls",
                &format!(
                    "probes:\n  - {{call: \"127.0.0.1:{port}\", accepted_with: {files}, refused_without: true}}\ndeadline: 1\n"
                ),
            );
            live(
                &scratch,
                "--json plan --profile calls --cert new.pem --key new.key",
            )
            .json()["owed"]
                .to_string()
        };
        // What it accepts and refuses is as wanted: nothing is owed.
        assert_eq!(plan("new"), "[]", "{version}");
        let owed = plan("other");
        assert!(
            owed.contains("other.pem: 127.0.0.1:")
                && owed.contains("alert")
                && owed.contains("want a client that is accepted"),
            "{version}: {owed}"
        );
        assert_eq!(owed.matches("want ").count(), 1, "{version}: {owed}");
        drop(server);
        let owed = plan("new");
        assert_eq!(
            owed.matches("refused the connection, want").count(),
            2,
            "silence is no answer: {owed}"
        );
    }
}

//! Another server than pebble: the one in Caddy, which is that of step-ca, and whose leaves live for twelve hours.

use std::net::TcpStream;

use crate::{
    common::{Running, until},
    lane::{Lane, apart},
};

const NAME: &str = "www.acme.example";

#[test]
fn caddys_server_issues_and_renews_leaves_of_twelve_hours() {
    apart(|| {
        let lane = Lane::new(NAME);
        let scratch = &lane.scratch;
        scratch.file(
            "Caddyfile",
            format!(
                "{{\n admin off\n storage file_system {}\n skip_install_trust\n auto_https disable_redirects\n \
                 http_port 8085\n}}\nlocalhost:9443 {{\n tls internal\n acme_server\n}}\n",
                scratch.text("caddy")
            ),
        );
        let mut caddy = scratch.program("setpriv");
        caddy
            .args([
                "--pdeathsig",
                "KILL",
                "--",
                "caddy",
                "run",
                "--adapter",
                "caddyfile",
            ])
            .args(["--config", "Caddyfile"])
            .env("HOME", scratch.text(""));
        let caddy = Running::start(&mut caddy);
        until("Caddy", || {
            TcpStream::connect("127.0.0.1:9443").is_ok()
                && caddy.said().contains("certificate obtained successfully")
        });
        let root = "caddy/pki/authorities/local/root.crt";
        let order = format!(
            "issue acme {NAME} --server https://localhost:9443/acme/local/directory --ca-file {root} --agree-tos"
        );
        lane.run(&order).exits(0).says("issued: ");
        lane.is_pair(NAME);
        let first = lane.leaf(NAME);
        lane.later(6, "renew").exits(0);
        assert_eq!(
            lane.leaf(NAME),
            first,
            "renewed with half of its lifetime left"
        );
        lane.later(9, "renew").exits(0).says("renewed: identity");
        lane.is_pair(NAME);
        assert_ne!(lane.leaf(NAME), first);
    });
}

//! The proof through a gateway: nginx calls a backend with the client certificate of a rollout, and the backend names it.

use std::process::Command;

use super::{
    common::{Run, Running, Scratch, own_port, skip, until},
    serve::Backend,
};

const NGINX: &str = "/usr/sbin/nginx";

/// nginx before a backend: it shows `front` to its clients, and the pair in `N/tls` to the backend.
struct Gateway {
    scratch: Scratch,
    port: u16,
    nginx: Running,
}

impl Gateway {
    fn start(scratch: Scratch, backend: u16) -> Self {
        scratch.sh("mkdir -p N/tls N/tmp; cp old.pem N/tls/site.pem; cp old.key N/tls/site.key; cp front.* N/");
        let port = own_port();
        let top = scratch.text("N");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|part| format!("{part}_temp_path {top}/tmp/{part};\n"))
            .concat();
        let config = format!(
            "daemon off;\nuser root;\nworker_processes 1;\npid {top}/nginx.pid;\nerror_log {top}/error.log;\n\
             events {{}}\nhttp {{\naccess_log off;\n{temporary}server {{\nlisten 127.0.0.1:{port} ssl;\n\
             ssl_certificate {top}/front.pem;\nssl_certificate_key {top}/front.key;\n\
             location / {{ proxy_pass https://127.0.0.1:{backend}; proxy_ssl_session_reuse off;\n\
             proxy_ssl_certificate {top}/tls/site.pem; proxy_ssl_certificate_key {top}/tls/site.key; }}\n}}\n}}\n"
        );
        scratch.file("N/nginx.conf", config);
        let mut command = scratch.program("setpriv");
        command.args([
            "--pdeathsig",
            "TERM",
            "--",
            NGINX,
            "-p",
            &top,
            "-c",
            "nginx.conf",
        ]);
        let mut nginx = Running::start(&mut command);
        until("nginx to serve", || {
            assert!(!nginx.has_ended(), "nginx did not start");
            scratch.path("N/nginx.pid").exists()
                && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let front = scratch.fingerprint("front.pem");
        let pin = format!("--state state pin add 127.0.0.1:{port} --fingerprint {front}");
        scratch.certroll(&pin).exits(0);
        Self {
            scratch,
            port,
            nginx,
        }
    }

    /// Rolls `new` out with a profile that has nginx reload, or does something else in its place.
    fn apply(&self, backend: u16, reload: &str) -> Run {
        let (top, port) = (self.scratch.text("N"), self.port);
        let reload = if reload.is_empty() {
            format!("[{NGINX}, -p, {top}, -c, nginx.conf, -s, reload]")
        } else {
            reload.to_owned()
        };
        self.scratch.profile(
            "gw",
            &format!(
                "resources:\n- {{kind: pem, path: {top}/tls/site.pem, form: fullchain}}\n- {{kind: pem, path: {top}/tls/site.key, form: key}}\n\
                 services:\n- {{manager: command, action: reload, command: {reload}, limit: 10}}\n\
                 probes:\n- {{https: \"127.0.0.1:{port}\", get: /proof, seen_by: \"127.0.0.1:{backend}\", hint: read the log}}\ndeadline: 4\n"
            ),
        );
        self.certroll("-v apply --yes --profile gw --cert new.pem --key new.key")
    }

    fn certroll(&self, line: &str) -> Run {
        let line = format!("--state state --profiles P {line}");
        self.scratch.certroll(&line)
    }
}

impl Drop for Gateway {
    /// The master ends its worker; one that is killed leaves it.
    fn drop(&mut self) {
        if !self.nginx.has_ended() {
            self.nginx.signal("TERM");
            until("nginx's end", || self.nginx.has_ended());
        }
    }
}

/// Pairs of all that take part; none where there is no nginx.
fn pairs() -> Option<Scratch> {
    if Command::new(NGINX).arg("-v").output().is_err() {
        skip("nginx is not installed: apt-get install nginx-light");
        return None;
    }
    let scratch = Scratch::new();
    for name in ["old", "new", "front", "backend"] {
        scratch.mint(name, &format!("{name}.example.com"));
    }
    Some(scratch)
}

#[test]
fn a_client_identity_is_proved_by_what_the_backend_behind_the_gateway_saw() {
    let Some(scratch) = pairs() else { return };
    let backend = Backend::start(&scratch, "--trust old.pem --trust new.pem");
    let gateway = Gateway::start(scratch, backend.port);
    let new = gateway.scratch.fingerprint("new.pem");
    gateway
        .apply(backend.port, "")
        .exits(0)
        .says(&format!("the backend saw `{}…`", &new[..16]))
        .says("committed: generation 1");
    let seen = |backend: &Backend| -> Vec<String> {
        let named = |visit: &serde_json::Value| visit["leaf"]["sha256"].as_str().map(str::to_owned);
        backend.lines().iter().filter_map(named).collect()
    };
    assert_eq!(seen(&backend).last(), Some(&new));
    // Each look asked the backend itself, too, and was refused.
    let refused = |visit: &&serde_json::Value| visit["refused"] == "showed no client certificate";
    assert!(backend.lines().iter().filter(refused).count() >= 2);
    gateway.certroll("apply --yes").exits(0).says("converged");
    let old = gateway.scratch.fingerprint("old.pem");
    gateway.certroll("rollback --yes").exits(0);
    assert_eq!(seen(&backend).last(), Some(&old));
}

#[test]
fn a_gateway_that_goes_on_with_its_old_identity_takes_the_run_back_and_says_where_to_look() {
    let Some(scratch) = pairs() else { return };
    let backend = Backend::start(&scratch, "");
    let gateway = Gateway::start(scratch, backend.port);
    let old = gateway.scratch.fingerprint("old.pem");
    let run = gateway.apply(backend.port, "[\"true\"]").exits(3);
    let said = format!("{}{}", run.out, run.err);
    let saw = format!("the backend saw `{}…`", &old[..16]);
    for text in [saw.as_str(), "; read the log"] {
        assert!(said.contains(text), "no {text:?} in {said}");
    }
    assert_eq!(
        gateway.scratch.read("N/tls/site.pem"),
        gateway.scratch.read("old.pem")
    );
}

#[test]
fn a_backend_that_takes_clients_without_a_certificate_proves_nothing() {
    let Some(scratch) = pairs() else { return };
    let port = own_port();
    // Any leaf is named by who does not look at one.
    let new = scratch.fingerprint("new.pem");
    let body = format!("{{\"leaf\": {{\"sha256\": \"{new}\"}}}}");
    let script = format!(
        "mkdir -p B; printf '%s' '{body}' > B/proof; cd B; exec openssl s_server -accept 127.0.0.1:{port} -cert ../backend.pem -key ../backend.key -WWW -verify 1 -quiet"
    );
    let mut command = scratch.program("setpriv");
    command.args(["--pdeathsig", "TERM", "--", "sh", "-c", &script]);
    let lax = Running::start(&mut command);
    until("the backend", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let gateway = Gateway::start(scratch, port);
    let run = gateway.apply(port, "").exits(3);
    let said = format!("{}{}", run.out, run.err);
    let lenient = format!("backend 127.0.0.1:{port} takes a client without a certificate");
    assert!(said.contains(&lenient), "{said}");
    drop(lax);
}

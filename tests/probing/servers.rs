//! nginx and `openssl s_server` on ports of their own.

use std::net::TcpListener;

use crate::common::{Running, Scratch, until};

/// A server, ended with its test.
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Running,
}

impl Server {
    pub(crate) fn target(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn start(scratch: &Scratch, port: u16, argv: &[&str]) -> Self {
        // Ended with the thread of its test, even where that is ended itself.
        let mut command = scratch.program("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).args(argv);
        let mut server = Self {
            port,
            process: Running::start(&mut command),
        };
        until("the server", || {
            assert!(!server.process.has_ended(), "{argv:?} ended");
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        server
    }
}

impl Drop for Server {
    /// nginx's master ends its worker; one that is killed leaves it.
    fn drop(&mut self) {
        if !self.process.has_ended() {
            self.process.signal("TERM");
            until("the server's end", || self.process.has_ended());
        }
    }
}

fn free() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// nginx with a pair and some directives.
pub(crate) fn nginx(scratch: &Scratch, name: &str, pair: &str, lines: &str) -> Server {
    let port = free();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {name}/{what}; "))
        .concat();
    scratch.dir(name);
    let conf = format!("{name}.conf");
    scratch.file(
        &conf,
        format!(
            "daemon off; worker_processes 1; pid {name}/pid; lock_file {name}/lock; error_log stderr; \
             events {{ worker_connections 64; }} http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port} ssl; \
             ssl_certificate {pair}.pem; ssl_certificate_key {pair}.key; {lines} return 200; }} }}\n"
        ),
    );
    let (dir, conf) = (scratch.text(""), scratch.text(&conf));
    Server::start(scratch, port, &["nginx", "-p", &dir, "-c", &conf])
}

/// `openssl s_server` with a pair and some options.
pub(crate) fn s_server(scratch: &Scratch, pair: &str, options: &str) -> Server {
    let port = free();
    let (cert, key) = (format!("{pair}.pem"), format!("{pair}.key"));
    let at = format!("127.0.0.1:{port}");
    let mut argv = vec![
        "openssl", "s_server", "-quiet", "-www", "-accept", &at, "-cert", &cert, "-key", &key,
    ];
    argv.extend(options.split_whitespace());
    Server::start(scratch, port, &argv)
}

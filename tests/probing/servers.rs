//! nginx and `openssl s_server` on ports of their own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rustls::{
    ServerConfig, ServerConnection,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::common::{Running, Scratch, own_port, until};

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

/// nginx with a pair and some directives.
pub(crate) fn nginx(scratch: &Scratch, name: &str, pair: &str, lines: &str) -> Server {
    let port = own_port();
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
    let port = own_port();
    let (cert, key) = (format!("{pair}.pem"), format!("{pair}.key"));
    let at = format!("127.0.0.1:{port}");
    let mut argv = vec![
        "openssl", "s_server", "-quiet", "-www", "-accept", &at, "-cert", &cert, "-key", &key,
    ];
    argv.extend(options.split_whitespace());
    Server::start(scratch, port, &argv)
}

/// A POP3 server that knows `STLS`; its port, and how many connections it had.
pub(crate) fn pop3(scratch: &Scratch, pair: &str) -> (u16, impl Fn() -> usize) {
    let leaf = CertificateDer::from_pem_file(scratch.path(&format!("{pair}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(scratch.path(&format!("{pair}.key"))).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(b"+OK ready\r\n");
            let mut line = String::new();
            // The client waits for the answer, so that no byte of its handshake is read ahead here.
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = stream.write_all(b"+OK begin\r\n");
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            while session
                .complete_io(&mut stream)
                .is_ok_and(|(read, _)| read > 0)
            {}
        }
    });
    (port, move || count.load(Ordering::SeqCst))
}

//! `certroll serve mtls`: what it says of clients with and without a certificate, and how it ends.

use std::{
    fs,
    io::Write as _,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::common::{CERTROLL, Run, Running, Scratch, until};

/// A backend of the program's, on a port of its own.
pub(crate) struct Backend {
    process: Running,
    pub(crate) port: u16,
    out: std::path::PathBuf,
}

impl Backend {
    /// Starts it with the pair `backend` and more options.
    pub(crate) fn start(scratch: &Scratch, options: &str) -> Self {
        let out = scratch.path("backend.log");
        let line = format!(
            "exec {CERTROLL} --json serve mtls --cert backend.pem --key backend.key --listen 127.0.0.1:0 {options} > backend.log"
        );
        let mut command = scratch.program("setpriv");
        command.args(["--pdeathsig", "TERM", "--", "sh", "-c", &line]);
        let process = Running::start(&mut command);
        let mut backend = Self {
            process,
            port: 0,
            out,
        };
        until("the backend", || {
            assert!(!backend.process.has_ended(), "the backend ended");
            !backend.lines().is_empty()
        });
        let first = &backend.lines()[0];
        assert_eq!(first["format"], "certroll/serving/1");
        let address = first["address"].as_str().unwrap();
        backend.port = address.rsplit_once(':').unwrap().1.parse().unwrap();
        backend
    }

    /// What it said, a document a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.out).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What it said of its visitors, once they were so many.
    fn visits(&self, many: usize) -> Vec<Value> {
        until("visits", || self.lines().len() > many);
        self.lines().split_off(1)
    }

    fn stop(self, signal: &str) -> Run {
        self.process.signal(signal);
        self.process.end_within(Duration::from_secs(5))
    }
}

/// Calls a path of the backend with curl; the body, or none where the call failed.
fn call(scratch: &Scratch, port: u16, options: &str) -> Option<Value> {
    let url = format!("https://backend.example.com:{port}/orders?id=7");
    let script = format!(
        "curl -s --max-time 10 --noproxy '*' --cacert backend.pem --resolve backend.example.com:{port}:127.0.0.1 {options} {url} || echo null"
    );
    let out = scratch.sh(&script);
    serde_json::from_str::<Value>(&out)
        .unwrap()
        .as_object()
        .map(|body| Value::Object(body.clone()))
}

fn pairs() -> Scratch {
    let scratch = Scratch::new();
    for (name, dns) in [
        ("backend", "backend.example.com"),
        ("gateway", "gateway.example.com"),
        ("other", "other.example.com"),
    ] {
        scratch.mint(name, dns);
    }
    scratch
}

#[test]
fn a_backend_names_the_leaf_that_a_client_showed_and_refuses_one_without() {
    let scratch = pairs();
    let backend = Backend::start(&scratch, "");
    for (number, version) in ["1.2", "1.3"].into_iter().enumerate() {
        let tls = format!("--tlsv1.2 --tls-max {version}");
        let shown = format!("{tls} --cert gateway.pem --key gateway.key -d x=1");
        let body = call(&scratch, backend.port, &shown).unwrap();
        assert_eq!(body["format"], "certroll/visit/1");
        assert_eq!(
            body["leaf"]["sha256"],
            scratch.fingerprint("gateway.pem").as_str()
        );
        assert_eq!(body["leaf"]["subject"], "CN=gateway.example.com");
        assert_eq!(body["accepted"], true);
        assert_eq!(body["version"], format!("TLS {version}"));
        assert_eq!(body["server_name"], "backend.example.com");
        assert_eq!(
            (&body["method"], &body["path"]),
            (&"POST".into(), &"/orders?id=7".into())
        );
        assert_eq!(call(&scratch, backend.port, &tls), None);
        let visits = backend.visits(2 * number + 2);
        assert_eq!(visits[2 * number], body, "the answer is the line");
        let refused = &visits[2 * number + 1];
        assert_eq!(refused["accepted"], false);
        assert_eq!(refused["refused"], "showed no client certificate");
        assert_eq!(refused["leaf"], Value::Null);
    }
    backend.stop("TERM").exits(0);
}

#[test]
fn a_backend_that_trusts_some_accepts_what_leads_to_them_and_no_other() {
    let scratch = pairs();
    scratch.sh(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -subj /CN=ca -out ca.pem 2>&1 &&
         openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout issued.key -subj /CN=issued -out issued.csr 2>&1 &&
         for use in clientAuth serverAuth; do
             printf \"extendedKeyUsage=$use\" > eku && openssl x509 -req -in issued.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
                 -days 9 -extfile eku -out $use.pem 2>&1 || exit 1
         done",
    );
    let backend = Backend::start(&scratch, "--trust gateway.pem --trust ca.pem");
    let with = |leaf: &str, key: &str| {
        let options = format!("--cert {leaf}.pem --key {key}.key");
        call(&scratch, backend.port, &options)
    };
    assert!(with("gateway", "gateway").is_some(), "the leaf is listed");
    assert!(with("clientAuth", "issued").is_some(), "its CA is listed");
    assert_eq!(with("other", "other"), None);
    assert_eq!(with("serverAuth", "issued"), None);
    let refused: Vec<Value> = (backend.visits(4).into_iter())
        .map(|visit| visit["refused"].clone())
        .collect();
    assert_eq!(refused[..2], [Value::Null, Value::Null]);
    assert_eq!(
        refused[2],
        "showed a leaf that is not trusted: the leaf is a CA"
    );
    assert_eq!(
        refused[3],
        "showed a leaf that is not trusted: the extended key usage excludes this use"
    );
    // Java chooses what it shows by these names.
    let asked = scratch.sh(&format!(
        "openssl s_client -connect 127.0.0.1:{} </dev/null 2>/dev/null | sed -n '/Acceptable client/,/^Requested/p'",
        backend.port
    ));
    assert!(
        asked.contains("CN = gateway.example.com") && asked.contains("CN = ca"),
        "{asked}"
    );
    backend.stop("INT").exits(0);
}

#[test]
fn clients_that_send_a_byte_now_and_then_keep_nobody_else_out_for_long() {
    let scratch = pairs();
    let backend = Backend::start(&scratch, "");
    // The head of a record of 512 bytes, which never end.
    let slow: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", backend.port)).unwrap();
            stream.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
            stream
        })
        .collect();
    let start = Instant::now();
    while backend.lines().len() <= slow.len() {
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(16), "they are heard still");
        for mut stream in &slow {
            // One that was ended takes no more.
            drop(stream.write(b"\0"));
        }
        thread::sleep(Duration::from_millis(700));
    }
    for visit in backend.visits(slow.len()) {
        assert_eq!(visit["refused"], "ended no handshake within 10 s");
    }
    // Their farewell is short, too, though they go on.
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(700));
        for mut stream in &slow {
            drop(stream.write(b"\0"));
        }
    }
    let options = "--cert gateway.pem --key gateway.key";
    assert!(call(&scratch, backend.port, options).is_some());
    backend.stop("TERM").exits(0);
}

#[test]
fn a_backend_ends_by_itself_and_hears_no_noise() {
    let scratch = pairs();
    let backend = Backend::start(&scratch, "--for 2");
    // One that says nothing keeps nobody waiting, and one that speaks no TLS is told.
    let _silent = TcpStream::connect(("127.0.0.1", backend.port)).unwrap();
    scratch.sh(&format!(
        "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 5 openssl s_client -connect 127.0.0.1:{0} >/dev/null 2>&1 || true
         curl -s --max-time 5 --noproxy '*' http://127.0.0.1:{0}/ >/dev/null || true",
        backend.port
    ));
    let told: Vec<Value> = (backend.visits(2).into_iter())
        .map(|visit| visit["refused"].clone())
        .collect();
    assert_eq!(told, ["showed no client certificate", "spoke no TLS"]);
    backend.process.end_within(Duration::from_secs(10)).exits(0);
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap();
    scratch
        .certroll(&format!(
            "serve mtls --cert backend.pem --key backend.key --listen {address}"
        ))
        .exits(1)
        .complains(&format!(
            "error: cannot listen on `{address}`\ncaused by: address already in use (os error 98)\nhost: unchanged\n"
        ));
    scratch
        .certroll("serve mtls --cert backend.pem")
        .exits(2)
        .complains(
            "error: `backend.pem`: no private key in it\n\
             hint: give the key of this certificate: `--key F`\nhost: unchanged\n",
        );
}

//! The figure of docs/performance.md about probes: 1,000 listeners asked at once, beside a plain loop of handshakes.
//!
//! `cargo bench --bench probes` prints it, `-- --write` also rewrites its section of docs/performance.md, and `-- --smoke` asks
//! ten, where only the outcomes mean something. The listeners are children of this program, so that neither side's share of
//! the work is counted as its own; both sides ask the same ones, in turn, in one run.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench starts programs and sockets, reads the clock and prints; it is no part of certroll"
)]

use std::{
    error::Error,
    fs,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use certroll::peer::{Accept, Verifier};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, ServerConfig, ServerConnection, client::Resumption,
    crypto::aws_lc_rs, pki_types::PrivateKeyDer, pki_types::ServerName,
};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Processes that listen: each has a part of the ports, and stays far below the usual limit of descriptors.
const CHILDREN: usize = 4;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
const START: &str = "<!-- probes -->\n";
const END: &str = "<!-- end of probes -->\n";

/// Listens on as many ports as asked, says which, and serves until its input ends.
fn serve(count: usize) -> Result<()> {
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der())?,
        )?;
    let config = Arc::new(config);
    for _ in 0..count {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        println!("{}", listener.local_addr()?.port());
        let config = Arc::clone(&config);
        thread::Builder::new()
            .stack_size(512 << 10)
            .spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    if let Ok(mut session) = ServerConnection::new(Arc::clone(&config)) {
                        while session
                            .complete_io(&mut stream)
                            .is_ok_and(|(read, _)| read > 0)
                        {}
                    }
                }
            })?;
    }
    // Children end with their parent, whose end of this pipe closes.
    std::io::stdin().lines().for_each(drop);
    Ok(())
}

struct Listeners {
    children: Vec<Child>,
    ports: Vec<u16>,
}

impl Listeners {
    fn start(count: usize) -> Result<Self> {
        let mut all = Self {
            children: Vec::new(),
            ports: Vec::new(),
        };
        for at in 0..CHILDREN {
            let share = count / CHILDREN + usize::from(at < count % CHILDREN);
            let mut child = Command::new(std::env::current_exe()?)
                .args(["--serve", &share.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let said = child.stdout.take().ok_or("a child without output")?;
            all.children.push(child);
            for line in BufReader::new(said).lines().take(share) {
                all.ports.push(line?.parse()?);
            }
        }
        Ok(all)
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.stdin.take());
            drop(child.wait());
        }
    }
}

/// One handshake after the other with one configuration, and nothing else.
fn plain_loop(ports: &[u16]) -> Result<Duration> {
    let verifier = Arc::new(Verifier::new(Accept::Any));
    let mut config = ClientConfig::builder_with_provider(verifier.provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    let config = Arc::new(config);
    let start = Instant::now();
    for port in ports {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port))?;
        let name = ServerName::try_from("localhost")?;
        let mut session = ClientConnection::new(Arc::clone(&config), name)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        session.send_close_notify();
        session.complete_io(&mut stream)?;
    }
    Ok(start.elapsed())
}

/// The program from start to exit; every listener must have presented its leaf.
fn certroll(ports: &[u16]) -> Result<Duration> {
    let targets = ports.iter().map(|port| format!("127.0.0.1:{port}"));
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_certroll"))
        .args(["--json", "probe"])
        .args(targets)
        .output()?;
    let took = start.elapsed();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let probes = document["probes"]
        .as_array()
        .ok_or("no probes in the report")?;
    let good = |probe: &&serde_json::Value| probe["endpoints"][0]["leaf"]["sha256"].is_string();
    let seen = probes.iter().filter(good).count();
    if seen != ports.len() {
        return Err(format!("{seen} of {} listeners presented a leaf", ports.len()).into());
    }
    Ok(took)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn rate(count: usize, time: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64()
}

fn section(count: usize, runs: usize, plain: Duration, ours: Duration) -> String {
    let (plain, ours) = (rate(count, plain), rate(count, ours));
    let share = ours / plain * 100.0;
    let holds = if share >= 80.0 { "yes" } else { "**no**" };
    format!(
        "{START}## Probes

| what | certroll | a plain loop | figure | to hold | holds |
|---|---|---|---|---|---|
| handshakes a second, {count} listeners on loopback | {ours:.0} | {plain:.0} | {share:.0} % | at least 80 % | {holds} |

Written by `cargo bench --bench probes -- --write`: medians of {runs} runs each, in turn. certroll is `certroll --json probe` with all
targets, from start to exit, 64 connections at a time; the plain loop makes one rustls handshake after the other in one
thread, and nothing else. The listeners are processes beside both, on the same cores.
{END}"
    )
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (count, runs, write) = match args.as_slice() {
        ["--serve", count] => return serve(count.parse()?),
        [] => (1_000, 7, false),
        ["--write"] => (1_000, 7, true),
        ["--smoke"] => (10, 1, false),
        _ => return Err("known are `--smoke` and `--write`".into()),
    };
    let listeners = Listeners::start(count)?;
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        plain.push(plain_loop(&listeners.ports)?);
        ours.push(certroll(&listeners.ports)?);
    }
    let section = section(count, runs, median(plain), median(ours));
    print!("{section}");
    if write {
        let page = fs::read_to_string(PAGE)?;
        let before = page.split(START).next().unwrap_or_default().trim_end();
        let after = page.split(END).nth(1).unwrap_or_default();
        fs::write(PAGE, format!("{before}\n\n{section}{after}"))?;
        println!("wrote {PAGE}");
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

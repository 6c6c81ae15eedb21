//! Telling others how a run ended: a command and a webhook, which change no outcome, whatever becomes of them.

use std::time::{Duration, Instant};

use crate::common::{CERTROLL, Run, Running, Scratch, skip, until};

/// Says who is told, and how the files that say it stand.
pub(super) struct Told<'a> {
    pub(super) config: String,
    /// A script of the host's, run in its namespace before certroll is.
    pub(super) before: &'a str,
}

/// A directory with the pairs `one` and `two`, and a profile `own` that puts one below it; none where this machine's `/etc`
/// cannot be replaced for one process.
pub(super) fn scratch() -> Option<Scratch> {
    let scratch = Scratch::new();
    let mut asked = scratch.program("unshare");
    asked.args(["-m", "true"]);
    if Running::start(&mut asked).end().code != 0 {
        skip("no mount namespace of our own");
        return None;
    }
    scratch.mint("one", "site.example.com");
    scratch.mint("two", "site.example.com");
    scratch.dir("t");
    let at = scratch.text("t");
    scratch.profile(
        "own",
        &format!(
            "resources:\n  - {{kind: pem, path: {at}/site.key, form: key}}\n  - {{kind: pem, path: {at}/site.pem, form: fullchain}}\n\
             settings:\n  test: {{default: 'true', help: a command}}\n\
             services:\n  - {{manager: command, command: ['true'], config_test: ['{{{{ set.test }}}}']}}\n"
        ),
    );
    scratch.sh("cp -a /etc etc; rm -rf etc/certroll; mkdir etc/certroll; printf 'a secret\\n' > etc/certroll/key; chmod 600 etc/certroll/key");
    Some(scratch)
}

/// Runs a command line on the machine itself, with an `/etc` of its own.
#[track_caller]
pub(super) fn run(scratch: &Scratch, told: &Told<'_>, line: &str) -> Run {
    scratch.file("etc/certroll/notify.yaml", &told.config);
    scratch.mode("etc/certroll/notify.yaml", 0o644);
    let script = format!(
        "unset SSL_CERT_FILE; mount --bind etc /etc; {}; exec {CERTROLL} --state S --profiles P {line}",
        told.before
    );
    Running::start(
        scratch
            .program("unshare")
            .args(["-m", "sh", "-euc", &script]),
    )
    .end()
}

pub(super) fn command(scratch: &Scratch, body: &str) -> Told<'static> {
    scratch.file("tell", format!("#!/bin/sh\n{body}\n"));
    scratch.mode("tell", 0o755);
    Told {
        config: format!("command: [{}, first]\nlimit: 1\n", scratch.text("tell")),
        before: "true",
    }
}

pub(super) const APPLY: &str = "apply --profile own --cert one.pem --key one.key --yes";

#[test]
fn a_command_gets_the_outcome_and_the_receipt_of_every_run_that_changed_something() {
    let Some(scratch) = scratch() else { return };
    let at = scratch.text("");
    let told = command(
        &scratch,
        &format!("echo \"$*\" >> {at}told; cp \"$5\" {at}receipt.json"),
    );
    run(&scratch, &told, APPLY).exits(0);
    let receipt: serde_json::Value = serde_json::from_str(&scratch.read("receipt.json")).unwrap();
    assert_eq!(receipt["outcome"], "committed");
    assert_eq!(
        receipt["identity"]["fingerprint"],
        scratch.fingerprint("one.pem")
    );
    // Nothing was changed, so there is nothing to tell.
    run(&scratch, &told, APPLY).exits(0);
    let broken = "apply --profile own --cert two.pem --key two.key --set test=false --yes";
    run(&scratch, &told, broken).exits(3);
    run(&scratch, &told, "rollback --yes").exits(0);
    let line = |n: u32, word: &str| {
        format!("first {word} own {n} {at}S/generations/{n:06}/receipt.json\n")
    };
    let all = [
        line(1, "committed"),
        line(2, "rolled-back"),
        line(3, "committed"),
    ]
    .concat();
    assert_eq!(scratch.read("told"), all);
    // Only what is asked for is told.
    let only = Told {
        config: told.config.clone() + "on: [rolled-back]\n",
        ..told
    };
    run(&scratch, &only, APPLY).exits(0);
    assert_eq!(scratch.read("told"), all);
}

#[test]
fn what_becomes_of_a_command_changes_no_outcome_and_is_said() {
    let Some(scratch) = scratch() else { return };
    for (body, said) in [
        ("exit 7", "exited with 7"),
        ("sleep 30", "took longer than 1 s"),
        ("kill -9 $$", "ended by a signal"),
    ] {
        scratch.sh("rm -rf S t/*");
        let told = command(&scratch, body);
        let start = Instant::now();
        let run = run(&scratch, &told, APPLY).exits(0);
        assert!(start.elapsed() < Duration::from_secs(20), "{body}");
        assert!(
            run.last().starts_with("committed: generation 1"),
            "{run:#?}"
        );
        assert!(
            run.err.contains("warning: not told of generation 1: ") && run.err.contains(said),
            "{run:#?}"
        );
    }
}

#[test]
fn who_else_may_write_what_root_runs_is_not_obeyed() {
    let Some(scratch) = scratch() else { return };
    let at = scratch.text("");
    let body = format!("touch {at}ran");
    for (before, said) in [
        ("chmod 666 /etc/certroll/notify.yaml".to_owned(), "`/etc/certroll/notify.yaml` can be written by others"),
        (format!("chmod 777 {at}tell"), "can be written by others than root"),
        // What a shell is given to run is run, too.
        (
            format!("cp {at}tell /etc/certroll/arg; chmod 646 /etc/certroll/arg; echo 'command: [/bin/sh, /etc/certroll/arg]' > /etc/certroll/notify.yaml"),
            "`/etc/certroll/arg` can be written by others than root: root runs it",
        ),
        (
            "echo 'command: [/bin/sh, /tmp/certroll-test-no-such-file]' > /etc/certroll/notify.yaml".to_owned(),
            "`/tmp` can be written by others than root: root runs it",
        ),
        (
            format!("mount -t tmpfs none /dev/shm; cp {at}tell /dev/shm/certroll-tell; chown nobody /dev/shm/certroll-tell; echo 'command: [/dev/shm/certroll-tell]' > /etc/certroll/notify.yaml"),
            "`/dev/shm/certroll-tell` can be written by others than root: root runs it",
        ),
        ("echo 'command: [bin/tell]' > /etc/certroll/notify.yaml".to_owned(), "`bin/tell` is a relative path"),
        ("echo nonsense: 1 >> /etc/certroll/notify.yaml".to_owned(), "unknown key `nonsense`"),
        ("echo 'webhook: {url: \"http://x/\", secret_file: /etc/certroll/key}' > /etc/certroll/notify.yaml".to_owned(), "does not begin with `https://`"),
        ("echo 'webhook: {url: \"https://x/a b\", secret_file: /etc/certroll/key}' > /etc/certroll/notify.yaml".to_owned(), "the path has a character that stands in none"),
    ] {
        let told = Told {
            before: &before,
            ..command(&scratch, &body)
        };
        scratch.sh("rm -rf S t/*");
        let run = run(&scratch, &told, APPLY).exits(0);
        assert!(run.err.contains(said), "no {said:?} in {run:#?}");
        assert!(!scratch.path("ran").exists(), "{before}");
    }
}

/// What takes one document after another: each into `body`, its headers into `head`.
const SERVER: &str = r"
import http.server, ssl, time
class Taker(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        open('head', 'w').write(str(self.headers))
        open('body', 'wb').write(self.rfile.read(int(self.headers['content-length'])))
        if self.path == '/slow':
            time.sleep(30)
        self.send_response(500 if self.path == '/bad' else 302 if self.path == '/away' else 204)
        self.send_header('location', 'https://127.0.0.1:1/')
        self.end_headers()
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Taker)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('hook.pem', 'hook.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
open('port.new', 'w').write(str(server.server_port))
import os; os.rename('port.new', 'port')
server.serve_forever()
";

/// Starts what takes documents, and returns it with its port.
fn taker(scratch: &Scratch) -> (Running, String) {
    scratch.mint("hook", "localhost");
    scratch.file("server.py", SERVER);
    let server = Running::start(scratch.program("python3").arg("server.py"));
    until("the server", || scratch.path("port").exists());
    (server, scratch.read("port"))
}

#[test]
fn a_webhook_gets_a_signed_document_and_only_the_peer_that_is_pinned_does() {
    let Some(scratch) = scratch() else { return };
    let (_server, port) = taker(&scratch);
    let pin = scratch.fingerprint("hook.pem");
    let hook = |path: &str, more: &str| Told {
        config: format!(
            "webhook: {{url: 'https://localhost:{port}{path}', secret_file: /etc/certroll/key{more}}}\nlimit: 1\n"
        ),
        before: "true",
    };
    let pinned = format!(", pin: '{pin}'");
    let first = run(&scratch, &hook("/take?a=1", &pinned), APPLY).exits(0);
    assert!(!first.err.contains("warning"), "{first:#?}");
    let body: serde_json::Value = serde_json::from_str(&scratch.read("body")).unwrap();
    assert_eq!(body["format"], "certroll/notify/1");
    assert_eq!(body["receipt"]["outcome"], "committed");
    // The key is the first line of its file; openssl makes the same of the very bytes.
    let mac = scratch.sh("openssl dgst -sha256 -hmac 'a secret' -r body | cut -d' ' -f1");
    let head = scratch.read("head").to_lowercase();
    assert!(
        head.contains(&format!("x-certroll-signature: sha256={}", mac.trim())),
        "{head}"
    );
    assert!(head.contains("content-type: application/json"), "{head}");

    let wrong = format!(", pin: '{}'", "0".repeat(64));
    for (path, more, said, reached) in [
        ("/bad", pinned.as_str(), "answers 500", true),
        ("/away", &pinned, "answers 302", true),
        ("/slow", &pinned, "not told of generation", true),
        ("/take", &wrong, "not told of generation", false),
        // Without a pin a trust anchor of this host must lead to it.
        (
            "/take",
            "",
            "presents a leaf that no trust anchor of this host leads to",
            false,
        ),
    ] {
        scratch.sh("rm -f body; rm -rf S t/*");
        let run = run(&scratch, &hook(path, more), APPLY).exits(0);
        assert!(run.err.contains(said), "no {said:?} in {run:#?}");
        assert!(run.last().starts_with("committed"), "{run:#?}");
        assert_eq!(scratch.path("body").exists(), reached, "{path}{more}");
    }
    // A key that others may read is none.
    scratch.sh("rm -rf S t/*; rm -f body");
    let open = Told {
        before: "chmod 644 /etc/certroll/key",
        ..hook("/take", &pinned)
    };
    let run = run(&scratch, &open, APPLY).exits(0);
    assert!(
        run.err.contains("others than its owner may read it"),
        "{run:#?}"
    );
    assert!(!run.err.contains("a secret") && !scratch.path("body").exists());
}

#[test]
fn without_a_pin_a_trust_anchor_of_the_host_leads_to_the_webhook() {
    let Some(scratch) = scratch() else { return };
    let (_server, port) = taker(&scratch);
    let trusted = Told {
        config: format!(
            "webhook: {{url: 'https://localhost:{port}/', secret_file: /etc/certroll/key}}\n"
        ),
        before: "cat hook.pem >> /etc/ssl/certs/ca-certificates.crt",
    };
    let done = run(&scratch, &trusted, APPLY).exits(0);
    assert!(!done.err.contains("warning"), "{done:#?}");
    assert!(scratch.path("body").exists());
    // One that is trusted and has another name is not the one that is meant.
    scratch.sh("rm -rf S t/*; rm -f body");
    let named = Told {
        config: trusted.config.replace("localhost", "127.0.0.1"),
        ..trusted
    };
    let run = run(&scratch, &named, APPLY).exits(0);
    assert!(run.err.contains("does not cover `127.0.0.1`"), "{run:#?}");
    assert!(!scratch.path("body").exists());
}

#[test]
fn the_file_that_the_documentation_shows_is_understood() {
    let page = include_str!("../../docs/monitoring.md");
    let shown = page
        .split("```yaml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let config = certroll::notify::Config::parse("notify.yaml", shown).unwrap();
    assert_eq!(
        (config.command.len(), config.on.len(), config.limit),
        (1, 2, 10)
    );
    let webhook = config.webhook.unwrap();
    assert_eq!(
        (webhook.peer.port, webhook.path.as_str()),
        (443, "/certroll")
    );
    assert!(webhook.pin.is_some());
}

//! The gateway's double and a backend, both on this host, each of which reads the stores that a rollout writes.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use certroll::demo::wso2::{Backend, Gateway};

use crate::{
    common::{CERTROLL, Run, Running, Scratch, Snapshot, own_port, until},
    emitted::run,
    profile::{HOME, product},
};

/// The backend is started anew, with what its stores hold then, where the file `again` is; that is then taken away.
const BACKEND: &str = "while :; do
    openssl pkcs12 -in R/backend/trust.p12 -nokeys -passin file:R/backend/password -out trust.pem 2>/dev/null
    openssl pkcs12 -in R/backend/key.p12 -nodes -passin file:R/backend/password -out served.pem 2>/dev/null
    chmod 600 served.pem
    setpriv --pdeathsig TERM -- CERTROLL serve mtls --cert served.pem --key served.pem --trust trust.pem --listen 127.0.0.1:PORT >>backend.log 2>&1 &
    served=$!
    until openssl s_client -connect 127.0.0.1:PORT </dev/null 2>/dev/null | grep -q BEGIN; do sleep 0.05; done
    rm -f again
    until [ -e again ]; do sleep 0.05; done
    kill $served
    wait $served
done";

/// Both, until it is dropped.
pub(crate) struct Site {
    pub(crate) scratch: Scratch,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) backend: u16,
    stop: Arc<AtomicBool>,
    restarts: Option<JoinHandle<()>>,
    _backend: Running,
}

impl Site {
    /// Lays the product out, and starts both. The gateway shows a pair that the backend trusts; where that is empty, neither
    /// knows the other yet.
    pub(crate) fn with(pair: &str) -> Self {
        let scratch = product();
        for pair in ["first", "second", "front", "backend-new"] {
            scratch.mint(pair, &format!("{pair}.example.com"));
        }
        scratch.file(
            &format!("{HOME}/resources/security/sslprofiles.xml"),
            "<parameter name=\"customSSLProfiles\"></parameter>\n",
        );
        let backend = own_port();
        scratch.file("R/backend/password", "backend-secret\n");
        scratch.mode("R/backend/password", 0o600);
        for store in [
            "trust.p12 --trust other=other.pem",
            "key.p12 --alias backend --cert backend.pem --key backend.key",
        ] {
            let line = "--format pkcs12 --password-file R/backend/password";
            scratch
                .certroll(&format!("keystore new R/backend/{store} {line}"))
                .exits(0);
        }
        let (home, tell) = (scratch.text("R/opt/wso2am"), scratch.text("tell"));
        let waits = |file: &str| {
            format!("#!/bin/sh\n: >{file}\nwhile [ -e {file} ]; do sleep 0.05; done\n")
        };
        scratch.file("tell", waits(&scratch.text("again")));
        let start = format!("{home}/bin/api-manager.sh");
        scratch.file(
            "R/opt/wso2am/bin/api-manager.sh",
            waits(&scratch.text("restart")),
        );
        for program in [&tell, &start] {
            fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        scratch.file("P/wso2/profile.yaml", profile(&tell));
        if !pair.is_empty() {
            scratch
                .on_root(&format!(
                    "--profiles P apply --yes --profile wso2 --set user=root --set backend=127.0.0.1:{backend} \
                     --set backend_cert=/etc/backend.pem --set backend_truststore=/backend/trust.p12 \
                     --set backend_password_file=/backend/password --cert {pair}.pem --key {pair}.key"
                ))
                .exits(0);
        }
        let script = BACKEND
            .replace("CERTROLL", CERTROLL)
            .replace("PORT", &backend.to_string());
        scratch.file("again", "");
        let mut command = scratch.program("setpriv");
        command.args(["--pdeathsig", "TERM", "--", "sh", "-c", &script]);
        let running = Running::start(&mut command);
        until("the backend", || !scratch.path("again").exists());
        let front = (scratch.read("front.pem"), scratch.read("front.key"));
        let called = Backend {
            server: format!("127.0.0.1:{backend}"),
            port: backend,
        };
        let gateway = Gateway::start(Path::new(&home), (&front.0, &front.1), called).unwrap();
        let pin = format!(
            "--state S pin add 127.0.0.1:{} --fingerprint {}",
            gateway.port,
            scratch.fingerprint("front.pem")
        );
        scratch.certroll(&pin).exits(0);
        let gateway = Arc::new(gateway);
        let stop = Arc::<AtomicBool>::default();
        let (product, ended, asked) = (
            Arc::clone(&gateway),
            Arc::clone(&stop),
            scratch.path("restart"),
        );
        let restarts = std::thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                if asked.exists() {
                    product.restart();
                    fs::remove_file(&asked).unwrap();
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self {
            scratch,
            gateway,
            backend,
            stop,
            restarts: Some(restarts),
            _backend: running,
        }
    }

    /// The flags of a rollout, paths from `/`.
    pub(crate) fn flags(&self, pair: &str, more: &str) -> String {
        let text = |name: &str| self.scratch.text(name);
        format!(
            "--profile wso2 --set home={} --set user=root --set backend=127.0.0.1:{} --set gateway=127.0.0.1:{} --set proof=/proof \
             --set backend_password_file={} --cert {} --key {} {more}",
            text("R/opt/wso2am"),
            self.backend,
            self.gateway.port,
            text("R/backend/password"),
            text(&format!("{pair}.pem")),
            text(&format!("{pair}.key")),
        )
    }

    /// The gateway's side, with the backend's truststore on this host.
    pub(crate) fn as_gateway(&self, pair: &str) -> String {
        let more = format!(
            "--set backend_truststore={} --set backend_cert={}",
            self.scratch.text("R/backend/trust.p12"),
            self.scratch.text("backend.pem")
        );
        self.flags(pair, &more)
    }

    #[track_caller]
    pub(crate) fn certroll(&self, line: &str) -> Run {
        self.scratch
            .certroll(&format!("--state S --profiles P {line}"))
    }

    /// Plans, and writes the script of what is due now; none where every phase is done.
    #[track_caller]
    pub(crate) fn emit(&self, flags: &str) -> bool {
        self.scratch.sh("rm -rf script script.files");
        let planned = self
            .certroll(&format!("plan {flags} --emit-script script"))
            .exits(5);
        let due = self.scratch.path("script").exists();
        let ended = "no script was written to script: every phase is done on this host";
        assert_eq!(due, !planned.err.contains(ended), "{planned:#?}");
        due
    }

    /// Runs the script.
    #[track_caller]
    pub(crate) fn run(&self) -> Run {
        run(&self.scratch, "script")
    }

    /// The leaf that the backend sees when the API is called; empty where there is no answer.
    pub(crate) fn seen(&self) -> String {
        self.scratch.sh(&format!(
            "curl -s --insecure --noproxy '*' --max-time 10 https://127.0.0.1:{}/proof | sed -n 's/.*\"leaf\":{{[^}}]*\"sha256\":\"\\([0-9a-f]*\\)\".*/\\1/p' | tr -d '\\n'",
            self.gateway.port
        ))
    }

    /// Whether the backend takes a client with this pair.
    pub(crate) fn takes(&self, pair: &str) -> bool {
        let answer = self.scratch.sh(&format!(
            "curl -s --insecure --noproxy '*' --max-time 10 --cert {pair}.pem --key {pair}.key https://127.0.0.1:{} || true",
            self.backend
        ));
        answer.contains("\"accepted\":true")
    }

    /// The files of both.
    pub(crate) fn tree(&self) -> Snapshot {
        self.scratch.tree()
    }

    /// The aliases of a store.
    pub(crate) fn aliases(&self, store: &str, password: &str) -> Vec<String> {
        let listed = self
            .scratch
            .certroll(&format!(
                "--json keystore list {store} --password-file {password}"
            ))
            .exits(0)
            .json();
        let entries = listed["entries"].as_array().unwrap().clone();
        let mut all: Vec<String> = entries
            .iter()
            .map(|entry| entry["alias"].as_str().unwrap().to_owned())
            .collect();
        all.sort();
        all
    }

    /// The aliases of the gateway's truststore.
    pub(crate) fn gateway_trusts(&self) -> Vec<String> {
        self.aliases(
            &format!("{HOME}/resources/security/client-truststore.jks"),
            "trust",
        )
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(restarts) = self.restarts.take() {
            drop(restarts.join());
        }
    }
}

/// The built-in profile, but that it tells this backend, waits for nothing but its proof, and for that not long.
fn profile(tell: &str) -> String {
    let text = fs::read_to_string("templates/wso2/profile.yaml").unwrap();
    let (rest, _) = text.rsplit_once("\ndeadline: ").unwrap();
    let told = |side: &str, setting: &str| {
        format!(
            "  - manager: command\n    when: set.side == '{side}' and set.{setting} != ''\n    command: [{tell}]\n    on: [\"{{{{ set.{setting} }}}}\"]\n"
        )
    };
    let services = [
        "\nservices:\n".to_owned(),
        told("gateway", "backend_truststore"),
        told("backend", "backend_keystore"),
    ]
    .concat();
    let text = rest.replacen("\nservices:\n", &services, 1);
    let (before, line) = text.split_once("    then: [sleep, ").unwrap();
    let (_, after) = line.split_once('\n').unwrap();
    format!("{before}    then: [sleep, \"1\"]\n{after}\ndeadline: 6\n")
}

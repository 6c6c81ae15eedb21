//! Documents that somebody put a password into: the diff shows where it is, and never what it is.

use super::{
    EC,
    common::{Scratch, Snapshot},
    scratch,
};

/// What must not be told, whatever it is called.
const SECRETS: [&str; 15] = [
    "Kuckuck-1",
    "Kuckuck-2",
    "Kuckuck-3",
    "Kuckuck-4",
    "Kuckuck-5",
    "Kuckuck-6",
    "Kuckuck-7",
    "Kuckuck-8",
    "Kuckuck-9",
    "Kuckuck-A",
    "Kuckuck-B",
    "Kuckuck-C",
    "Kuckuck-D",
    "Kuckuck-E",
    "Kuckuck-F",
];

const DOCUMENT: &str = r#"host: HOST
db_uri: postgresql://app:Kuckuck-1@localhost/app?x=1
password: "Kuckuck-2"
Port: 1
api_token = Kuckuck-3
HOST=HOST
{"client_secret": "Kuckuck-4", "also": "Kuckuck-4"}
export PGPASSWORD='Kuckuck-5'
passphrase Kuckuck-6
port: HOST
-----BEGIN OPENSSH SECRETS-----
Kuckuck-7
-----END OPENSSH SECRETS-----
<password>Kuckuck-8</password>
'api_key' => 'Kuckuck-9',
urls: amqp://u:Kuckuck-A@h/ amqp://v:Kuckuck-B@h/
  - "DB_PASS=Kuckuck-C"
exec: --pass Kuckuck-D --verbose
then: amqp://u:Kuckuck-E@h/ token=Kuckuck-F
proxy_pass http://HOST.backend;
end: HOST
"#;

fn lay(scratch: &Scratch) {
    scratch.profile(
        "own",
        "resources:\n  - {kind: pem, path: /opt/server.key, form: key}\n  - {kind: pem, path: /opt/server.crt, form: fullchain}\n  \
         - {kind: template, path: /opt/app.conf, from: app.conf.tera}\n",
    );
    scratch.dir("R/opt");
    scratch.file("P/own/app.conf.tera", DOCUMENT.replace("HOST", "new"));
}

#[test]
fn what_a_password_is_stays_out_of_every_diff() {
    let (scratch, _) = scratch(EC);
    lay(&scratch);
    // As context, as what goes, and as what comes.
    for before in [
        DOCUMENT.replace("HOST", "old"),
        DOCUMENT.replace("Kuckuck", "Kuckuck-old"),
        String::new(),
    ] {
        scratch.file("R/opt/app.conf", &before);
        let rollout = "--profile own --cert c.pem --key c.key";
        let mut said = String::new();
        for (line, code) in [
            (
                format!("--profiles P plan {rollout} -vv --out saved.json"),
                5,
            ),
            (format!("--profiles P plan {rollout} --json"), 5),
            ("apply --plan saved.json --yes -v -v".to_owned(), 0),
            ("show 1 -vv".to_owned(), 0),
            ("history -vv".to_owned(), 0),
            ("--profiles P status -vv".to_owned(), 0),
            ("rollback --yes -vv".to_owned(), 0),
        ] {
            let run = scratch.on_root(&line).exits(code);
            said += &run.out;
            said += &run.err;
        }
        said += &scratch.read("saved.json");
        assert!(said.contains("+++ /opt/app.conf"), "{said}");
        if !before.is_empty() {
            assert!(said.contains("api_token = [not shown]"), "{said}");
            assert!(said.contains("password: \"[not shown]"), "{said}");
            assert!(said.contains("proxy_pass http://new.backend;"), "{said}");
            assert!(
                said.contains("db_uri: postgresql://app:[not shown]@localhost/app?x=1"),
                "{said}"
            );
        }
        if before.contains("old\n") {
            assert!(
                said.contains("-end: old") && said.contains("+end: new"),
                "{said}"
            );
        }
        let state = Snapshot::of(&scratch.path("R/var/lib/certroll"), &[]);
        for (name, object) in state.0 {
            let kept = name.parent().is_some_and(|dir| dir.ends_with("before"));
            if !kept {
                said += &String::from_utf8_lossy(&object.content.unwrap_or_default());
            }
        }
        for secret in SECRETS {
            let text = said.replace("Kuckuck-old", "Kuckuck");
            assert!(!text.contains(secret), "{secret} is in {said}");
        }
        scratch.sh("rm -r R/var/lib/certroll saved.json");
    }
}

#[test]
fn what_stands_beside_a_merge_key_is_told_like_any_other_value() {
    let (scratch, _) = scratch(EC);
    let edit = "edits: [{at: [tls, cert], value: /new}]";
    let document = format!("{{kind: document, path: /opt/app.yml, format: yaml, {edit}}}");
    scratch.profile("own", &format!("resources: [{document}]\n"));
    let rest = "tls:\n  cert: /old\n";
    for text in [
        "creds:\n  <<: {x: 1}\n  password: >-\n    Kuckuck-1\n",
        "base: &b {y: 1}\ncreds: {<<: *b, password: [Kuckuck-1,\n    Kuckuck-2]}\n",
        "base: &b {y: 1}\ncreds:\n  <<: *b\n  name: token\n  value:\n    Kuckuck-1\n",
        "creds:\n  more: [{<<: {x: 1}, secret: {a:\n    Kuckuck-1}}]\n",
    ] {
        scratch.file("R/opt/app.yml", format!("{text}{rest}"));
        let run = scratch.on_root("--profiles P plan --profile own --cert c.pem --key c.key");
        let run = run.exits(5);
        assert!(!run.out.contains("Kuckuck"), "{run:#?}");
        assert!(run.out.contains("[not shown]"), "{run:#?}");
        assert!(run.out.contains("+  cert: /new"), "{run:#?}");
    }
}

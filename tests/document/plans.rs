//! Documents in rollouts, through the binary: what a person sees, what is written, and the way back.

use std::fs;

use super::common::{Run, Scratch};

const JSON: &str = "{\n  \"general\": {\n    \"title\": \"é\", \"db_password\": \"Hush1\",\n    \"dsn\": \"pg://era:Hush2@db/x\"\n  },\n  \"roles\": [\n    { \"name\": \"ws1\", \"roletype\": \"ws\" },\n    { \"name\": \"mdc1\", \"roletype\": \"mdc\" },\n    { \"name\": \"ws2\", \"roletype\": \"ws\", \"certdir\": \"\" }\n  ]\n}\n";

const TOML: &str = "# shipped\r\n[keystore.tls]\r\nfile_name = \"wso2carbon.jks\" # the store\r\npassword = \"Hush3\"\r\nkey_password = \"\"\"\r\nHush4\"\"\"\r\n[server]\r\nhostname = 'localhost'\r\n";

const XML: &str = "<parameter name=\"SSL\">\n    <profile>\n        <servers>*</servers>\n        <KeyStore>\n            <Location>a.jks</Location>\n            <Password>\n                Hush5\n            </Password>\n        </KeyStore>\n        <property name=\"token\" value=\"Hush6\"/>\n    </profile>\n</parameter>";

const YAML: &str = "http:\n  host: localhost # not a name of the leaf\n  secret: |\n    Hush7\n    Hush8\n  port: 8080\n# old password: Hush9\nend: true\n";

const PROFILE: &str = r#"
settings:
  host: {default: "{{ identity.name }}", help: name}
  interval: {default: "600000", help: milliseconds}
resources:
  - kind: document
    path: /opt/era/config.json
    format: json
    edits:
      - {at: [roles, {roletype: ws}, certdir], value: "alias://paths/default_certdir", every: true}
      - {at: [aliases, paths, {alias: default_certdir}, value], value: /var/lib/cert}
  - kind: document
    path: /opt/wso2/deployment.toml
    format: toml
    edits:
      - {at: [server, hostname], value: "{{ set.host }}"}
      - {at: [keystore, tls, key_password], value: "{{ identity.name }}"}
      - {at: [transport, sender, ssl_profile, interval], value: "{{ set.interval }}", as: number}
  - kind: document
    path: /opt/wso2/profiles.xml
    format: xml
    edits:
      - {at: [parameter, profile, {servers: "*"}, KeyStore, Location], value: new.jks}
      - {at: [parameter, profile, property, {"@name": token}], remove: true}
      - {at: [parameter, profile, "@verify"], value: true}
  - kind: document
    path: /opt/site.yml
    format: yaml
    mode: "0640"
    edits:
      - {at: [http, host], value: "{{ set.host }}"}
      - {at: [http, debug], remove: true}
      - {at: [never], value: 1, when: set.host == 'x'}
  - kind: document
    path: /opt/new.json
    format: json
    create: "{}\n"
    edits:
      - {at: tls, value: {host: "{{ set.host }}", on: true, port: 443}}
"#;

fn host() -> Scratch {
    let scratch = Scratch::new();
    scratch.file("R/opt/era/config.json", JSON);
    scratch.file("R/opt/wso2/deployment.toml", TOML);
    scratch.file("R/opt/wso2/profiles.xml", XML);
    scratch.file("R/opt/site.yml", YAML);
    scratch.mode("R/opt/wso2/deployment.toml", 0o600);
    scratch.profile("a", PROFILE);
    scratch.mint("site", "gw.example.com");
    scratch
}

const ARGS: &str = "--profile a --cert site.pem --key site.key";

#[track_caller]
fn plan(scratch: &Scratch) -> Run {
    scratch.on_root(&format!("--profiles P plan {ARGS}"))
}

#[test]
fn the_plan_shows_what_changes_and_no_secret_around_it() {
    let scratch = host();
    let run = plan(&scratch).exits(5);
    // What comes before is about the identity, which is new each time.
    let shown = run.out[run.out.find("~ /opt").unwrap()..].to_owned();
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/document/plan.txt"
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(golden, &shown).unwrap();
    }
    assert_eq!(shown, fs::read_to_string(golden).unwrap());
    let json = scratch.on_root(&format!("--profiles P --json plan {ARGS}"));
    for said in [run.out, run.err, json.out, json.err] {
        assert!(!said.contains("Hush"), "{said}");
    }
}

#[test]
fn an_apply_writes_the_edits_alone_and_a_second_one_nothing() {
    let scratch = host();
    let before = scratch.tree();
    let apply = || scratch.on_root(&format!("--profiles P apply --yes {ARGS}"));
    let first = apply().exits(0);
    assert!(
        first.last().starts_with("placed: generation 1"),
        "{first:#?}"
    );
    let json = JSON
        .replace("\"ws\" }", "\"ws\", \"certdir\": \"alias://paths/default_certdir\" }")
        .replace("\"certdir\": \"\"", "\"certdir\": \"alias://paths/default_certdir\"")
        .replace(
            "\n  ]\n}",
            "\n  ],\n  \"aliases\": {\n    \"paths\": [{ \"alias\": \"default_certdir\", \"value\": \"/var/lib/cert\" }]\n  }\n}",
        );
    assert_eq!(scratch.read("R/opt/era/config.json"), json);
    let toml = TOML
        .replace("'localhost'", "'gw.example.com'")
        .replace("\"\"\"\r\nHush4\"\"\"", "\"gw.example.com\"");
    let section = "\r\n[transport.sender.ssl_profile]\r\ninterval = 600000\r\n";
    assert_eq!(scratch.read("R/opt/wso2/deployment.toml"), toml + section);
    let xml = XML
        .replace("a.jks", "new.jks")
        .replace("<profile>", "<profile verify=\"true\">")
        .replace("\n        <property name=\"token\" value=\"Hush6\"/>", "");
    assert_eq!(scratch.read("R/opt/wso2/profiles.xml"), xml);
    assert_eq!(
        scratch.read("R/opt/site.yml"),
        YAML.replace("localhost", "gw.example.com")
    );
    let new = "{ \"tls\": { \"host\": \"gw.example.com\" , \"on\": true, \"port\": 443 } }\n";
    assert_eq!(scratch.read("R/opt/new.json"), new.replace(" ,", ","));
    // Modes of what was there stay; a document that was not there is for nobody else.
    let modes = [
        "era/config.json",
        "wso2/deployment.toml",
        "site.yml",
        "new.json",
    ]
    .map(|name| {
        let path = scratch.path(&format!("R/opt/{name}"));
        std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).unwrap()) & 0o777
    });
    assert_eq!(modes, [0o644, 0o600, 0o640, 0o600]);
    assert!(plan(&scratch).exits(0).out.contains("nothing to do"));
    // What others change beside the edits is theirs, and no drift.
    let theirs = json.replace("mdc1", "mdc9");
    scratch.file("R/opt/era/config.json", &theirs);
    plan(&scratch).exits(0);
    scratch.file("R/opt/era/config.json", &json);
    scratch.on_root("rollback --yes").exits(0);
    before.is(&scratch.tree());
}

#[test]
fn nothing_is_written_where_one_document_is_refused_and_all_refusals_are_said() {
    let scratch = host();
    scratch.file(
        "R/opt/era/config.json",
        "{\n  \"password\": \"Hush1\",\n  \"roles\": [,]\n}\n",
    );
    scratch.file("R/opt/site.yml", "http:\n  host: a\n  host: Hush2\n");
    fs::remove_file(scratch.path("R/opt/wso2/profiles.xml")).unwrap();
    let before = scratch.tree();
    let run = scratch.on_root(&format!("--profiles P apply --yes {ARGS}"));
    before.is(&scratch.tree());
    let run = run.exits(1);
    let said = run.out + &run.err;
    for line in [
        "/opt/era/config.json:3:13: want a value",
        "/opt/site.yml:3:3: is not YAML: duplicate mapping key",
        "`/opt/wso2/profiles.xml` is not there: want the document that is edited",
    ] {
        assert!(said.contains(line), "no {line:?} in {said}");
    }
    assert!(!said.contains("Hush"), "{said}");
}

#[test]
fn a_document_in_one_line_is_shown_around_its_change_alone() {
    let scratch = host();
    let many: Vec<String> = (0..200).map(|n| format!("\"k{n}\":{n}")).collect();
    let line = format!(
        "{{\"password\":\"Hush1\",\"aliases\":{{\"paths\":[{{\"alias\":\"default_certdir\",\"value\":\"/var/lib/cert\"}}]}},{},\"roles\":[{{\"roletype\":\"ws\",\"certdir\":\"\"}}],\"token\":\"Hush2\",\"x\":{{{}}}}}",
        many.join(","),
        many.join(",")
    );
    scratch.file("R/opt/era/config.json", &line);
    let run = plan(&scratch).exits(5);
    let certdir = "\"roles\":[{\"roletype\":\"ws\",\"certdir\":\"alias://paths/default_certdir\"}]";
    assert!(run.out.contains(certdir), "{}", run.out);
    assert!(run.out.contains("\"token\":[not shown]"), "{}", run.out);
    assert!(
        !run.out.contains("Hush") && !run.out.contains("\"k9\""),
        "{}",
        run.out
    );
}

#[test]
fn two_entries_that_edit_one_document_differently_are_refused() {
    let scratch = host();
    let one = "{kind: document, path: /opt/site.yml, format: yaml, edits: [{at: end, value: ";
    scratch.profile(
        "a",
        &format!("resources:\n  - {one} true}}]}}\n  - {one} false}}]}}\n"),
    );
    let run = plan(&scratch);
    assert!((run.out + &run.err).contains("`/opt/site.yml` is asked for twice, differently"));
    // The very same is asked for once.
    scratch.profile(
        "a",
        &format!("resources:\n  - {one} 1}}]}}\n  - {one} 1}}]}}\n"),
    );
    assert!(!plan(&scratch).out.contains("asked for twice"));
}

#[test]
fn what_a_profile_says_of_a_document_is_checked_at_its_place() {
    let scratch = host();
    let head = "kind: document, path: /a";
    let mut wrong = Vec::new();
    for (entry, said) in [
        (
            "edits: [{at: a, value: b}]",
            "4:13: `document` has no `format`",
        ),
        (
            "format: ini, edits: [{at: a, value: b}]",
            "4:48: unknown `format` `ini`",
        ),
        ("format: json", "4:13: `document` has no `edits`"),
        (
            "format: json, edits: [{value: b}]",
            "4:62: edit has no `at`",
        ),
        (
            "format: json, edits: [{at: [], value: b}]",
            "4:67: `at` is empty",
        ),
        (
            "format: json, edits: [{at: [{}], value: b}]",
            "4:68: member of `at` is empty",
        ),
        (
            "format: json, edits: [{at: [1], value: b}]",
            "4:68: `at` is a number: want text",
        ),
        (
            "format: json, edits: [{at: a}]",
            "4:62: want one of `value`, `from` and `remove`",
        ),
        (
            "format: json, edits: [{at: a, value: b, remove: true}]",
            "4:62: want one of `value`, `from` and `remove`",
        ),
        (
            "format: json, edits: [{at: a, value: [b]}]",
            "4:77: `value` is a list",
        ),
        (
            "format: json, edits: [{at: a, value: 1, as: number}]",
            "4:62: `as` is for a `value` that is text",
        ),
        (
            "format: json, edits: [{at: a, value: '{{ set.b }}'}]",
            "4:81: undefined setting `set.b`",
        ),
    ] {
        scratch.profile("a", &format!("resources: [{{{head}, {entry}}}]\n"));
        let run = scratch.certroll("profiles check P/a/profile.yaml");
        let found = run.err.lines().next().unwrap_or_default().to_owned();
        if !found.contains(said) {
            wrong.push(format!("{entry}: {found}, want {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let one = "{kind: document, path: /opt/site.yml, format: yaml, edits: [{at: end, value: '{{ identity.name }}', as: number}]}";
    scratch.profile("a", &format!("resources:\n  - {one}\n"));
    let run = plan(&scratch).exits(2);
    assert!(
        run.err.contains("`gw.example.com` is not a whole number"),
        "{}",
        run.err
    );
}

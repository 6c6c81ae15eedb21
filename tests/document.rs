//! Documents that others made, edited: what changes, and every byte that does not.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests make the host they work on and fail by panicking"
)]

#[path = "common/mod.rs"]
mod common;
#[path = "document/hostile.rs"]
mod hostile;
#[path = "document/plans.rs"]
mod plans;
#[path = "document/properties.rs"]
mod properties;
#[path = "document/refused.rs"]
mod refused;

use certroll::document::{Act, Edit, Edits, Fault, Format, Hop, Scalar, Wanted};

/// Reads a way: names between dots, `[key=value]` behind one for a member.
fn way(text: &str) -> Vec<Hop> {
    let split = |part: &str| {
        let (name, members) = part.split_once('[').unwrap_or((part, ""));
        let pairs = members.trim_end_matches(']').split("][");
        let pairs = pairs.filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        });
        Hop {
            name: (!name.is_empty()).then(|| name.to_owned()),
            member: pairs.collect(),
        }
    };
    text.split('/').map(split).collect()
}

fn text(value: &str) -> Wanted {
    Wanted::Scalar(Scalar::Text(value.to_owned()))
}

fn number(value: &str) -> Wanted {
    Wanted::Scalar(Scalar::number(value).unwrap())
}

fn map(members: &[(&str, Wanted)]) -> Wanted {
    let members = members.iter().map(|(k, v)| ((*k).to_owned(), v.clone()));
    Wanted::Map(members.collect())
}

fn set(at: &str, wanted: Wanted) -> Edit {
    Edit {
        at: way(at),
        act: Act::Set(wanted),
        every: false,
    }
}

fn remove(at: &str) -> Edit {
    Edit {
        at: way(at),
        act: Act::Remove,
        every: false,
    }
}

fn every(edit: Edit) -> Edit {
    Edit {
        every: true,
        ..edit
    }
}

fn apply(format: Format, document: &str, edits: &[Edit]) -> Result<String, Fault> {
    let edits = Edits {
        format,
        create: None,
        edits: edits.to_vec(),
    };
    let bytes = edits.apply(document.as_bytes())?;
    Ok(String::from_utf8(bytes).unwrap())
}

/// Asserts what an edit makes of a document, and that a second time changes nothing.
#[track_caller]
fn makes(format: Format, before: &str, edit: Edit, after: &str) {
    let edits = [edit];
    let once = apply(format, before, &edits).unwrap_or_else(|fault| panic!("{fault}: {before}"));
    assert_eq!(once, after);
    assert_eq!(
        apply(format, &once, &edits).unwrap(),
        after,
        "a second time"
    );
}

const ERA: &str = r#"{
  "content": {
    "general": { "ratio": 1.50e3, "big": 12345678901234567890123, "x":  [ 1,2 ] },
    "aliases": {
      "paths": [
        { "alias": "records", "value": "/var/lib/era_files/rec" }
      ],
      "pgdb_strings": []
    },
    "roles": [
      {
        "name": "ws1",
        "roletype": "ws",
        "certdir": ""
      },
      {"name":"mdc1","roletype":"mdc"},
      {"name":"sg1","roletype":"sg"}
    ]
  }
}
"#;

#[test]
fn json_keeps_every_byte_around_what_is_set_in_it() {
    let json = |before: &str, edit: Edit, after: &str| makes(Format::Json, before, edit, after);
    let alias = map(&[("value", text("/var/lib/certs"))]);
    json(
        ERA,
        set("content/aliases/paths[alias=default_certdir]", alias),
        &ERA.replace(
            "rec\" }\n",
            "rec\" },\n        { \"alias\": \"default_certdir\", \"value\": \"/var/lib/certs\" }\n",
        ),
    );
    let certdir = || text("alias://paths/default_certdir");
    json(
        ERA,
        every(set("content/roles[roletype=ws]/certdir", certdir())),
        &ERA.replace(
            "\"certdir\": \"\"",
            "\"certdir\": \"alias://paths/default_certdir\"",
        ),
    );
    json(
        ERA,
        every(set("content/roles[roletype=sg]/certdir", certdir())),
        &ERA.replace(
            "\"sg\"}",
            "\"sg\",\"certdir\":\"alias://paths/default_certdir\"}",
        ),
    );
    json(
        ERA,
        every(set("content/roles[roletype=esg]/certdir", certdir())),
        ERA,
    );
    json(ERA, set("content/general/ratio", number("1500")), ERA);
    json(
        ERA,
        set("content/general/big", number("12345678901234567890123")),
        ERA,
    );
    for (before, edit, after) in [
        ("{}", set("a/b", text("é\"")), r#"{ "a": { "b": "é\"" } }"#),
        (
            "[{\"a\":1}]",
            set("[a=1]/b", number("2")),
            "[{\"a\":1,\"b\":2}]",
        ),
        (
            "\u{feff}{\r\n\t\"a\" : null\r\n}",
            set("b", number("1")),
            "\u{feff}{\r\n\t\"a\" : null,\r\n\t\"b\" : 1\r\n}",
        ),
        (
            r#"{"a":"\u00e9"}"#,
            set("a", text("é")),
            r#"{"a":"\u00e9"}"#,
        ),
        (r#"{"a":1, "b":2, "c":3}"#, remove("b"), r#"{"a":1, "c":3}"#),
        (r#"{"a":1, "b":2}"#, remove("a"), r#"{"b":2}"#),
        ("{ \"a\": [\n 1 ] }", remove("a"), "{}"),
        (
            r#"{"a":[{"k":"x"},{"k":"y"}]}"#,
            remove("a[k=y]"),
            r#"{"a":[{"k":"x"}]}"#,
        ),
        (r#"{"a":1}"#, remove("b/c"), r#"{"a":1}"#),
        (
            r#"{"a":"true"}"#,
            set("a", Wanted::Scalar(Scalar::Bool(true))),
            r#"{"a":true}"#,
        ),
    ] {
        json(before, edit, after);
    }
}

const DEPLOYMENT: &str = r#"# shipped
[server]
hostname = "localhost"   # why

[keystore.tls]
file_name =  'wso2carbon.jks'
key_password = """wso2carbon"""

[transport.https.properties]
port = 9_443

[[keystore.ssl_profile.custom]]
servers = "a:1"
keystore.location = "x"

[[keystore.ssl_profile.custom]]
servers = "b:2"
"#;

#[test]
fn toml_keeps_comments_notations_and_the_order_of_tables() {
    let toml = |before: &str, edit: Edit, after: &str| makes(Format::Toml, before, edit, after);
    let d = DEPLOYMENT;
    toml(
        d,
        set("server/hostname", text("gw.example.com")),
        &d.replace("\"localhost\" ", "\"gw.example.com\" "),
    );
    toml(
        d,
        set("keystore/tls/file_name", text("new.jks")),
        &d.replace("'wso2carbon.jks'", "'new.jks'"),
    );
    toml(d, set("keystore/tls/key_password", text("wso2carbon")), d);
    toml(d, set("transport/https/properties/port", number("9443")), d);
    toml(
        d,
        set("server/node_ip", text("127.0.0.1")),
        &d.replace("# why\n", "# why\nnode_ip = \"127.0.0.1\"\n"),
    );
    let profile = map(&[
        ("file_path", text("repository/x.xml")),
        ("interval", number("600000")),
    ]);
    let section =
        "\n[transport.passthru_https.sender.ssl_profile]\nfile_path = \"repository/x.xml\"\n";
    toml(
        d,
        set("transport/passthru_https/sender/ssl_profile", profile),
        &format!("{d}{section}interval = 600000\n"),
    );
    toml(
        d,
        set("keystore/x", number("1")),
        &format!("{d}\n[keystore]\nx = 1\n"),
    );
    toml(
        d,
        set(
            "keystore/ssl_profile/custom[servers=a:1]/keystore/location",
            text("y"),
        ),
        &d.replace("keystore.location = \"x\"", "keystore.location = \"y\""),
    );
    toml(
        d,
        set(
            "keystore/ssl_profile/custom[servers=a:1]/keystore/type",
            text("JKS"),
        ),
        &d.replace(
            "location = \"x\"\n",
            "location = \"x\"\nkeystore.type = \"JKS\"\n",
        ),
    );
    toml(
        d,
        set(
            "keystore/ssl_profile/custom[servers=c:3]/truststore/type",
            text("JKS"),
        ),
        &format!(
            "{d}\n[[keystore.ssl_profile.custom]]\nservers = \"c:3\"\n\n[keystore.ssl_profile.custom.truststore]\ntype = \"JKS\"\n"
        ),
    );
    for (before, edit, after) in [
        ("", set("a", number("1")), "a = 1\n"),
        ("# only\n", set("a", number("1")), "# only\na = 1\n"),
        (
            "# c\r\n[t]\r\nk = 1\r\n",
            set("t/l", number("2")),
            "# c\r\n[t]\r\nk = 1\r\nl = 2\r\n",
        ),
        ("[t]\nk = 1", set("t/l", number("2")), "[t]\nk = 1\nl = 2"),
        (
            "[t]\nk = 1",
            set("u/l", number("2")),
            "[t]\nk = 1\n\n[u]\nl = 2",
        ),
        (
            "a = { x = 1 }\n",
            set("a/y", number("2")),
            "a = { x = 1, y = 2 }\n",
        ),
        (
            "a.b = 1\nc = 2\n",
            set("a/d", number("2")),
            "a.b = 1\na.d = 2\nc = 2\n",
        ),
        ("a = 1 # x\nb = 2\n", remove("a"), "b = 2\n"),
        ("a = 0x10\n", set("a", number("16")), "a = 0x10\n"),
        ("\u{feff}a = 1\n", set("a", number("2")), "\u{feff}a = 2\n"),
        ("a = 1\nb = 2", remove("b"), "a = 1"),
    ] {
        toml(before, edit, after);
    }
}

const SITE: &str = "# top\nhttp:\n  host: localhost # here\n  port:   8080\nlist:\n  - name: a\n    use: 'yes'\n  - name: b\n\nempty:\nflow: {x: 1, y: [a, b]}\ntext: |\n  one\n  two\nlast: 'q'\n";

#[test]
fn yaml_keeps_comments_styles_and_indentation() {
    let yaml = |before: &str, edit: Edit, after: &str| makes(Format::Yaml, before, edit, after);
    let s = SITE;
    yaml(
        s,
        set("http/host", text("pbx.example.com")),
        &s.replace("localhost", "pbx.example.com"),
    );
    yaml(
        s,
        set("http/host", text("a: b")),
        &s.replace("localhost", "\"a: b\""),
    );
    yaml(s, set("http/port", number("8080")), s);
    yaml(
        s,
        set("http/tls/cert", text("/etc/x.crt")),
        &s.replace("8080\n", "8080\n  tls:\n    cert: /etc/x.crt\n"),
    );
    yaml(
        s,
        set("list[name=b]/use", text("no")),
        &s.replace("name: b\n", "name: b\n    use: \"no\"\n"),
    );
    yaml(
        s,
        set("list[name=c]/use", text("x")),
        &s.replace("name: b\n", "name: b\n  - name: c\n    use: x\n"),
    );
    yaml(s, set("empty", text("x")), &s.replace("empty:", "empty: x"));
    yaml(s, set("flow/x", number("2")), &s.replace("x: 1", "x: 2"));
    yaml(
        s,
        set("flow/z", number("2")),
        &s.replace("b]}", "b], z: 2}"),
    );
    yaml(
        s,
        set("text", text("three")),
        &s.replace("|\n  one\n  two", "three"),
    );
    yaml(s, set("last", text("r s")), &s.replace("'q'", "'r s'"));
    yaml(s, set("new", text("x")), &format!("{s}new: x\n"));
    yaml(
        s,
        remove("http/host"),
        &s.replace("  host: localhost # here\n", ""),
    );
    yaml(s, remove("list[name=b]"), &s.replace("  - name: b\n", ""));
    for (before, edit, after) in [
        ("a: 1", set("b", number("2")), "a: 1\nb: 2"),
        (
            "---\r\na: 1\r\n",
            set("b", number("2")),
            "---\r\na: 1\r\nb: 2\r\n",
        ),
        (
            "g:\n- k: a\n",
            set("g[k=b]/v", number("2")),
            "g:\n- k: a\n- k: b\n  v: 2\n",
        ),
        ("{}\n", set("a/b", number("2")), "{ a: { b: 2 } }\n"),
        (
            "a: 0x10\nb: yes\n",
            set("a", number("16")),
            "a: 0x10\nb: yes\n",
        ),
        (
            "d: &d {k: 1}\na:\n  <<: *d\nc: 1\n",
            set("c", number("2")),
            "d: &d {k: 1}\na:\n  <<: *d\nc: 2\n",
        ),
        (
            "a: &x {k: 1}\nb: *x\nc: 1\n",
            set("c", number("2")),
            "a: &x {k: 1}\nb: *x\nc: 2\n",
        ),
    ] {
        yaml(before, edit, after);
    }
}

const PROFILES: &str = "<?xml version=\"1.0\"?>\n<parameter name='customSSLProfiles'>\n    <!-- keep -->\n    <profile>\n        <servers>*</servers>\n        <TrustStore>\n            <Location>a.jks\n</Location>\n        </TrustStore>\n    </profile>\n</parameter>\n";

#[test]
fn xml_keeps_comments_quotes_and_white_space() {
    let xml = |before: &str, edit: Edit, after: &str| makes(Format::Xml, before, edit, after);
    let p = PROFILES;
    let all = "parameter[@name=customSSLProfiles]/profile[servers=*]";
    xml(
        p,
        set(&format!("{all}/TrustStore/Location"), text("a.jks")),
        &p.replace("a.jks\n<", "a.jks<"),
    );
    let stores = map(&[("Location", text("b&c")), ("Type", text("JKS"))]);
    let new = "\n    <profile>\n        <servers>h:1</servers>\n        <KeyStore>\n            <Location>b&amp;c</Location>\n            <Type>JKS</Type>\n        </KeyStore>\n    </profile>";
    xml(
        p,
        set("parameter/profile[servers=h:1]/KeyStore", stores),
        &p.replace("</profile>\n", &format!("</profile>{new}\n")),
    );
    xml(
        p,
        set("parameter/profile/@novalidatecert", text("true")),
        &p.replace("<profile>", "<profile novalidatecert=\"true\">"),
    );
    xml(p, remove("parameter/profile[servers=*]/TrustStore"), &p.replace("\n        <TrustStore>\n            <Location>a.jks\n</Location>\n        </TrustStore>", ""));
    for (before, edit, after) in [
        ("<a/>", set("a", text("x<y")), "<a>x&lt;y</a>"),
        ("<a b = 'q' />", set("a", text("x")), "<a b = 'q'>x</a>"),
        ("<a/>", set("a/@b", text("x\"")), "<a b=\"x&quot;\"/>"),
        (
            "<a  b='1'  c=\"2\">t</a>",
            set("a/@b", text("&")),
            "<a  b='&amp;'  c=\"2\">t</a>",
        ),
        (
            "<a  b='1'  c=\"2\">t</a>",
            remove("a/@b"),
            "<a  c=\"2\">t</a>",
        ),
        ("<a>&#x74;</a>", set("a", text("t")), "<a>&#x74;</a>"),
        (
            "<a><![CDATA[x<]]></a>",
            set("a", text("x<")),
            "<a><![CDATA[x<]]></a>",
        ),
        ("<a></a>", set("a/b/c", text("1")), "<a><b><c>1</c></b></a>"),
        (
            "<r>\r\n\t<a/>\r\n</r>\r\n",
            set("r/b", number("1")),
            "<r>\r\n\t<a/>\r\n\t<b>1</b>\r\n</r>\r\n",
        ),
        ("\u{feff}<a>1</a>", set("a", text("2")), "\u{feff}<a>2</a>"),
        (
            "<!DOCTYPE a PUBLIC 'x' 'y'><a>1</a>",
            set("a", text("2")),
            "<!DOCTYPE a PUBLIC 'x' 'y'><a>2</a>",
        ),
        ("<a>\n  <b/>\n</a>", remove("a/b"), "<a>\n</a>"),
    ] {
        xml(before, edit, after);
    }
}

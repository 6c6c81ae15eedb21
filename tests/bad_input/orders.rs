//! Orders that cannot be meant: refused before anybody is asked, with the root as it was.

use crate::common::Scratch;

#[test]
fn orders_that_cannot_be_meant_are_refused_before_anybody_is_asked() {
    let scratch = Scratch::wazo();
    let before = scratch.tree();
    let own = "--server https://acme.example/dir --agree-tos";
    for (line, message) in [
        (
            "issue acme www.example.org --server http://acme.example/dir --agree-tos".to_owned(),
            "error: `http://acme.example/dir` is no server: it is spoken to over TLS alone (RFC 8555 section 6.1)\n",
        ),
        (
            format!("issue acme *.example.org {own}"),
            "error: `*.example.org` is proved by DNS alone (RFC 8555 section 7.1.3)\n",
        ),
        (
            format!("issue acme www {own}"),
            "error: `www` is no name that a server issues for\n",
        ),
        (
            format!("issue acme www.b_d.example {own}"),
            "error: `www.b_d.example` is no name that a server issues for\n",
        ),
        (
            format!("issue acme www.example.org {own} --key-type ed25519"),
            "error: ACME servers do not issue for Ed25519\n",
        ),
        (
            format!("issue acme www.example.org {own} --id ../up"),
            "error: `../up` is not the name of an identity\n",
        ),
    ] {
        let run = scratch.on_root(&line).exits(2);
        assert!(run.err.starts_with(message), "{run:#?}");
        assert!(run.err.contains("\nhint: "), "{run:#?}");
        scratch.tree().is(&before);
    }
    let late = format!("issue acme www.example.org {own} --dns-hook hook --hook-wait 3601");
    let late = scratch.on_root(&late).exits(2);
    assert!(late.err.contains("3601 is not in 0..=3600"), "{late:#?}");
    let unknown = scratch.on_root("renew www.example.org").exits(2);
    assert!(
        unknown.err.contains("unknown identity `www.example.org`"),
        "{unknown:#?}"
    );
    let quiet = scratch.on_root("renew").exits(0);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
}

#[test]
fn files_of_an_order_are_known_by_their_whole_paths_since_a_renewal_runs_elsewhere() {
    let scratch = Scratch::new();
    scratch.dir("R");
    let own = "issue acme 127.0.0.1 --server https://localhost:1/dir --agree-tos --http-hook";
    for (rest, file, says) in [
        ("./hook --ca-file in/ca", "in/ca", "error: cannot read `{}`"),
        (
            "./hook --eab-kid kid --eab-key-file eab",
            "eab",
            "error: cannot read `{}`",
        ),
    ] {
        let run = scratch.on_root(&format!("{own} {rest}")).exits(1);
        let says = says.replace("{}", &scratch.text(file));
        assert!(run.err.contains(&says), "{says}: {run:#?}");
    }
}

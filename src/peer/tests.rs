use super::*;

const LEAF: &[u8] = b"not a certificate, but bytes like one";

#[test]
fn every_form_that_tools_print_is_read() {
    let (strong, weak) = (Fingerprint::of(LEAF), Fingerprint::legacy(LEAF));
    let (s, w) = (strong.to_string(), weak.to_string());
    let (sc, wc) = (strong.colons(), weak.colons());
    let spaced = sc.replace(':', " ");
    let dashed = wc.replace(':', "-").to_lowercase();
    let both = format!(r#"[{{"fingerprint-sha1": "{wc}", "fingerprint-sha256": "{sc}"}}]"#);
    for (text, want) in [
        (s.clone(), strong),
        (w.clone(), weak),
        (s.to_uppercase(), strong),
        (sc.clone(), strong),
        (spaced, strong),
        (dashed, weak),
        (format!("SHA1 Fingerprint = {wc}"), weak),
        (format!("SHA1 Fingerprint={wc}\n"), weak),
        (format!("sha256 Fingerprint={sc}"), strong),
        (format!("SHA256: {sc}"), strong),
        (format!("sha256:{s}"), strong),
        (format!("sha-1 {w}"), weak),
        (format!("SHA256 fingerprint: {sc}"), strong),
        (
            format!("Server fingerprint\n  SHA1 Fingerprint = {wc}\n  SHA256 Fingerprint = {sc}\n"),
            strong,
        ),
        (both, strong),
        (
            format!(r#"{{"fingerprint-sha1": "{w}", "status": "ok"}}"#),
            weak,
        ),
    ] {
        assert_eq!(Fingerprint::read(&text).unwrap(), want, "{text}");
    }
}

#[test]
fn what_looks_like_a_fingerprint_and_is_none_is_refused_by_name() {
    let (strong, weak) = (Fingerprint::of(LEAF), Fingerprint::legacy(LEAF));
    let two = format!("{weak}{weak}");
    let other = format!("SHA1={weak}\nSHA1={}", Fingerprint::legacy(b"another"));
    let swapped = format!("SHA1 Fingerprint={strong}");
    for (text, want) in [
        (
            "d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e",
            "is an MD5, as `fwm fingerprint`",
        ),
        (
            "MD5 Fingerprint=D4:1D:8C:D9:8F:00:B2:04:E9:80:09:98:EC:F8:42:7E",
            "is an MD5",
        ),
        (
            "TROY BEAD DOLE FEE COON HAL FADE BEEF ACE MUG LID GAS",
            "is words, as `cp_conf finger get`",
        ),
        (
            "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "is base64, as of an SSH host key",
        ),
        (
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "is a digest of the public key",
        ),
        (&two, "is several SHA-1 in a row"),
        (&other, "names more than one leaf"),
        (&swapped, "has 32 bytes behind that name"),
        ("abcd", "has 2 bytes: want 32"),
        ("", "has no fingerprint in it"),
        ("[]", "has no fingerprint in it"),
        ("[{", "is not JSON"),
        ("hello", "is not hex"),
    ] {
        let error = Fingerprint::read(text).unwrap_err().to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
}

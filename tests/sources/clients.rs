//! What each sort of client of an anchor is told to run.

use super::trust::issued;

/// Who is given an anchor, and how: as PEM, and as DER; `F` and `N` stand for its file and its name, `T` for its trust.
const CLIENTS: [(&str, &str, &str); 6] = [
    (
        "Debian, Ubuntu",
        "install -m 0644 F /usr/local/share/ca-certificates/N.crt && update-ca-certificates",
        "openssl x509 -inform DER -in F -out /usr/local/share/ca-certificates/N.crt && update-ca-certificates",
    ),
    (
        "RHEL, Fedora",
        "install -m 0644 F /etc/pki/ca-trust/source/anchors/N.crt && update-ca-trust",
        "install -m 0644 F /etc/pki/ca-trust/source/anchors/N.crt && update-ca-trust",
    ),
    (
        "Java, asks for the store's password",
        "keytool -importcert -noprompt -cacerts -alias N -file F",
        "keytool -importcert -noprompt -cacerts -alias N -file F",
    ),
    (
        "Firefox, in each profile",
        "certutil -A -d sql:$HOME/.mozilla/firefox/PROFILE -n N -t T,, -a -i F",
        "certutil -A -d sql:$HOME/.mozilla/firefox/PROFILE -n N -t T,, -i F",
    ),
    (
        "Chrome on Linux, other programs of NSS",
        "certutil -A -d sql:$HOME/.pki/nssdb -n N -t T,, -a -i F",
        "certutil -A -d sql:$HOME/.pki/nssdb -n N -t T,, -i F",
    ),
    (
        "Windows, as administrator",
        "certutil -addstore -f Root F",
        "certutil -addstore -f Root F",
    ),
];

#[test]
fn each_sort_of_client_has_its_command_for_pem_and_for_der() {
    let scratch = issued();
    // NSS trusts a leaf as a peer, and a root as a CA.
    for (file, trusted) in [("server.crt", "P"), ("ca.crt", "C")] {
        let name = format!("certroll-{}", &scratch.fingerprint(file)[..16]);
        for (out, more) in [("anchor.pem", ""), ("anchor.cer", " --der")] {
            let mut wanted = format!("{out}: ");
            let run = scratch
                .certroll(&format!("trust export {file} --out {out}{more}"))
                .exits(0);
            wanted += &run.out.lines().next().unwrap()[wanted.len()..];
            for (client, pem, der) in CLIENTS {
                let line = if more.is_empty() { pem } else { der };
                let words = line.split(' ').map(|word| match word {
                    "F" => out.to_owned(),
                    "N" => name.clone(),
                    "T,," => format!("{trusted},,"),
                    other => other.replace("/N.crt", &format!("/{name}.crt")),
                });
                let line = words.collect::<Vec<_>>().join(" ");
                wanted.extend([&format!("\n{client}:\n"), "  ", &line]);
            }
            assert_eq!(run.out, wanted + "\n", "{file}");
            let form = if more.is_empty() { "PEM" } else { "DER" };
            scratch.sh(&format!(
                "openssl x509 -inform {form} -in {out} -out same.pem; cmp same.pem {file}; rm {out} same.pem"
            ));
        }
    }
}

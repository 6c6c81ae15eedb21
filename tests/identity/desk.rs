//! A scratch folder, and the real openssl in it.

use std::process::Command;

use certroll::{
    error::Error,
    identity::{Form, Identity, Input},
    preflight::Finding,
    state::Bytes,
};

/// A scratch folder in which openssl runs.
pub(crate) struct Desktop(tempfile::TempDir);

impl Desktop {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Runs one openssl command line, arguments without spaces, and returns its output.
    pub(crate) fn openssl(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let out = Command::new("openssl")
            .args(words)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "openssl {line}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn input(&self, name: &str) -> Input {
        Input {
            name: name.to_owned(),
            bytes: Bytes::from(self.bytes(name)),
        }
    }

    pub(crate) fn read(
        &self,
        names: &[&str],
        password: Option<&str>,
    ) -> Result<(Identity, Vec<Finding>), Error> {
        let inputs: Vec<Input> = names.iter().map(|n| self.input(n)).collect();
        let password = password.map(|p| Bytes::from(p.as_bytes().to_vec()));
        Identity::assemble(&inputs, password.as_ref())
    }

    /// Makes `site.key` and a self-signed `site.pem`.
    pub(crate) fn pair(&self, arguments: &str) {
        self.openssl(&format!("genpkey {arguments} -out site.key"));
        self.openssl("req -x509 -new -key site.key -subj /CN=www.example.org -addext subjectAltName=DNS:www.example.org -days 90 -out site.pem");
    }

    /// Makes `root.pem`, `link.pem`, `leaf.key`, `leaf.pem`: a private CA with an intermediate.
    pub(crate) fn ca(&self) {
        let ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        self.write("link.ext", "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n");
        self.write("leaf.ext", "subjectAltName=DNS:www.example.org,IP:192.0.2.1\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n");
        self.openssl(&format!(
            "req -x509 {ec} -keyout root.key -out root.pem -subj /O=Test/CN=Root -days 900"
        ));
        self.openssl(&format!(
            "req -new {ec} -keyout link.key -out link.csr -subj /O=Test/CN=Link"
        ));
        self.openssl("x509 -req -in link.csr -CA root.pem -CAkey root.key -CAcreateserial -extfile link.ext -days 800 -out link.pem");
        self.openssl(&format!(
            "req -new {ec} -keyout leaf.key -out leaf.csr -subj /CN=www.example.org"
        ));
        self.openssl("x509 -req -in leaf.csr -CA link.pem -CAkey link.key -CAcreateserial -extfile leaf.ext -days 90 -out leaf.pem");
    }
}

pub(crate) fn names(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|f| f.name).collect()
}

/// Asserts that an identity holds a key, that it is the leaf's, and that openssl reads what is written.
pub(crate) fn assert_whole(desk: &Desktop, identity: &Identity, what: &str) {
    let key = identity
        .key
        .as_ref()
        .unwrap_or_else(|| panic!("{what}: no key"));
    assert_eq!(key.pin(), identity.leaf.pin(), "{what}");
    let written = identity.form(Form::Key).unwrap();
    assert!(
        written
            .reveal()
            .starts_with(b"-----BEGIN PRIVATE KEY-----\n"),
        "{what}"
    );
    desk.write("written.key", written.reveal());
    desk.write(
        "written.pem",
        identity.form(Form::Fullchain).unwrap().reveal(),
    );
    let public = desk.openssl("pkey -in written.key -pubout");
    assert_eq!(
        public,
        desk.openssl("x509 -in written.pem -noout -pubkey"),
        "{what}"
    );
}

//! The double of the gateway: no kinder than the product about when it reads what.

use std::path::Path;

use certroll::demo::wso2::{Backend, Gateway};

use super::{
    common::{Scratch, moment},
    profile::{HOME, TOML, product},
};

const EMPTY: &str = "<parameter name=\"customSSLProfiles\"></parameter>\n";
const BROKEN: &str = "<parameter name=\"customSSLProfiles\"><profile>\n";

fn started(scratch: &Scratch) -> Gateway {
    let front = (scratch.read("gateway.pem"), scratch.read("gateway.key"));
    let backend = Backend {
        server: "backend.example.com:9444".to_owned(),
        port: 1,
    };
    let home = scratch.path(HOME);
    let home = home.parent().unwrap();
    Gateway::start(home, (&front.0, &front.1), backend).unwrap()
}

/// Calls its API; returns the first line of its answer, of which there is none while it is down.
fn called(scratch: &Scratch, gateway: &Gateway) -> String {
    scratch.sh(&format!(
        "printf 'GET / HTTP/1.1\\r\\n\\r\\n' | openssl s_client -quiet -connect 127.0.0.1:{} 2>/dev/null | head -n 1",
        gateway.port
    ))
}

fn points(scratch: &Scratch, path: &Path) {
    let sender = format!(
        "{TOML}\n[transport.passthru_https.sender.ssl_profile]\nfile_path = \"{}\"\n",
        path.display()
    );
    scratch.file(&format!("{HOME}/conf/deployment.toml"), sender);
}

#[test]
fn the_gateways_double_follows_deployment_toml_and_stays_down_on_a_broken_profile_only_as_it_starts()
 {
    let scratch = product();
    let shipped = format!("{HOME}/resources/security/sslprofiles.xml");
    scratch.file(&shipped, EMPTY);
    let gateway = started(&scratch);
    let refused = "HTTP/1.1 500";
    assert!(called(&scratch, &gateway).starts_with(refused));
    // It is pointed at a file that is broken: nothing, until it is started anew.
    let other = format!("{HOME}/deployment/server/mutual_ssl_profiles.xml");
    scratch.file(&other, BROKEN);
    let named = Path::new("repository/deployment/server/mutual_ssl_profiles.xml");
    points(&scratch, named);
    moment(500);
    assert!(called(&scratch, &gateway).starts_with(refused));
    let says = |words: &str| gateway.log().iter().filter(|l| l.contains(words)).count();
    assert_eq!((says("Ignoring"), says("InvalidConfiguration")), (0, 0));
    gateway.restart();
    assert_eq!(called(&scratch, &gateway), "");
    assert_eq!(says("InvalidConfiguration"), 1);
    // Mended, it is up after a start; broken again, it goes on with what it had.
    scratch.file(&other, EMPTY);
    assert_eq!(called(&scratch, &gateway), "");
    gateway.restart();
    assert!(called(&scratch, &gateway).starts_with(refused));
    moment(500);
    scratch.file(&other, BROKEN);
    assert!(called(&scratch, &gateway).starts_with(refused));
    assert_eq!((says("Ignoring"), says("InvalidConfiguration")), (1, 1));
    // A path from the root is none of its own.
    scratch.file(&other, EMPTY);
    points(&scratch, &scratch.path(&other));
    gateway.restart();
    assert_eq!(called(&scratch, &gateway), "");
    assert_eq!(says("is not relative"), 1);
}

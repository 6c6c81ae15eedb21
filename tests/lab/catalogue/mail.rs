//! Several profiles of a host at once are one transaction.

use super::{
    broken, copied,
    daemons::{PRELUDE, WEB},
    leaf,
};
use crate::host::Lab;

#[test]
fn a_rollout_of_postfix_dovecot_and_nginx_is_one_transaction() {
    const PORTS: [(&str, u16); 4] = [("smtp", 25), ("imap", 143), ("", 993), ("", 443)];
    let lab = Lab::take();
    let [mail, client] = lab.hosts(["mail", "client"]);
    for daemon in WEB
        .iter()
        .filter(|d| ["nginx", "postfix", "dovecot"].contains(&d.profile))
    {
        mail.sh(&format!("{PRELUDE}{}", daemon.before));
    }
    mail.mint("/root/new");
    let snakeoil = mail.fingerprint("/etc/ssl/certs/ssl-cert-snakeoil.pem");
    let new = mail.fingerprint("/root/new.pem");
    let paths = "/etc/postfix /etc/dovecot /etc/nginx";
    let before = mail.tree(paths);
    let seen = || PORTS.map(|port| leaf(&client, &mail, port));
    assert_eq!(seen(), [(); 4].map(|()| Some(snakeoil.clone())));

    let rollout = "--profile postfix --profile dovecot --profile nginx --set nginx.port=443 \
                   --cert /root/new.pem --key /root/new.key";
    // Dovecot is told second, and gets a leaf for a key: Postfix has the new pair by then.
    broken(&mail, "dovecot");
    for whole in ["postfix", "nginx"] {
        copied(&mail, whole, str::to_owned);
    }
    let run = mail
        .certroll(&format!("apply {rollout} --profiles /root/broken --yes"))
        .exits(3);
    assert!(run.last().starts_with("rolled back: "), "{run:#?}");
    assert_eq!(mail.tree(paths), before);
    assert_eq!(seen(), [(); 4].map(|()| Some(snakeoil.clone())));

    let run = mail.certroll(&format!("apply {rollout} --yes")).exits(0);
    assert!(run.last().starts_with("committed: "), "{run:#?}");
    assert_eq!(seen(), [(); 4].map(|()| Some(new.clone())));
    mail.certroll("rollback --yes").exits(0);
    assert_eq!(mail.tree(paths), before);
    assert_eq!(seen(), [(); 4].map(|()| Some(snakeoil.clone())));
}

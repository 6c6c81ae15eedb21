//! Other tools that write what a rollout writes: told by their own configuration, and never written themselves.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test makes the host that the program works on, and one that cannot go on says so"
)]

mod common;

use common::{Run, Scratch};

const SITE: &str = "--profiles P --profile site --cert site.pem --key site.key";

/// A root, a pair, and a profile that puts the pair at a path.
fn scratch(path: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.mint("site", "site.example.com");
    scratch.dir("R/etc");
    scratch.profile(
        "site",
        &format!("resources:\n  - {{kind: pem, path: {path}, form: bundle, mode: \"0600\"}}\n"),
    );
    scratch
}

fn warnings(run: &Run) -> Vec<&str> {
    let lines = run.out.lines();
    lines
        .filter_map(|line| {
            line.strip_prefix("warning: ")?
                .strip_suffix(" [other-manager]")
        })
        .collect()
}

#[test]
fn each_manager_of_the_same_file_is_named_with_the_line_that_says_so() {
    let cases = [
        (
            "certmonger",
            "/var/lib/certmonger/requests/20260101120000",
            "id=20260101120000\nkey_file=/etc/x.key\ncert_file=/etc/site.pem\n",
        ),
        (
            "certbot",
            "/etc/letsencrypt/renewal/site.conf",
            "# cp /etc/site.pem\n[renewalparams]\nrenew_hook = cat live/* > /etc/site.pem\n",
        ),
        (
            "certbot",
            "/etc/letsencrypt/renewal-hooks/deploy/copy",
            "#!/bin/sh\nset -e\ninstall -m 600 \"$RENEWED_LINEAGE/x\" \"/etc/site.pem\"\n",
        ),
        (
            "acme.sh",
            "/root/.acme.sh/site.example.com_ecc/site.example.com.conf",
            "Le_Domain='site.example.com'\nLe_RealKeyPath=''\nLe_RealFullChainPath='/etc/site.pem'\n",
        ),
    ];
    for (tool, record, text) in cases {
        let scratch = scratch("/etc/site.pem");
        scratch.file(&format!("R{record}"), text);
        let run = scratch.on_root(&format!("plan {SITE}")).exits(5);
        let wanted = format!("{tool} writes `/etc/site.pem` too, as {record}:3 says");
        assert_eq!(warnings(&run), [wanted], "{run:#?}");
        assert_eq!(scratch.read(&format!("R{record}")), text);

        scratch.file(&format!("R{record}"), text.replace("site.pem", "other.pem"));
        let run = scratch.on_root(&format!("plan {SITE}")).exits(5);
        assert_eq!(warnings(&run), [""; 0], "{run:#?}");
    }
}

#[test]
fn cloud_init_is_named_where_the_last_of_its_settings_has_it_write_the_hosts() {
    let scratch = Scratch::wazo();
    scratch.mint("site", "wazo.example.com");
    let plan = |scratch: &Scratch| {
        let plan = "plan --profile wazo --cert site.pem --key site.key";
        let run = scratch.on_root(plan).exits(5);
        warnings(&run).join("\n")
    };
    assert_eq!(plan(&scratch), "");
    let main = "R/etc/cloud/cloud.cfg";
    scratch.file(main, "users: [default]\n#manage_etc_hosts: true\n");
    assert_eq!(plan(&scratch), "");
    let more = "R/etc/cloud/cloud.cfg.d/01_debian_cloud.cfg";
    scratch.file(
        more,
        "apt:\n  x: y\nmanage_etc_hosts: true # as the image has it\n",
    );
    assert_eq!(
        plan(&scratch),
        "cloud-init writes `/etc/hosts` at every boot, as /etc/cloud/cloud.cfg.d/01_debian_cloud.cfg:3 says"
    );
    scratch.file(
        "R/etc/cloud/cloud.cfg.d/99-own.cfg",
        "manage_etc_hosts: false\n",
    );
    assert_eq!(plan(&scratch), "");
    scratch.file(
        "R/etc/cloud/cloud.cfg.d/99-own.cfg",
        "manage_etc_hosts: localhost\n",
    );
    assert!(plan(&scratch).contains("99-own.cfg:1"));
    // Only who writes the file has a reason to read this.
    let run = self::scratch("/etc/site.pem").on_root(&format!("plan {SITE}"));
    assert_eq!(warnings(&run.exits(5)), [""; 0]);
}

#[test]
fn the_stores_of_certbot_acme_sh_and_lego_are_never_written() {
    let stores = [
        "/etc/letsencrypt/live/site.example.com/fullchain.pem",
        "/etc/letsencrypt/archive/site.example.com/cert1.pem",
        "/root/.acme.sh/site.example.com_ecc/site.example.com.cer",
        "/home/alice/.acme.sh/site.example.com/site.example.com.key",
        "/etc/acme.sh/site.example.com/fullchain.cer",
        "/root/.lego/certificates/site.example.com.crt",
        "/home/alice/.lego/certificates/site.example.com.key",
        "/etc/lego/certificates/site.example.com.crt",
        "/var/lib/lego/certificates/site.example.com.crt",
    ];
    for store in stores {
        let scratch = scratch(store);
        scratch.file(&format!("R{store}"), "the tool's own\n");
        let before = scratch.tree();
        let run = scratch.on_root(&format!("apply --yes {SITE}")).exits(1);
        let wanted = format!("`{store}` must never be changed [never-touch]");
        assert!(run.err.contains(&wanted), "{run:#?}");
        scratch.tree().is(&before);
    }
}

#[test]
fn what_the_hosts_own_list_names_is_never_written() {
    let scratch = scratch("/srv/tls/site.pem");
    scratch.sh("mkdir -p R/srv/tls R/etc/certroll; echo mine > R/srv/tls/site.pem");
    let list = "R/etc/certroll/never-touch";
    scratch.file(list, "# the web team's\n\n  /srv/**\n/opt/x\n");
    let before = scratch.tree();
    let run = scratch.on_root(&format!("apply --yes {SITE}")).exits(1);
    let wanted =
        "`/srv/tls/site.pem` must never be changed, says /etc/certroll/never-touch:3 [never-touch]";
    assert!(run.err.contains(wanted), "{run:#?}");
    scratch.tree().is(&before);
    scratch.file(list, "/srv/**\nsrv/tls\n");
    scratch.on_root(&format!("plan {SITE}")).exits(2).complains(
        "error: /etc/certroll/never-touch:2:1: `srv/tls` does not begin with `/`\n\
         hint: want a path or a pattern in each line, as `/srv/**`\nhost: unchanged\n",
    );
    scratch.file(list, "/srv/tls\n/srv/*\n");
    scratch.on_root(&format!("apply --yes {SITE}")).exits(0);
    if nix::unistd::geteuid().is_root() {
        scratch.mode(list, 0o666);
        let run = scratch.on_root(&format!("plan {SITE}")).exits(2);
        assert!(
            run.err.contains("can be written by others than root"),
            "{run:#?}"
        );
    }
}

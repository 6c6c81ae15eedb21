//! The exported configuration: what is set in it, what stays, and what is said of it.

use crate::{EXPORTED, common::Scratch};

const ROLL: &str = "--profile era --cert site.pem --key site.key --set config=/root/exported.json";

fn site(exported: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.dir("R/opt/era/syncroot/common");
    scratch.file("R/root/exported.json", exported);
    scratch.mint("site", "era.local");
    scratch
}

#[test]
fn the_alias_and_every_ws_and_sg_role_are_set_and_every_other_byte_stays() {
    let scratch = site(EXPORTED);
    let plan = scratch.on_root(&format!("plan {ROLL} -v")).exits(5);
    for finding in [
        "directory-literal",
        "role-disabled",
        "directory-missing",
        "esg-left",
        "shadowing",
    ] {
        assert!(
            plan.out.contains(&format!("[{finding}]")),
            "{finding}: {plan:#?}"
        );
    }
    let run = scratch.on_root(&format!("apply {ROLL} --yes")).exits(0);
    assert!(run.last().starts_with("placed: "), "{run:#?}");
    let text = scratch.read("R/root/exported.json");
    let set = "\"certdir\":\"alias://paths/default_certdir\"";
    let lines: Vec<&str> = text.lines().collect();
    for (line, was) in lines.iter().zip(EXPORTED.lines()) {
        let is_set = ["ws1", "ws2", "\"aliases\""]
            .iter()
            .any(|t| was.contains(t));
        assert!(is_set || line == &was, "{line}\n{was}");
    }
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let content = &found["content"];
    assert_eq!(
        content["aliases"]["paths"],
        serde_json::json!([{"alias": "default_certdir", "value": "/var/lib/era_files/syncroot/common/cert"}])
    );
    for (n, has) in [(0, true), (1, true), (2, true), (3, false), (4, false)] {
        let is = content["roles"][n]["certdir"] == "alias://paths/default_certdir";
        assert_eq!(is, has, "{}", content["roles"][n]);
    }
    assert!(
        text.contains("\"order\": 1.50, \"big\": 12345678901234567890"),
        "{text}{set}"
    );
    assert_eq!(
        scratch.read("R/opt/era/syncroot/common/cert/server.crt"),
        scratch.read("site.pem")
    );
    let again = scratch.on_root(&format!("plan {ROLL}")).exits(0);
    assert!(!again.out.contains("certdir"), "{again:#?}");
    scratch.on_root("rollback --yes").exits(0);
    assert_eq!(scratch.read("R/root/exported.json"), EXPORTED);
}

#[test]
fn a_flat_list_of_aliases_stays_one_and_esg_roles_are_set_by_choice() {
    let flat = EXPORTED.replace(
        "\"aliases\": { }",
        "\"aliases\": [ {\"alias\": \"default_certdir\", \"value\": \"/old\"} ]",
    );
    let scratch = site(&flat);
    let plan = scratch
        .on_root(&format!(
            "plan {ROLL} --set esg=yes --set inside_dir=/data/cert"
        ))
        .exits(5);
    assert!(
        plan.out.contains("stands for `/old`") && !plan.out.contains("esg-left"),
        "{plan:#?}"
    );
    scratch
        .on_root(&format!(
            "apply {ROLL} --set esg=yes --set inside_dir=/data/cert --yes"
        ))
        .exits(0);
    let text = scratch.read("R/root/exported.json");
    assert!(
        text.contains(
            "\"aliases\": [ {\"alias\": \"default_certdir\", \"value\": \"/data/cert\"} ]"
        ),
        "{text}"
    );
    assert_eq!(
        text.matches("alias://paths/default_certdir").count(),
        4,
        "{text}"
    );
}

#[test]
fn what_is_no_configuration_or_names_an_alias_twice_is_refused_and_nothing_is_written() {
    let twice = EXPORTED.replace(
        "\"aliases\": { }",
        "\"aliases\": {\"paths\": [{\"alias\": \"default_certdir\", \"value\": \"/a\"}, {\"alias\": \"default_certdir\", \"value\": \"/b\"}]}",
    );
    for text in [
        twice.as_str(),
        "{\"content\": ",
        "{\"content\": {\"roles\": {}}}",
    ] {
        let scratch = site(text);
        let before = scratch.tree();
        let run = scratch.on_root(&format!("apply {ROLL} --yes")).exits(1);
        assert!(
            run.err.contains("[document-refused]") || run.out.contains("[document-refused]"),
            "{run:#?}"
        );
        scratch.tree().is(&before);
    }
}

#[test]
fn a_file_to_paste_holds_key_leaf_and_chain_in_this_order_for_root_alone() {
    let scratch = site(EXPORTED);
    let roll = "--profile era --cert site.pem --key site.key --set method=paste --set paste=/root/value.pem";
    let plan = scratch.on_root(&format!("plan {roll}")).exits(5);
    assert!(
        plan.out.contains("set certificate_pem of domain era.local"),
        "{plan:#?}"
    );
    scratch.on_root(&format!("apply {roll} --yes")).exits(0);
    let text = scratch.read("R/root/value.pem");
    assert_eq!(text, scratch.read("site.key") + &scratch.read("site.pem"));
    assert_eq!(
        scratch.sh("stat --format %a R/root/value.pem").trim(),
        "600"
    );
    assert_eq!(scratch.read("R/root/exported.json"), EXPORTED);
}

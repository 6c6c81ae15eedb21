//! Pages of plans and change records as a browser shows them: narrow and wide, light and dark.

use std::{env, fs, path::Path};

use serde_json::Value;

use crate::{
    browser::{Browser, Sight},
    common::{CERTROLL, Running, Scratch},
    nginx::{Nginx, live},
};

const LOOK: &str = include_str!("look.js");

/// Looks at a page in every way, and returns its text.
#[track_caller]
fn is_sound(browser: &mut Browser, page: &Path) -> String {
    let mut pictures = Vec::new();
    let mut text = String::new();
    for (width, dark) in [(380, false), (380, true), (1400, false), (1400, true)] {
        let seen = browser.look(page, Sight { width, dark }, LOOK);
        let value = &seen.value;
        let at = format!("{} at {width}, dark: {dark}", page.display());
        assert_eq!(value["beyond"], Value::Array(Vec::new()), "{at}");
        assert!(value["scrolls"].as_i64().unwrap() <= 0, "{at}");
        // WCAG 2.2, success criterion 1.4.3 (AA).
        assert!(
            value["worst"]["ratio"].as_f64().unwrap() >= 4.5,
            "{at}: {}",
            value["worst"]
        );
        assert!(value["texts"].as_u64().unwrap() > 20, "{at}");
        let light = value["light"].as_f64().unwrap();
        assert_eq!(light < 0.2, dark, "{at}: {light}");
        assert_eq!(value["strangers"], 0, "{at}");
        assert_eq!(seen.asked, [format!("file://{}", page.display())], "{at}");
        assert!(seen.complaints.is_empty(), "{at}: {:?}", seen.complaints);
        // A PNG of some kilobytes is no empty page (base64).
        assert!(
            seen.picture.starts_with("iVBORw0KGgo") && seen.picture.len() > 20_000,
            "{at}"
        );
        keep(page, width, dark, &seen.picture);
        pictures.push(seen.picture);
        value["text"].as_str().unwrap().clone_into(&mut text);
    }
    pictures.sort();
    pictures.dedup();
    assert_eq!(pictures.len(), 4, "a scheme or a width changes nothing");
    text
}

/// Keeps a picture for people in the folder that `CERTROLL_PICTURES` names, if it does.
fn keep(page: &Path, width: u32, dark: bool, picture: &str) {
    let Some(folder) = env::var_os("CERTROLL_PICTURES") else {
        return;
    };
    let scheme = if dark { "dark" } else { "light" };
    let name = page.file_stem().unwrap().to_string_lossy();
    let file = Path::new(&folder).join(format!("{name}-{width}-{scheme}.png"));
    let coded = file.with_extension("base64");
    fs::write(&coded, picture).unwrap();
    let decoded = std::process::Command::new("base64")
        .arg("-d")
        .arg(&coded)
        .output()
        .unwrap();
    fs::write(file, decoded.stdout).unwrap();
    fs::remove_file(coded).unwrap();
}

#[test]
fn the_page_of_a_plan_fits_every_width_and_scheme_and_asks_nobody() {
    let scratch = Scratch::wazo();
    scratch.mint("old", "wazo.example.com");
    scratch.mint("new", "wazo.example.com");
    scratch
        .on_root("apply --profile wazo --cert old.pem --key old.key --yes")
        .exits(0);
    scratch
        .on_root("plan --profile wazo --cert new.pem --key new.key --html plan.html")
        .exits(5);
    let text = is_sound(&mut Browser::start(&scratch), &scratch.path("plan.html"));
    for pair in ["old", "new"] {
        let fingerprint = scratch.fingerprint(&format!("{pair}.pem"));
        assert!(text.contains(&fingerprint), "{text}");
    }
    assert!(text.contains("/usr/share/xivo-certs/server.key"), "{text}");
}

#[test]
fn the_page_of_a_run_that_was_rolled_back_says_why_and_by_whom() {
    let scratch = Scratch::new();
    scratch.mint("old", "site.example.com");
    scratch.mint("new", "site.example.com");
    let site = Nginx::serving(&scratch, "site", "old");
    site.reloads(&scratch);
    live(
        &scratch,
        "apply --profile site --cert new.pem --key new.key --yes",
    )
    .exits(0);
    let mut broken = scratch.program(CERTROLL);
    broken
        .args(
            "--state S --profiles P apply --profile site --cert old.pem --key old.key --yes"
                .split(' '),
        )
        .args(["--set", "site_directive=no_such_directive on;"])
        .env("SUDO_USER", "alice");
    Running::start(&mut broken).end().exits(3);
    live(&scratch, "show 1 --html committed.html").exits(0);
    live(&scratch, "show 2 --html back.html").exits(0);
    let mut browser = Browser::start(&scratch);
    let text = is_sound(&mut browser, &scratch.path("committed.html"));
    for wanted in ["committed", "site: TLS at 127.0.0.1", "-s reload", "good"] {
        assert!(text.contains(wanted), "no {wanted} in {text}");
    }
    let text = is_sound(&mut browser, &scratch.path("back.html"));
    for wanted in ["rolled back", "sudo from alice", "no_such_directive"] {
        assert!(text.contains(wanted), "no {wanted} in {text}");
    }
}

#[test]
fn a_name_that_is_markup_is_shown_as_it_is() {
    let scratch = Scratch::wazo();
    // Long words without a place to break, and what would be markup.
    let name = "W".repeat(40);
    scratch.sh(&format!(
        "openssl req -x509 -newkey ed25519 -nodes -keyout bad.key -out bad.pem -days 300 -subj \
         '/O={name}/OU=<script>document.title=1<\\/script>/L=<img src=x onerror=alert(1)>/CN=wazo.example.com' \
         -addext subjectAltName=DNS:wazo.example.com 2>&1"
    ));
    scratch
        .on_root("apply --profile wazo --cert bad.pem --key bad.key --yes")
        .exits(0);
    scratch.on_root("show 1 --html bad.html").exits(0);
    let text = is_sound(&mut Browser::start(&scratch), &scratch.path("bad.html"));
    assert!(
        text.contains("document.title=1") && text.contains("<img src=x onerror"),
        "{text}"
    );
}

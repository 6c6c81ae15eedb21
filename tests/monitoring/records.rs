//! What earlier runs did, for people: the table, one generation, and pages that need nothing but themselves.

use super::{on, rolled, root};
use crate::common::{Running, Scratch};

fn row(scratch: &Scratch, number: usize) -> Vec<String> {
    let out = on(scratch, "history").exits(0).out;
    let line = out.lines().nth(number).unwrap();
    let cells = line
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty());
    cells.map(str::to_owned).collect()
}

#[test]
fn history_is_a_table_of_who_and_why_and_which_leaf_came() {
    let scratch = root();
    scratch.mint("one", "site.example.com");
    scratch.mint("two", "site.example.com");
    rolled(&scratch, "one");
    let mut apply = scratch.command(&["--root", "R", "--profiles", "P", "apply", "--yes"]);
    apply.args("--profile own --cert two.pem --key two.key".split(' '));
    apply.env("SUDO_USER", "alice\u{1b}[2J");
    Running::start(&mut apply).end().exits(0);
    scratch.sh("rm R/t/site.pem");
    on(&scratch, "hooks run apt").exits(0);
    on(&scratch, "rollback --yes").exits(0);
    let short = |pair: &str| scratch.fingerprint(&format!("{pair}.pem"))[..8].to_owned();
    let (one, two) = (short("one"), short("two"));
    assert_eq!(row(&scratch, 0)[0], "N");
    assert_eq!(row(&scratch, 0).len(), 9);
    let cells = row(&scratch, 1);
    assert_eq!(cells[..2], ["1", "placed"]);
    assert!(cells[3].ends_with(" s"), "{cells:?}");
    assert_eq!(cells[4..], ["own", "2", one.as_str(), "root", "by hand"]);
    let cells = row(&scratch, 2);
    let leaves = format!("{one}>{two}");
    assert_eq!(
        cells[6..],
        [leaves.as_str(), "root (sudo from alice[2J)", "by hand"]
    );
    assert_eq!(row(&scratch, 3)[6..], [two.as_str(), "root", "hook apt"]);
    assert_eq!(row(&scratch, 4)[8], "by hand, takes 3 back");
    // What cannot be read is a row as well.
    scratch.file(
        "R/var/lib/certroll/generations/000002/journal.jsonl",
        "{}\n",
    );
    assert_eq!(row(&scratch, 2)[..2], ["2", "unreadable"]);
    assert_eq!(row(&scratch, 3)[8], "hook apt");
}

#[test]
fn show_says_who_and_why_and_both_fingerprints() {
    let scratch = root();
    scratch.mint("one", "site.example.com");
    scratch.mint("two", "site.example.com");
    rolled(&scratch, "one");
    rolled(&scratch, "two");
    let shown = on(&scratch, "show 2").exits(0).out;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines[..3],
        ["generation 2: own, placed", "who: root", "why: by hand"]
    );
    for (word, pair) in [("leaf before: ", "one"), ("leaf after:  ", "two")] {
        let wanted = format!(
            "{word}{} (CN=site.example.com, until ",
            scratch.fingerprint(&format!("{pair}.pem"))
        );
        assert!(shown.contains(&wanted), "no {wanted:?} in {shown}");
    }
    let told = on(&scratch, "--json show 2").json()["told"].clone();
    assert_eq!(
        told["before"][0]["fingerprint"],
        scratch.fingerprint("one.pem")
    );
    assert_eq!(told["after"]["fingerprint"], scratch.fingerprint("two.pem"));
    assert!(told["after"]["not_before"].is_i64());
    // Its key is retired by then, and the leaf with it: the end is still known.
    rolled(&scratch, "one");
    rolled(&scratch, "two");
    let old = on(&scratch, "--json show 1").json()["told"].clone();
    assert_eq!(old["after"]["fingerprint"], scratch.fingerprint("one.pem"));
    assert!(old["after"]["not_after"].is_i64());
}

/// Asserts that a page asks nobody for anything, and returns it.
#[track_caller]
fn page(scratch: &Scratch, name: &str) -> String {
    let text = scratch.read(name);
    let markup = text.to_lowercase();
    assert!(markup.starts_with("<!doctype html>") && markup.ends_with("</html>\n"));
    assert!(markup.contains("default-src 'none'"));
    // What is between the brackets: a text that names a tag is none.
    let tags: Vec<&str> = (markup.split_inclusive('<').skip(1))
        .map(|rest| rest.split('>').next().unwrap())
        .collect();
    let tags = "<".to_owned() + &tags.join("\n<");
    for asks in [
        "<script", "<img", "<link", "<iframe", " src=", " href=", "http:", "https:", " on",
    ] {
        assert!(!tags.contains(asks), "{asks} in {tags}");
    }
    assert!(!markup.contains("@import") && !markup.contains("url("));
    text
}

#[test]
fn a_plan_is_a_page_that_needs_nothing_but_itself() {
    let scratch = root();
    scratch.mint("one", "site.example.com");
    scratch.mint_between("two", "site.example.com", 2020, 2099);
    on(
        &scratch,
        "plan --profile own --cert one.pem --key one.key --html first.html",
    )
    .exits(5);
    let first = page(&scratch, "first.html");
    assert!(first.contains("Plan: own") && first.contains("plan: nothing is changed yet"));
    rolled(&scratch, "one");
    on(
        &scratch,
        "plan --profile own --cert two.pem --key two.key --html plan.html",
    )
    .exits(5);
    let text = page(&scratch, "plan.html");
    for wanted in [
        "&#x2F;t&#x2F;site.key",
        &scratch.fingerprint("one.pem"),
        &scratch.fingerprint("two.pem"),
        "EC P-256 key, public fingerprint",
        "prefers-color-scheme: dark",
        "before: CN=site.example.com",
    ] {
        let plain = wanted.replace("&#x2F;", "/");
        assert!(
            text.contains(wanted) || text.contains(&plain),
            "no {wanted} in {text}"
        );
    }
    // The new leaf has lived for some years of its 79.
    assert!(text.contains("class=\"bar after\""), "{text}");
    // A blocked plan is a page too, and says why.
    scratch.mint_between("old", "site.example.com", 2019, 2021);
    on(
        &scratch,
        "plan --profile own --cert old.pem --key old.key --html blocked.html",
    )
    .exits(2);
    let blocked = page(&scratch, "blocked.html");
    assert!(blocked.contains("badge bad\">blocked<"), "{blocked}");
}

/// Says of a generation that it ended some seconds after it began.
fn lasted(scratch: &Scratch, generation: u64, seconds: i64) {
    let at = format!("R/var/lib/certroll/generations/{generation:06}/receipt.json");
    let mut receipt: serde_json::Value = serde_json::from_str(&scratch.read(&at)).unwrap();
    let started = receipt["started"].as_i64().unwrap();
    receipt["finished"] = (started + seconds).into();
    scratch.file(&at, receipt.to_string());
}

#[test]
fn what_a_run_took_is_in_the_table_in_what_is_shown_and_on_the_page() {
    let scratch = root();
    scratch.mint("one", "site.example.com");
    rolled(&scratch, "one");
    for (seconds, says) in [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (93_784, "26 h 3 min"),
    ] {
        lasted(&scratch, 1, seconds);
        let shown = on(&scratch, "show 1").exits(0).out;
        let took = format!("took: {says}");
        assert!(shown.lines().any(|line| line == took), "{took}: {shown}");
        assert_eq!(row(&scratch, 1)[3], says);
        on(&scratch, "show 1 --html show.html").exits(0);
        let text = page(&scratch, "show.html");
        assert!(
            text.contains(&format!("<dt>took</dt><dd>{says}</dd>")),
            "{text}"
        );
        scratch.sh("rm show.html");
    }
}

/// The bars of a page's timeline: role, left edge and width in hundredths of a per cent; and where the present is.
fn bars(text: &str) -> (Vec<(String, i64, i64)>, i64) {
    let share = |text: &str| text.replace('.', "").parse::<i64>().unwrap();
    let between = |text: &str, from: &str, to: &str| {
        let (_, rest) = text.split_once(from).unwrap();
        rest.split_once(to).unwrap().0.to_owned()
    };
    let all = text.split("<div class=\"bar ").skip(1).map(|bar| {
        let role = bar.split('"').next().unwrap().to_owned();
        let left = share(&between(bar, "left:", "%"));
        (role, left, share(&between(bar, "width:", "%")))
    });
    let now = between(text, "<div class=\"now\" style=\"left:", "%");
    (all.collect(), share(&now))
}

#[test]
fn the_timeline_of_a_change_record_has_both_lives_and_the_present_on_one_axis() {
    let scratch = root();
    scratch.mint_between("old", "site.example.com", 2010, 2020);
    scratch.mint_between("new", "site.example.com", 2020, 2110);
    rolled(&scratch, "old");
    rolled(&scratch, "new");
    on(&scratch, "show 2 --html show.html").exits(0);
    let text = page(&scratch, "show.html");
    let (bars, now) = bars(&text);
    // A hundred years: ten of the old one, ninety of the new one, which begins where it ends.
    let near = |found: i64, wanted: i64| (found - wanted).abs() <= 5;
    let [(old, from, of_old), (new, to, of_new)] = &bars[..] else {
        panic!("{bars:?}");
    };
    assert_eq!((old.as_str(), new.as_str()), ("before", "after"));
    assert!(*from == 0 && near(*of_old, 1000), "{bars:?}");
    assert!(near(*to, 1000) && near(*of_new, 9000), "{bars:?}");
    assert!((9_998..=10_000).contains(&(to + of_new)), "{bars:?}");
    assert!(*to < now && now < 10_000, "{now}");
    assert!(
        text.contains("before: CN=site.example.com, expired<"),
        "{text}"
    );
    assert!(text.contains("after: CN=site.example.com<"), "{text}");
}

#[test]
fn a_change_record_is_a_page_with_plan_and_receipt() {
    let scratch = root();
    scratch.mint("one", "site.example.com");
    rolled(&scratch, "one");
    on(&scratch, "show 1 --html show.html").exits(0);
    let text = page(&scratch, "show.html");
    for wanted in [
        "Generation 1: own",
        "badge good\">placed<",
        "by hand",
        "site.pem",
    ] {
        assert!(text.contains(wanted), "no {wanted} in {text}");
    }
    on(&scratch, "show 1 --html nowhere/show.html").exits(1);
}

#[test]
fn a_hostile_name_is_text_on_a_page() {
    let scratch = root();
    scratch.sh(
        "openssl req -x509 -newkey ed25519 -nodes -keyout site.key -out site.pem -days 300 -utf8 \
         -subj '/CN=<script>alert(1)<\\/script>\"><img src=x onerror=y>\u{202e}' \
         -addext subjectAltName=DNS:site.example.com 2>&1",
    );
    rolled(&scratch, "site");
    on(&scratch, "show 1 --html show.html").exits(0);
    let text = page(&scratch, "show.html");
    assert!(text.contains("&lt;script\\&gt;alert(1)"), "{text}");
    assert!(!text.contains('\u{202e}'), "{text}");
}

//! The life of one identity on a host with nginx: issued, rolled out, renewed by the timer's command, and kept from harm.

use serde_json::json;

use crate::{
    common::{Run, Running, until},
    lane::{Lane, apart, live},
    nginx::Nginx,
    watcher::Watcher,
};

const NAME: &str = "www.acme.example";

/// Six days, as of the shortest leaves of Let's Encrypt.
const SIX_DAYS: u32 = 6 * 86_400;

/// A lane with nginx, whose rollout `site` follows the identity that was issued.
fn rolled_out() -> (Lane, Nginx) {
    let settings = json!({ "certificateValidityPeriod": SIX_DAYS });
    let lane = Lane::with(&settings, &[NAME]);
    lane.scratch.mint("old", NAME);
    let nginx = Nginx::serving(&lane.scratch, "site", "old");
    nginx.reloads(&lane.scratch);
    lane.run(&Lane::order(NAME, "")).exits(0);
    describe(&lane, "server_tokens off;");
    lane.run("apply site --yes").exits(0);
    serves_the_leaf_in_force(&lane, &nginx);
    (lane, nginx)
}

/// Writes the rollout's file, with a directive that nginx takes, or does not.
fn describe(lane: &Lane, directive: &str) {
    let [cert, key] = ["fullchain.pem", "key.pem"].map(|file| lane.scratch.text(&live(NAME, file)));
    lane.scratch.file(
        "etc/certroll/rollouts.d/site.yaml",
        format!(
            "profiles: [site]\ncert: {cert}\nkey: {key}\nset: {{site_directive: '{directive}'}}\n"
        ),
    );
}

#[track_caller]
fn serves_the_leaf_in_force(lane: &Lane, nginx: &Nginx) {
    assert_eq!(nginx.leaf(&lane.scratch), Some(lane.leaf(NAME)));
    lane.is_pair(NAME);
}

/// What the timer runs, some hours from now.
fn timer(lane: &Lane, hours: u32) -> Run {
    let unit = include_str!("../../src/hooks/certroll-renew.service");
    let words = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=@certroll@ @profiles@"));
    lane.later(hours, words.unwrap())
}

#[test]
fn an_identity_is_issued_rolled_out_renewed_and_never_served_expired_or_unmatched() {
    apart(|| {
        let (lane, nginx) = rolled_out();
        let watcher = Watcher::of(nginx.port);
        let first = lane.leaf(NAME);
        // Not due: nothing is done, nothing is said.
        let quiet = timer(&lane, 0);
        assert_eq!(
            (quiet.code, quiet.out.as_str(), quiet.err.as_str()),
            (0, "", ""),
            "{quiet:#?}"
        );
        assert_eq!(lane.leaf(NAME), first);

        // By force.
        let forced = lane.run("renew --force").exits(0);
        assert!(
            forced
                .out
                .starts_with("renewed: identity `www.acme.example`"),
            "{forced:#?}"
        );
        assert!(
            forced.out.contains("committed: generation 2"),
            "{forced:#?}"
        );
        let second = lane.leaf(NAME);
        assert_ne!(first, second);
        serves_the_leaf_in_force(&lane, &nginx);
        let history = lane.run("history").exits(0);
        assert!(history.out.contains("hook renew\n"), "{history:#?}");

        // By the timer, when less than a third of six days is left.
        let due = timer(&lane, 100).exits(0);
        assert!(due.out.contains("committed: generation 3"), "{due:#?}");
        let third = lane.leaf(NAME);
        assert_ne!(second, third);
        serves_the_leaf_in_force(&lane, &nginx);

        // A rollout that nginx refuses goes back: the pair of before is served, and the run fails.
        describe(&lane, "no_such_directive on;");
        let broken = lane.run("renew --force").exits(3);
        assert!(broken.out.contains("rolled back"), "{broken:#?}");
        assert!(broken.out.contains("no_such_directive"), "{broken:#?}");
        assert_ne!(
            lane.leaf(NAME),
            third,
            "the new pair is kept for the next run"
        );
        assert_eq!(nginx.leaf(&lane.scratch), Some(third.clone()));
        // The timer's next run fails as well, without a second order and without another restart.
        let fourth = lane.leaf(NAME);
        let tried = timer(&lane, 0).exits(1);
        assert!(
            tried
                .err
                .contains("not tried again: generation 4 did the very same"),
            "{tried:#?}"
        );
        assert_eq!(lane.leaf(NAME), fourth);
        lane.run("status site").exits(5).says("drifted or owed");

        // Mended, the next run rolls the pair out that is there.
        describe(&lane, "server_tokens on;");
        let mended = timer(&lane, 0).exits(0);
        assert!(
            mended.out.contains("committed: generation 5"),
            "{mended:#?}"
        );
        assert_eq!(lane.leaf(NAME), fourth);
        serves_the_leaf_in_force(&lane, &nginx);
        let status = lane.run("status site");
        assert!(
            status
                .out
                .contains("identity www.acme.example: renewed from "),
            "{status:#?}"
        );

        assert_eq!(watcher.end(), [first, second, third, fourth]);
    });
}

#[test]
fn a_renewal_that_fails_is_seen_fails_the_unit_and_is_tried_again_later() {
    apart(|| {
        let (lane, nginx) = rolled_out();
        let first = lane.leaf(NAME);
        // Somebody else takes the port of the answer.
        lane.scratch.dir("other");
        let other = lane.web_server("other");
        let failed = timer(&lane, 100).exits(1);
        assert!(failed.err.contains("`port 80` is taken"), "{failed:#?}");
        let status = lane.run("status site").exits(5);
        assert!(
            status
                .out
                .contains("BAD  identity www.acme.example: not renewed on "),
            "{status:#?}"
        );
        assert!(
            status.out.contains("(1 in a row): `port 80` is taken"),
            "{status:#?}"
        );
        let document = lane.run("--json status site").exits(5).json();
        assert_eq!(
            document["renewals"][0]["missed"]["count"], 1,
            "{document:#}"
        );
        // Soon after, the server is left alone, and the unit still fails.
        let log = lane.log();
        let waits = timer(&lane, 100).exits(1);
        assert!(waits.err.contains("tried again from"), "{waits:#?}");
        // An hour later it is tried again.
        let again = timer(&lane, 102).exits(1);
        assert!(again.err.contains("`port 80` is taken"), "{again:#?}");
        lane.run("status site").exits(5).says("(2 in a row)");
        assert!(
            !lane.log()[log.len()..].contains("/order-plz"),
            "{}",
            lane.log()
        );
        assert_eq!(lane.leaf(NAME), first);
        serves_the_leaf_in_force(&lane, &nginx);
        drop(other);
        timer(&lane, 105).exits(0).says("renewed: identity");
        serves_the_leaf_in_force(&lane, &nginx);
        let status = lane.run("--json status site").json();
        assert_eq!(status["renewals"][0]["missed"], json!(null), "{status:#}");
    });
}

#[test]
fn what_the_server_says_of_when_to_renew_counts_and_is_asked_for_when_it_says() {
    apart(|| {
        let (lane, nginx) = rolled_out();
        let first = lane.leaf(NAME);
        // Pebble of Debian has no renewal information: a server in front of it adds that to its directory.
        let window = |start: i64, end: i64| {
            let day = |hours: i64| {
                lane.scratch
                    .sh(&format!("date -u -d '{hours} hours' +%FT%TZ"))
                    .trim()
                    .to_owned()
            };
            json!({ "suggestedWindow": { "start": day(start), "end": day(end) } }).to_string()
        };
        lane.scratch.dir("front/logs");
        lane.scratch.file(
            "front/nginx.conf",
            format!(
                "daemon off;\npid front/pid;\nerror_log stderr;\nevents {{}}\nhttp {{ log_format said escape=none '$request $request_body'; access_log {log} said;\n\
                 server {{ listen 127.0.0.1:14001 ssl; ssl_certificate {dir}/pebble.pem; ssl_certificate_key {dir}/pebble.key;\n\
                 location /ari/ {{ default_type application/json; add_header Retry-After 7200; root {dir}/front; rewrite ^ /window.json break; }}\n\
                 location / {{ proxy_pass https://127.0.0.1:14000; proxy_set_header Host localhost:14001;\n\
                 sub_filter_types *; sub_filter '\"newNonce\"' '\"renewalInfo\": \"https://localhost:14001/ari\", \"newNonce\"'; }}\n}} }}\n",
                log = lane.scratch.text("front/access.log"),
                dir = lane.scratch.text(""),
            ),
        );
        lane.scratch.file("front/window.json", window(200, 210));
        let mut front = lane.scratch.program("setpriv");
        let conf = lane.scratch.text("front/nginx.conf");
        front.args([
            "--pdeathsig",
            "TERM",
            "--",
            "nginx",
            "-p",
            &lane.scratch.text(""),
            "-c",
            &conf,
        ]);
        let _front = Running::start(&mut front);
        until("the server in front", || {
            std::net::TcpStream::connect("127.0.0.1:14001").is_ok()
        });
        let order = Lane::order(NAME, "--force").replace(":14000", ":14001");
        lane.run(&order).exits(0);
        lane.run("renew").exits(0);
        let second = lane.leaf(NAME);
        assert_ne!(first, second);

        let asked = || {
            lane.scratch
                .read("front/access.log")
                .matches("GET /ari/")
                .count()
        };
        assert_eq!(asked(), 1);
        // A third of the lifetime is left long since, but the server's window has not begun.
        timer(&lane, 1).exits(0);
        assert_eq!(
            (lane.leaf(NAME), asked()),
            (second.clone(), 1),
            "asked again before its time"
        );
        timer(&lane, 110).exits(0);
        assert_eq!((lane.leaf(NAME), asked()), (second.clone(), 2));
        // The server wants it back at once.
        lane.scratch.file("front/window.json", window(-20, -10));
        timer(&lane, 115).exits(0).says("renewed: identity");
        assert_ne!(lane.leaf(NAME), second);
        serves_the_leaf_in_force(&lane, &nginx);
        // What it replaces is said of a leaf of the same server alone; where its order says nothing of that, as of pebble here,
        // another is made. One whose nonce was refused was sent twice.
        let orders = lane.scratch.sh("python3 -c '
import base64, itertools, json
lines = [line.split(\" \", 3) for line in open(\"front/access.log\")]
sent = [json.loads(rest)[\"payload\"] for method, path, _, rest in lines if path == \"/order-plz\"]
for payload, _ in itertools.groupby(sent):
    print(\"replaces\" in json.loads(base64.urlsafe_b64decode(payload + \"==\")))'");
        assert_eq!(orders, "False\nTrue\nFalse\n");
        // Without an answer the share of the lifetime decides, and nothing fails.
        lane.scratch.sh("rm front/window.json");
        timer(&lane, 1).exits(0);
    });
}

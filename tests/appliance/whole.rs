//! An appliance beside everything else: connections that are open, local files in the same transaction, the way to its default.

use std::{
    io::Write as _,
    process::{Child, ChildStdin, Stdio},
};

use certroll::demo::appliance::{Api, Fault};

use crate::{
    common::{skip, until},
    site::Site,
};

/// A connection of openssl's that stays open; what it hears goes to a file.
struct Open {
    child: Child,
    stdin: Option<ChildStdin>,
    heard: String,
}

impl Open {
    fn to(site: &Site, name: &str) -> Self {
        let script = format!(
            "exec openssl s_client -quiet -connect {} > {name}.heard 2>/dev/null",
            site.appliance.peer()
        );
        site.scratch.file(&format!("{name}.heard"), "");
        let mut command = site.scratch.program("sh");
        let mut child = command
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take(),
            child,
            heard: format!("{name}.heard"),
        }
    }

    fn say(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    #[track_caller]
    fn hears(&self, site: &Site, text: &str) {
        until(text, || site.scratch.read(&self.heard).contains(text));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        drop(self.stdin.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn an_upload_and_a_web_socket_that_are_open_across_the_switch_go_on() {
    let site = Site::new(Api::V1);
    let mut socket = Open::to(&site, "socket");
    socket.say(
        "GET /v1.0/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    );
    socket.hears(&site, "101 Switching");
    let mut upload = Open::to(&site, "upload");
    upload
        .say("POST /v1.0/user/1/jobs/ HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n0123456789");
    site.apply("site", Site::DEFAULT).exits(0);
    site.serves("site");
    socket.say("still here\n");
    socket.hears(&site, "still here");
    upload.say("0123456789");
    upload.hears(&site, r#"{"bytes": 20}"#);
}

fn local(site: &Site) -> String {
    let file = site.scratch.text("tls/site.pem");
    site.scratch.file("tls/site.pem", "before\n");
    let body = format!("resources: [{{kind: pem, path: {file}, form: fullchain}}]\ndeadline: 8\n");
    site.scratch.profile("local", &body);
    format!("--profile local {}", Site::DEFAULT)
}

#[test]
fn local_files_and_an_appliance_are_one_transaction() {
    if !rustix::process::geteuid().is_root() {
        skip("only root changes this host");
        return;
    }
    let site = Site::new(Api::V1);
    let both = local(&site);
    site.appliance.fault(Fault::NeverSwitches);
    site.apply("site", &both).exits(3);
    assert_eq!(site.scratch.read("tls/site.pem"), "before\n");
    site.serves("default");
    site.appliance.fault(Fault::None);
    site.apply("site", &both).exits(0);
    assert_eq!(
        site.scratch.read("tls/site.pem"),
        site.scratch.read("site.pem")
    );
    site.serves("site");
    site.run(&["rollback", "--yes"]).exits(0);
    assert_eq!(site.scratch.read("tls/site.pem"), "before\n");
    site.serves("default");
}

#[test]
fn a_revert_resets_the_appliance_says_what_that_drops_and_is_taken_back_like_anything_else() {
    let site = Site::new(Api::V1);
    site.apply("site", &format!("{} --set http=disabled", Site::DEFAULT))
        .exits(0);
    let plan = site.run(&["plan", "--revert"]).exits(5);
    assert!(
        plan.out.contains("[reset-drops]") && plan.out.contains("the admin password"),
        "{plan:#?}"
    );
    site.run(&["revert", "--yes"]).exits(0);
    site.serves("default");
    assert!(site.appliance.state().1, "plain HTTP answers again");
    assert_eq!(
        site.changes().last().unwrap(),
        "DELETE /v1/security/reset 200"
    );
    // The pin cannot move to a leaf that nobody names beforehand.
    let peer = site.appliance.peer();
    site.run(&["pin", "check"]).exits(8);
    let said = site.scratch.fingerprint("default.pem");
    site.run(&["pin", "add", &peer, "--fingerprint", &said])
        .exits(0);
    site.run(&["rollback", "--profile", "speechmatics", "--yes"])
        .exits(0);
    site.serves("site");
    assert!(!site.appliance.state().1, "plain HTTP is closed again");
}

#[test]
fn a_reset_that_does_not_show_leaves_the_pair_in_force() {
    let site = Site::new(Api::V1);
    site.apply("site", Site::DEFAULT).exits(0);
    site.appliance.fault(Fault::NeverSwitches);
    site.run(&["revert", "--yes"]).exits(3);
    site.serves("site");
    site.run(&["apply", "--yes"]).exits(0).says("converged");
}

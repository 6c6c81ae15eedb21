//! Steps for people: what a rollout leaves to them, as long as it is left.

use super::*;

/// The lines of a section, without their indent.
fn section<'a>(out: &'a str, title: &str) -> Vec<&'a str> {
    let mut lines = out.lines().skip_while(|line| *line != title).skip(1);
    let own = lines.by_ref().take_while(|line| line.starts_with("  "));
    own.map(str::trim_start).collect()
}

#[test]
fn a_step_is_open_in_status_until_its_check_passes_and_stays_in_the_receipt() {
    if !can_own() {
        return;
    }
    let case = &CASES[0];
    let root = &Root::fixture(case.host);
    let told = "In the web interface, Configuration --> Directories: replace `localhost` by `wazo.example.com` in every directory";
    let file = "/etc/xivo-dird/conf.d/060-internal.yml";
    let checked = &format!(
        "{file}:4: a directory's host is this machine: replace `localhost` by `wazo.example.com`"
    );
    let title = "steps for people:";
    case.apply(root);
    let status = || case.run(root, &[], &["status"]);
    let show = || root.run(case.identity, &["show", "1"]);
    let (open, kept) = (status(), show());
    assert_eq!(section(&open.out, title), [told, checked], "{}", open.out);
    assert_eq!(section(&kept.out, title), [told, checked], "{}", kept.out);

    let text = fs::read_to_string(root.at(file)).unwrap();
    let mended = text.replace("localhost", "wazo.example.com");
    assert_ne!(mended, text);
    root.file(file, &mended, 0o644, 0);
    let after = status();
    assert_eq!(section(&after.out, title), [told], "{}", after.out);
    assert_eq!(show().out, kept.out);
    assert_eq!((open.code, after.code), (0, 0));
}

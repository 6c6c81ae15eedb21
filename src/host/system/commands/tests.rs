use std::process;

use super::{
    leftovers::{buffer, look},
    *,
};

fn marked(wanted: &str) -> Vec<i32> {
    look(wanted, &mut buffer()).unwrap().0
}

fn sh(script: &str, limit: u64) -> Command {
    Command {
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        limit,
    }
}

fn ran(script: &str) -> Output {
    run(&sh(script, 20), None, "", &|_| {}).unwrap()
}

/// A marker that no other test and no other run has.
fn marker(name: &str) -> String {
    format!("test-{name}-{}", process::id())
}

#[test]
fn the_environment_is_clean_and_carries_the_marker() {
    let marker = marker("environment");
    let output = run(
        &sh(
            "env | grep -v ^PWD= | grep -v ^_= | grep -v ^SHLVL= | sort",
            20,
        ),
        None,
        &marker,
        &|_| {},
    )
    .unwrap();
    assert_eq!(
        output.stdout,
        format!("CERTROLL_RUN={marker}\nLANG=C.UTF-8\nPATH={PATH}\n")
    );
    assert!(!ran("env").stdout.contains("CERTROLL_RUN"));
}

#[test]
fn the_room_is_empty_and_gone_afterwards() {
    let output = ran("pwd; ls -A | wc -l");
    let (room, count) = output.stdout.trim().split_once('\n').unwrap();
    assert_eq!(count.trim(), "0");
    assert!(!Path::new(room).exists(), "{room}");
    assert_ne!(room, std::env::current_dir().unwrap().to_str().unwrap());
}

#[test]
fn standard_input_is_empty_and_no_descriptor_is_inherited() {
    use std::os::fd::IntoRawFd;
    // Without close-on-exec, as a shell's `9>file` leaves it.
    let leaked = rustix::io::dup(fs::File::open("/proc/self/status").unwrap())
        .unwrap()
        .into_raw_fd();
    assert!(Path::new(&format!("/proc/self/fd/{leaked}")).exists());
    let output = ran("cat; exec ls /proc/self/fd");
    // The fourth is the directory that ls itself reads.
    assert_eq!(output.stdout, "0\n1\n2\n3\n");
}

#[test]
fn blocked_and_ignored_signals_are_not_handed_on() {
    let set: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    set.thread_block().unwrap();
    let output = ran("grep -E 'SigBlk|SigIgn' /proc/self/status");
    set.thread_unblock().unwrap();
    let masks: Vec<u64> = output
        .stdout
        .lines()
        .map(|line| u64::from_str_radix(line.split_once('\t').unwrap().1, 16).unwrap())
        .collect();
    // 32 and 33 are glibc's own and nobody's to set; SIGPIPE, which Rust ignores, is the one that shows a leak.
    let ours = (1 << 31) - 1;
    assert_eq!(masks.len(), 2);
    assert!(
        masks.iter().all(|mask| mask & ours == 0),
        "{}",
        output.stdout
    );
}

#[test]
fn status_and_both_streams_are_kept_apart() {
    let output = ran("echo out; echo err >&2; exit 7");
    assert_eq!(output.status, Some(7));
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("out\n", "err\n")
    );
    assert_eq!(ran("kill -9 $$").status, None);
}

#[test]
fn a_hundred_megabytes_of_output_neither_hang_nor_are_kept() {
    let output = ran(
        "head -c 100000000 /dev/zero | tr '\\0' x; head -c 50000000 /dev/zero >&2; echo end >&2; exit 3",
    );
    assert_eq!(output.status, Some(3));
    assert_eq!(output.stdout.len(), MOST_OUTPUT);
    assert_eq!(output.stderr.len(), MOST_OUTPUT);
}

#[test]
fn the_limit_ends_the_whole_group_even_what_ignores_sigterm() {
    let marker = marker("limit");
    let start = Instant::now();
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; sleep 300; sleep 300' & echo started; sleep 300; sleep 300";
    let output = run(&sh(script, 1), None, &marker, &|_| {}).unwrap();
    assert!(output.timed_out);
    assert_eq!((output.status, output.stdout.as_str()), (None, "started\n"));
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
    std::thread::sleep(Duration::from_millis(200));
    assert!(marked(&format!("CERTROLL_RUN={marker}")).is_empty());
}

#[test]
fn a_daemon_that_keeps_the_pipe_does_not_hold_the_run_and_is_found_by_its_marker() {
    let marker = marker("leftover");
    let start = Instant::now();
    let output = run(
        &sh("setsid sleep 300 & setsid sleep 301 & echo back", 20),
        None,
        &marker,
        &|_| {},
    )
    .unwrap();
    assert_eq!((output.status, output.stdout.as_str()), (Some(0), "back\n"));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    let wanted = format!("CERTROLL_RUN={marker}");
    assert_eq!(marked(&wanted).len(), 2);
    assert_eq!(
        end_marked(&format!("{marker}x")).unwrap(),
        0,
        "another marker is another run"
    );
    assert_eq!(end_marked("").unwrap(), 0);
    assert_eq!(end_marked(&marker).unwrap(), 2);
    assert!(marked(&wanted).is_empty());
    assert_eq!(end_marked(&marker).unwrap(), 0);
}

#[test]
fn what_is_just_becoming_another_program_is_found_by_its_marker_too() {
    let script = "cd /; x='exec sh -c \"$x\"'; export x; setsid sh -c \"$x\" & echo back";
    for round in 0..20 {
        let marker = marker(&format!("becoming-{round}"));
        run(&sh(script, 20), None, &marker, &|_| {}).unwrap();
        assert_eq!(end_marked(&marker).unwrap(), 1, "round {round}");
    }
}

#[test]
fn a_command_dies_with_the_thread_that_ran_it() {
    assert!(!deathbed().is_empty(), "setpriv --pdeathsig is there");
    let marker = marker("deathbed");
    let wanted = format!("CERTROLL_RUN={marker}");
    let room = Room::new().unwrap();
    // The thread ends at once without waiting, as a killed run would.
    let child = std::thread::spawn(move || {
        let mut argv: Vec<String> = deathbed().iter().map(|&word| word.to_owned()).collect();
        argv.extend(["/usr/bin/sleep", "300"].map(str::to_owned));
        let (_, out) = io::pipe().unwrap();
        let child = Child::spawn(&argv, &marker, &room, [out.as_raw_fd(); 3]);
        let Ok(child) = child else {
            panic!("not started");
        };
        // Long enough for setpriv to have asked the kernel.
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(marked(&wanted).len(), 1);
        child
    })
    .join()
    .unwrap();
    let start = Instant::now();
    while !child.has_ended().unwrap() && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(TICK);
    }
    assert!(child.has_ended().unwrap());
}

#[test]
fn what_cannot_be_found_or_run_is_said() {
    for (program, said) in [
        ("no-such-program", "`no-such-program` was not found"),
        ("/etc/passwd", "`/etc/passwd` was not found"),
        ("", "`` was not found"),
    ] {
        let command = Command {
            argv: vec![program.to_owned()],
            limit: 5,
        };
        assert_eq!(
            run(&command, None, "", &|_| {}).unwrap_err().to_string(),
            said
        );
    }
}

#[test]
fn what_a_command_is_given_to_read_is_on_no_disk_and_no_other_input_is() {
    let key = Bytes::from(b"secret\n".to_vec());
    let script = "readlink /proc/self/fd/0; cat";
    let fed = run(&sh(script, 20), Some(&key), "", &|_| {}).unwrap();
    assert_eq!(fed.stdout, "/memfd:certroll (deleted)\nsecret\n");
    let alone = run(&sh(script, 20), None, "", &|_| {}).unwrap();
    assert_eq!(alone.stdout, "/dev/null\n");
}

//! What a terminal is shown: colours where they are wanted, the same words without them, and no secret either way.

use super::{
    EC,
    common::{CERTROLL, Run, Running, Scratch},
    scratch,
};

/// Runs a command in a terminal of its own, says what it was shown there, and exits as it did.
const TERMINAL: &str = "
import os, pty, sys
child, end = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    try:
        piece = os.read(end, 65536)
    except OSError:
        break
    sys.stdout.buffer.write(piece)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

/// Runs a line; the streams of one in a terminal are one.
fn run(scratch: &Scratch, terminal: bool, unwanted: bool, line: &str) -> Run {
    let mut command = if terminal {
        let mut command = scratch.program("python3");
        command.args(["-c", TERMINAL, CERTROLL]);
        command
    } else {
        scratch.program(CERTROLL)
    };
    command.args(line.split_whitespace()).env("TERM", "xterm");
    if unwanted {
        command.env("NO_COLOR", "1");
    }
    Running::start(&mut command).end()
}

/// The words without escapes, as lines of a file.
fn plain(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (code, words) = piece.split_once('m').unwrap();
        let is_code = code.chars().all(|c| c.is_ascii_digit() || c == ';');
        assert!(is_code, "no colour: {code:?}");
        plain.push_str(words);
    }
    plain.replace("\r\n", "\n")
}

#[test]
fn a_terminal_is_shown_colours_unless_they_are_unwanted_and_never_a_secret() {
    let (scratch, canary) = scratch(EC);
    scratch.sh(
        "cp c.key R/usr/share/xivo-certs/server.key; cp both.pem R/usr/share/xivo-certs/server.crt",
    );
    let pair = "--profile wazo --cert other.pem --key other.key";
    for (line, code) in [
        (format!("plan -v {pair}"), 5),
        ("show 7".to_owned(), 2),
        (format!("apply {pair} --yes"), 0),
        ("show 1".to_owned(), 0),
    ] {
        // In a terminal, with NO_COLOR, the option, and whether there are colours.
        let ways = [
            (false, false, "", false),
            (true, false, "", true),
            (true, true, "", false),
            (true, false, "--color never", false),
            (false, false, "--color always", true),
            (true, true, "--color auto", false),
        ];
        let changes = line.starts_with("apply");
        let mut words = None;
        for (terminal, unwanted, option, coloured) in ways {
            if changes && !coloured {
                continue;
            }
            let line = format!("{option} --root R {line}");
            let run = run(&scratch, terminal, unwanted, &line).exits(code);
            let said = format!("{}{}", run.out, run.err);
            let how = format!("{line}, NO_COLOR {unwanted}, terminal {terminal}: {said}");
            assert_eq!(said.contains('\x1b'), coloured, "{how}");
            canary.is_not_in(said.as_bytes(), &line);
            let said = plain(&said);
            canary.is_not_in(said.as_bytes(), &line);
            assert!(!said.is_empty(), "{how}");
            if !changes {
                assert_eq!(*words.get_or_insert_with(|| said.clone()), said, "{how}");
            }
        }
    }
}

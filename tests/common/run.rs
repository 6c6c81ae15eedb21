//! Bounded runs of programs.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    os::unix::{fs::FileExt as _, process::ExitStatusExt as _},
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

/// No run of these tests needs longer, even on two loaded cores.
const LIMIT: Duration = Duration::from_mins(3);

/// How a run ended, and what it said.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) line: String,
    /// Exit code; 128 and the signal's number where one ended it.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Asserts the exit code, and shows everything where it is another one.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Asserts that standard output has a text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// Asserts that standard error is exactly this.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert_eq!(self.err, text, "{}\n{}", self.line, self.out);
        self
    }

    /// The last line of standard output.
    pub(crate) fn last(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        match serde_json::from_str(&self.out) {
            Ok(document) => document,
            Err(error) => panic!("{error}: {self:#?}"),
        }
    }
}

/// A started process that is ended when the test is.
#[derive(Debug)]
pub(crate) struct Running {
    line: String,
    child: Child,
    out: File,
    err: File,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let (out, err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        command
            .stdout(out.try_clone().unwrap())
            .stderr(err.try_clone().unwrap());
        let line = format!("{command:?}");
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        Self {
            line,
            child,
            out,
            err,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status();
        assert!(status.unwrap().success(), "kill -s {name}");
    }

    /// What it wrote so far, standard output first.
    pub(crate) fn said(&self) -> String {
        let mut said = Vec::new();
        for file in [&self.out, &self.err] {
            let (mut piece, mut at) = ([0; 4 << 10], 0);
            while let Ok(read @ 1..) = file.read_at(&mut piece, at) {
                said.extend_from_slice(&piece[..read]);
                at += read as u64;
            }
        }
        String::from_utf8_lossy(&said).into_owned()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(self) -> Run {
        self.end_within(LIMIT)
    }

    /// Waits for the end, which must come in time.
    #[track_caller]
    pub(crate) fn end_within(mut self, limit: Duration) -> Run {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < limit, "did not end: {}", self.line);
            sleep(Duration::from_millis(3));
        };
        let text = |file: &mut File| {
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Run {
            line: self.line.clone(),
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap()),
            out: text(&mut self.out),
            err: text(&mut self.err),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

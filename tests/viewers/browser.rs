//! A headless Chromium, spoken to through a pipe: the `DevTools` protocol, JSON messages that end with a zero byte.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
};

use serde_json::{Value, json};

use crate::common::{Running, Scratch};

/// A browser that is ended with its test, and after a minute in any case.
#[derive(Debug)]
pub(crate) struct Browser {
    to: File,
    from: BufReader<File>,
    last: u64,
    events: Vec<Value>,
    _process: Running,
}

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// Width of the window in CSS pixels.
    pub(crate) width: u32,
    /// Whether dark colours are preferred.
    pub(crate) dark: bool,
}

/// What is found on a page.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What the expression gave.
    pub(crate) value: Value,
    /// The picture, PNG.
    pub(crate) picture: String,
    /// Addresses that were asked for, the page's own first.
    pub(crate) asked: Vec<String>,
    /// What the browser complained of.
    pub(crate) complaints: Vec<Value>,
}

impl Browser {
    pub(crate) fn start(scratch: &Scratch) -> Self {
        scratch.sh("mkfifo to from");
        scratch.dir("home");
        // As root there is no sandbox; a container has no shared memory to speak of.
        let script = "exec timeout -k 5 60 chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
                      --no-first-run --disable-background-networking --disable-component-update \
                      --user-data-dir=home/profile --remote-debugging-pipe about:blank 3<to 4>from";
        let mut command = scratch.program("sh");
        command
            .args(["-euc", script])
            .env("HOME", scratch.path("home"));
        let process = Running::start(&mut command);
        let to = File::options()
            .write(true)
            .open(scratch.path("to"))
            .unwrap();
        let from = BufReader::new(File::open(scratch.path("from")).unwrap());
        Self {
            to,
            from,
            last: 0,
            events: Vec::new(),
            _process: process,
        }
    }

    #[track_caller]
    fn call(&mut self, session: Option<&str>, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        self.to
            .write_all(format!("{message}\0").as_bytes())
            .unwrap();
        loop {
            let answer = self.read();
            if answer["id"] == self.last {
                assert_eq!(answer["error"], Value::Null, "{method}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    #[track_caller]
    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser ended");
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Opens a page and asks an expression of it.
    #[track_caller]
    pub(crate) fn look(&mut self, page: &Path, sight: Sight, expression: &str) -> Seen {
        self.events.clear();
        let target = self.call(
            None,
            "Target.createTarget",
            &json!({ "url": "about:blank" }),
        );
        let id = target["targetId"].clone();
        let attach = json!({ "targetId": id, "flatten": true });
        let session = self.call(None, "Target.attachToTarget", &attach);
        let session = session["sessionId"].as_str().unwrap().to_owned();
        let on = Some(session.as_str());
        for domain in [
            "Page.enable",
            "Network.enable",
            "Log.enable",
            "Runtime.enable",
        ] {
            self.call(on, domain, &json!({}));
        }
        let size =
            json!({ "width": sight.width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call(on, "Emulation.setDeviceMetricsOverride", &size);
        let scheme = if sight.dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call(on, "Emulation.setEmulatedMedia", &media);
        let url = format!("file://{}", page.display());
        self.call(on, "Page.navigate", &json!({ "url": url }));
        while !self
            .events
            .iter()
            .any(|event| event["method"] == "Page.loadEventFired")
        {
            let event = self.read();
            self.events.push(event);
        }
        let asked = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call(on, "Runtime.evaluate", &asked);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{answer}");
        let shot = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.call(on, "Page.captureScreenshot", &shot);
        self.call(None, "Target.closeTarget", &json!({ "targetId": id }));
        let of = |method: &str| -> Vec<Value> {
            let ours = self.events.iter().filter(|event| event["method"] == method);
            ours.map(|event| event["params"].clone()).collect()
        };
        Seen {
            value: answer["result"]["value"].clone(),
            picture: picture["data"].as_str().unwrap().to_owned(),
            asked: (of("Network.requestWillBeSent").iter())
                .map(|event| event["request"]["url"].as_str().unwrap().to_owned())
                .collect(),
            complaints: of("Log.entryAdded"),
        }
    }
}

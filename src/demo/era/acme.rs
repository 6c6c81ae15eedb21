//! Its own ACME: two settings, and what comes of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::demo::wire::Message;

/// Where settings are.
const SETTINGS: &str = "/rest/v1/domain/settings/";

/// The settings of a domain, and the value that it gets once they say so.
#[derive(Debug, Default)]
pub(super) struct Acme {
    pub(super) email: String,
    pub(super) enabled: bool,
    /// What is issued, and how long that takes; none: nothing ever is.
    pub(super) issues: Option<(String, Duration)>,
    due: Option<Instant>,
}

impl Acme {
    /// Answers a request that is about one of its settings; none where it is about something else.
    pub(super) fn answer(&mut self, asked: &Message, refuses: bool) -> Option<(u16, Value)> {
        let key = asked.path.strip_prefix(SETTINGS)?;
        if !["acme_account_email", "acme_enabled"].contains(&key) {
            return None;
        }
        Some(match asked.method.as_str() {
            "GET" => (200, self.entity(key)),
            "PATCH" if refuses => (400, json!({ "errormsg": "not today" })),
            "PATCH" => {
                let document: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
                let told = document["key"] == key && self.take(key, &document["value"]);
                if told {
                    (200, self.entity(key))
                } else {
                    (400, json!({ "errormsg": "no such value" }))
                }
            }
            _ => (405, json!({})),
        })
    }

    /// Returns what is issued by now, once.
    pub(super) fn issued(&mut self) -> Option<String> {
        self.due.filter(|due| *due <= Instant::now())?;
        self.due = None;
        self.issues.as_ref().map(|(value, _)| value.clone())
    }

    fn entity(&self, key: &str) -> Value {
        let value = match key {
            "acme_enabled" => Value::from(self.enabled),
            _ => Value::from(self.email.as_str()),
        };
        json!({ "key": key, "value": value })
    }

    fn take(&mut self, key: &str, value: &Value) -> bool {
        match (key, value) {
            ("acme_enabled", Value::Bool(enabled)) => {
                let began = *enabled && !self.enabled && !self.email.is_empty();
                self.enabled = *enabled;
                let due = self
                    .issues
                    .as_ref()
                    .map(|(_, takes)| Instant::now() + *takes);
                self.due = due.filter(|_| began);
                true
            }
            ("acme_account_email", Value::String(email)) => {
                self.email.clone_from(email);
                true
            }
            _ => false,
        }
    }
}

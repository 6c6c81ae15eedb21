//! Who is told of outcomes.

use certroll::{notify::Config, receipt::Outcome};

use super::{printable, refused};

/// What is read has somebody to tell, in time, under an address that a request can name.
pub(super) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let config = match Config::parse("notify.yaml", &text) {
        Ok(config) => config,
        Err(error) => {
            let said = refused(&error);
            assert!(said.contains("notify.yaml"), "no place in: {said}");
            return;
        }
    };
    assert!(!config.command.is_empty() || config.webhook.is_some());
    assert!((1..=120).contains(&config.limit), "{} s", config.limit);
    assert!(!config.wants(Outcome::Converged));
    for outcome in &config.on {
        assert!(config.wants(*outcome), "{outcome:?}");
    }
    if let Some(webhook) = config.webhook {
        printable(&webhook.path);
        assert!(webhook.path.starts_with('/') && !webhook.path.contains([' ', '\n']));
        assert!(webhook.secret_file.as_str().starts_with('/'));
    }
}

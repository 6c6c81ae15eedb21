//! What `status` is for: people, programs, or monitoring.

use clap::{Args, ValueEnum};

/// How `status` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// One line of a plugin for Nagios or Icinga, with performance data
    Nagios,
    /// Metrics for the textfile collector of Prometheus' node exporter
    Prometheus,
}

impl Shape {
    /// Tells whether it is for monitoring, which asks of every rollout and has exit codes of its own.
    pub(crate) fn is_for_monitoring(self) -> bool {
        matches!(self, Self::Nagios | Self::Prometheus)
    }
}

/// How `status` tells it, and where.
#[derive(Debug, Args)]
pub(crate) struct Watching {
    /// Tell it in FORMAT
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(crate) format: Shape,
    /// With `--format prometheus`: write it to FILE, whole or not at all, for every user to read
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<String>,
}

/// Examples and exit codes of `status`.
pub(crate) const AFTER: &str = "Examples:
  certroll status                                 the only rollout, for people
  certroll status --format nagios                 every rollout in a line with performance data
  certroll status --format prometheus --output /var/lib/prometheus/node-exporter/certroll.prom

A certificate is a warning within 14 days of its end (a profile may ask for more) and critical within 7, and at most within a
quarter and an eighth of its lifetime. For Nagios the exit code is 0 to 3 (OK, WARNING, CRITICAL, UNKNOWN); for Prometheus it
is 0 once the metrics are written, whatever they say. Else it is 0, or 5 for drift, what is owed, or an end that is near.";

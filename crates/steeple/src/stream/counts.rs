//! What streams count for Prometheus: the handles of one service, resolved once.

use metrics::{Counter, Gauge};

use super::Cause;
use crate::record::metrics::Metrics;

const SESSIONS: &str = "steeple_stream_sessions";
const BEGUN: &str = "steeple_stream_sessions_begun_total";
const ENDED: &str = "steeple_stream_sessions_ended_total";
const MESSAGES: &str = "steeple_stream_messages_total";
const FAILED: &str = "steeple_stream_handler_errors_total";
const COMMANDS: &str = "steeple_stream_commands_total";
const ACKS: &str = "steeple_stream_acks_total";

/// The handles of one hub.
pub(super) struct Counts {
    pub sessions: Gauge,
    pub begun: Counter,
    ended: Vec<(Cause, Counter)>,
    pub content: Counter,
    pub heartbeats: Counter,
    pub nothing: Counter,
    pub failed: Counter,
    pub queued: Counter,
    pub full: Counter,
    pub acked: Counter,
    pub unawaited: Counter,
    pub late: Counter,
    pub unknown: Counter,
    pub timed_out: Counter,
    pub expired: Counter,
}

impl Counts {
    pub fn of(metrics: &Metrics, service: &str) -> Self {
        let counter = |name, help, label: Option<(&'static str, &str)>| {
            let labels: Vec<_> = [("service", service)].into_iter().chain(label).collect();
            metrics.counter(name, help, &labels)
        };
        let message = |kind| counter(MESSAGES, "Messages of connected clients, by kind.", Some(("kind", kind)));
        let command =
            |outcome| counter(COMMANDS, "Commands to connected clients, by outcome.", Some(("outcome", outcome)));
        let ack = |kind| counter(ACKS, "Acks of commands, by whether somebody waited.", Some(("kind", kind)));
        let ended =
            |cause: Cause| (cause, counter(ENDED, "Sessions that ended, by cause.", Some(("cause", cause.as_str()))));
        Self {
            sessions: metrics.gauge(SESSIONS, "Clients connected now.", &[("service", service)]),
            begun: counter(BEGUN, "Sessions that began.", None),
            ended: Cause::ALL.map(ended).into(),
            content: message("content"),
            heartbeats: message("heartbeat"),
            nothing: message("nothing"),
            failed: counter(FAILED, "Handlers of messages that failed.", None),
            queued: command("queued"),
            full: command("queue_full"),
            timed_out: command("timed_out"),
            expired: command("expired"),
            acked: ack("in_time"),
            unawaited: ack("unawaited"),
            late: ack("late"),
            unknown: ack("unknown"),
        }
    }

    pub fn ended(&self, cause: Cause) -> &Counter {
        let known = self.ended.iter().find(|(known, _)| *known == cause);
        &known.expect("there is one for each cause").1
    }
}

//! Counters, gauges and histograms for Prometheus, counted on the spot.
//!
//! Takes the start and the end of each call, gives the text of `/metrics`. Handles are resolved once per method at
//! start, so that a call only touches atomics. Names follow the gRPC middleware of the Go ecosystem
//! (`grpc_server_handled_total` and its kin), so that its dashboards fit.
//!
//! The recorder is this server's own and not the global one; [`Metrics::recorder`] gives it to whoever wants to install
//! it globally, so that `metrics::counter!` in an app lands here as well.
//!
//! Must never: make a label of what a caller sent.

use std::sync::{Arc, OnceLock};

use ::metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tonic::Code;

use super::{Call, Outcome, row::code_name};
use crate::method::{Method, Shape};

const STARTED: &str = "grpc_server_started_total";
const HANDLED: &str = "grpc_server_handled_total";
const HANDLING: &str = "grpc_server_handling_seconds";
const RECEIVED: &str = "grpc_server_msg_received_total";
const SENT: &str = "grpc_server_msg_sent_total";
const BYTES_RECEIVED: &str = "grpc_server_bytes_received_total";
const BYTES_SENT: &str = "grpc_server_bytes_sent_total";
const IN_FLIGHT: &str = "grpc_server_in_flight";
const LOG_DROPPED: &str = "steeple_request_log_dropped_total";
const LOG_ROWS: &str = "steeple_request_log_rows_total";

/// Seconds. From half a millisecond, below which a call is quick enough, to the minute of a slow stream.
const BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

static METADATA: Metadata<'static> = Metadata::new("steeple", Level::INFO, Some("steeple"));

/// The metrics of one server.
#[derive(Clone, Debug)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(HANDLING.to_owned()), &BUCKETS)
            .expect("the buckets are not empty")
            .build_recorder();
        let counters = [
            (STARTED, "Calls that began."),
            (HANDLED, "Calls that ended, by code."),
            (RECEIVED, "Messages that came in."),
            (SENT, "Messages that went out."),
            (BYTES_RECEIVED, "Bytes of messages that came in."),
            (BYTES_SENT, "Bytes of messages that went out."),
            (LOG_DROPPED, "Closed calls that got no row in the request log."),
            (LOG_ROWS, "Rows of closed calls written to the request log."),
        ];
        for (name, help) in counters {
            recorder.describe_counter(name.into(), None, help.into());
        }
        recorder.describe_gauge(IN_FLIGHT.into(), None, "Calls running now.".into());
        recorder.describe_histogram(HANDLING.into(), Some(Unit::Seconds), "Duration of calls, in seconds.".into());
        Self { handle: recorder.handle(), recorder: Arc::new(recorder) }
    }

    /// The handles of one method. Resolve them once, at start: a method known here stays known.
    pub fn method(&self, method: &Method) -> Arc<MethodMetrics> {
        let labels = vec![
            Label::new("grpc_service", method.service.clone()),
            Label::new("grpc_method", method.name.clone()),
            Label::from_static_parts("grpc_type", kind(method.shape)),
        ];
        let counter = |name| self.recorder.register_counter(&Key::from_parts(name, labels.clone()), &METADATA);
        Arc::new(MethodMetrics {
            started: counter(STARTED),
            handled: std::array::from_fn(|_| OnceLock::new()),
            handling: self.recorder.register_histogram(&Key::from_parts(HANDLING, labels.clone()), &METADATA),
            received: counter(RECEIVED),
            sent: counter(SENT),
            bytes_received: counter(BYTES_RECEIVED),
            bytes_sent: counter(BYTES_SENT),
            in_flight: self.recorder.register_gauge(&Key::from_parts(IN_FLIGHT, labels.clone()), &METADATA),
            recorder: Arc::clone(&self.recorder),
            labels,
        })
    }

    /// The text of `/metrics`, in the Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// Moves recorded durations into their buckets. Durations pile up until this or [`render`](Self::render) runs, so
    /// call it every few seconds to keep the memory bounded when nobody scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Renders the same metrics elsewhere.
    pub fn handle(&self) -> PrometheusHandle {
        self.handle.clone()
    }

    /// The recorder behind, fit for `metrics::set_global_recorder`, which a process may call once.
    pub fn recorder(&self) -> Arc<PrometheusRecorder> {
        Arc::clone(&self.recorder)
    }

    /// A counter that is no method's. Resolve it once.
    pub(crate) fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Counter {
        self.recorder.describe_counter(name.into(), None, help.into());
        self.recorder.register_counter(&key(name, labels), &METADATA)
    }

    /// A gauge, likewise.
    pub(crate) fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        labels: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Gauge {
        self.recorder.describe_gauge(name.into(), None, help.into());
        self.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    pub(super) fn log(&self) -> LogMetrics {
        let counter = |name| self.recorder.register_counter(&Key::from_static_name(name), &METADATA);
        LogMetrics { dropped: counter(LOG_DROPPED), rows: counter(LOG_ROWS) }
    }
}

fn key(name: &'static str, labels: impl IntoIterator<Item = (&'static str, String)>) -> Key {
    Key::from_parts(name, labels.into_iter().map(|(key, value)| Label::new(key, value)).collect::<Vec<_>>())
}

/// What the request log counts of itself.
#[derive(Debug)]
pub(super) struct LogMetrics {
    pub(super) dropped: Counter,
    pub(super) rows: Counter,
}

/// The metrics of one method.
#[derive(Debug)]
pub struct MethodMetrics {
    started: Counter,
    /// By code, registered when a code first occurs, so that `/metrics` does not list sixteen zeros a method.
    handled: [OnceLock<Counter>; 17],
    handling: Histogram,
    received: Counter,
    sent: Counter,
    bytes_received: Counter,
    bytes_sent: Counter,
    in_flight: Gauge,
    recorder: Arc<PrometheusRecorder>,
    labels: Vec<Label>,
}

impl MethodMetrics {
    /// A call begins.
    pub fn started(&self) {
        self.started.increment(1);
        self.in_flight.increment(1.0);
    }

    /// A call that was [`started`](Self::started) has ended.
    pub fn finished(&self, call: &Call, outcome: &Outcome) {
        self.in_flight.decrement(1.0);
        self.handled(outcome.code).increment(1);
        self.handling.record(outcome.duration.as_secs_f64());
        let (bytes, messages) = call.request_size();
        self.received.increment(messages.into());
        self.bytes_received.increment(bytes);
        let (bytes, messages) = call.response_size();
        self.sent.increment(messages.into());
        self.bytes_sent.increment(bytes);
    }

    fn handled(&self, code: Code) -> &Counter {
        self.handled[code as usize].get_or_init(|| {
            let mut labels = self.labels.clone();
            labels.push(Label::from_static_parts("grpc_code", code_name(code)));
            self.recorder.register_counter(&Key::from_parts(HANDLED, labels), &METADATA)
        })
    }
}

/// The values of `grpc_type` that dashboards expect.
fn kind(shape: Shape) -> &'static str {
    match shape {
        Shape::Unary => "unary",
        Shape::ClientStreaming => "client_stream",
        Shape::ServerStreaming => "server_stream",
        Shape::Bidirectional => "bidi_stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RequestId;

    #[test]
    fn a_call_shows_in_every_metric() {
        let metrics = Metrics::new();
        let mut method = Method::other("/crypto.CryptoService/GetCoin");
        method.shape = Shape::Unary;
        let handles = metrics.method(&method);
        let method = Arc::new(method);
        for code in [Code::Ok, Code::Ok, Code::NotFound] {
            let call = Call::open(RequestId::of(None), Arc::clone(&method), None, None);
            handles.started();
            call.count_request(12, 1);
            call.count_response(34, 2);
            call.close(code, None);
            handles.finished(&call, call.outcome().unwrap());
        }
        handles.started();
        let text = metrics.render();
        let labels = "grpc_service=\"crypto.CryptoService\",grpc_method=\"GetCoin\",grpc_type=\"unary\"";
        for line in [
            format!("grpc_server_started_total{{{labels}}} 4"),
            format!("grpc_server_handled_total{{{labels},grpc_code=\"OK\"}} 2"),
            format!("grpc_server_handled_total{{{labels},grpc_code=\"NOT_FOUND\"}} 1"),
            format!("grpc_server_handling_seconds_bucket{{{labels},le=\"60\"}} 3"),
            format!("grpc_server_handling_seconds_count{{{labels}}} 3"),
            format!("grpc_server_msg_received_total{{{labels}}} 3"),
            format!("grpc_server_msg_sent_total{{{labels}}} 6"),
            format!("grpc_server_bytes_received_total{{{labels}}} 36"),
            format!("grpc_server_bytes_sent_total{{{labels}}} 102"),
            format!("grpc_server_in_flight{{{labels}}} 1"),
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("UNAVAILABLE"));
    }
}

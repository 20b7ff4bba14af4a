//! Counters, gauges and histograms for Prometheus, counted on the spot.
//!
//! Takes the start and the end of each call, gives the text of `/metrics`. What calls count is counted here, in cells
//! that threads seldom share (`counted`), because every core would otherwise wait for every other at each call. What
//! Steeple and a site's apps count besides goes through the `metrics` crate; [`Metrics::recorder`] is fit to be installed
//! globally, so that `metrics::counter!` in an app lands here as well. Names follow the gRPC middleware of the Go
//! ecosystem (`grpc_server_handled_total` and its kin), so that its dashboards fit.
//!
//! Must never: make a label of what a caller sent.

mod counted;
mod text;

use std::sync::{Arc, Mutex, PoisonError};

use ::metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use self::counted::MethodMetrics;
use crate::method::Method;

const LOG_DROPPED: &str = "steeple_request_log_dropped_total";
const LOG_ROWS: &str = "steeple_request_log_rows_total";

static METADATA: Metadata<'static> = Metadata::new("steeple", Level::INFO, Some("steeple"));

/// The metrics of one server.
#[derive(Clone, Debug)]
pub struct Metrics {
    methods: Arc<Mutex<Vec<Arc<MethodMetrics>>>>,
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
        let recorder = PrometheusBuilder::new().build_recorder();
        let counters = [
            (LOG_DROPPED, "Closed calls that got no row in the request log."),
            (LOG_ROWS, "Rows of closed calls written to the request log."),
        ];
        for (name, help) in counters {
            recorder.describe_counter(name.into(), None, help.into());
        }
        Self { methods: Arc::default(), handle: recorder.handle(), recorder: Arc::new(recorder) }
    }

    /// The counters of one method. Ask once, at start: a method known here stays known.
    pub fn method(&self, method: &Method) -> Arc<MethodMetrics> {
        let counters = Arc::new(MethodMetrics::new(method));
        self.methods.lock().unwrap_or_else(PoisonError::into_inner).push(counters.clone());
        counters
    }

    /// A counter of another part of the framework. Labels are words of the program, never a caller's.
    pub(crate) fn counter(&self, name: &'static str, help: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        let labels: Vec<_> = labels.iter().map(|(key, value)| Label::new(*key, (*value).to_owned())).collect();
        self.recorder.describe_counter(name.into(), None, help.into());
        self.recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
    }

    /// A gauge, likewise.
    pub(crate) fn gauge(&self, name: &'static str, help: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        let labels: Vec<_> = labels.iter().map(|(key, value)| Label::new(*key, (*value).to_owned())).collect();
        self.recorder.describe_gauge(name.into(), None, help.into());
        self.recorder.register_gauge(&Key::from_parts(name, labels), &METADATA)
    }

    /// The text of `/metrics`, in the Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        let methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut text = text::of(&methods);
        self.handle.run_upkeep();
        text.push_str(&self.handle.render());
        text
    }

    /// Moves what apps recorded in histograms of the `metrics` crate into their buckets. It piles up until this or
    /// [`render`](Self::render) runs, so call it every few seconds to keep the memory bounded when nobody scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The recorder behind, fit for `metrics::set_global_recorder`, which a process may call once.
    pub fn recorder(&self) -> Arc<PrometheusRecorder> {
        Arc::clone(&self.recorder)
    }

    pub(super) fn log(&self) -> LogMetrics {
        let counter = |name| self.recorder.register_counter(&Key::from_static_name(name), &METADATA);
        LogMetrics { dropped: counter(LOG_DROPPED), rows: counter(LOG_ROWS) }
    }
}

/// What the request log counts of itself.
#[derive(Debug)]
pub(super) struct LogMetrics {
    pub(super) dropped: Counter,
    pub(super) rows: Counter,
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::{
        method::Shape,
        record::{Call, RequestId},
    };

    #[test]
    fn a_call_shows_in_every_metric() {
        let metrics = Metrics::new();
        let mut method = Method::other("/crypto.CryptoService/GetCoin");
        method.shape = Shape::Unary;
        let counters = metrics.method(&method);
        let method = Arc::new(method);
        for code in [Code::Ok, Code::Ok, Code::NotFound] {
            let call = Call::open(RequestId::of(None), Arc::clone(&method), None, None);
            counters.started();
            call.count_request(12, 1);
            call.count_response(34, 2);
            call.close(code, None);
            counters.finished(&call, call.outcome().unwrap());
        }
        counters.started();
        let text = metrics.render();
        let labels = "grpc_service=\"crypto.CryptoService\",grpc_method=\"GetCoin\",grpc_type=\"unary\"";
        for line in [
            format!("grpc_server_started_total{{{labels}}} 4"),
            format!("grpc_server_handled_total{{{labels},grpc_code=\"OK\"}} 2"),
            format!("grpc_server_handled_total{{{labels},grpc_code=\"NOT_FOUND\"}} 1"),
            format!("grpc_server_handling_seconds_bucket{{{labels},le=\"60\"}} 3"),
            format!("grpc_server_handling_seconds_bucket{{{labels},le=\"+Inf\"}} 3"),
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

    #[test]
    fn durations_fall_into_their_buckets_and_threads_add_up() {
        let metrics = Metrics::new();
        let counters = metrics.method(&Method::other("/a.B/C"));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        counters.started();
                        counters.took(std::time::Duration::from_micros(500));
                        counters.took(std::time::Duration::from_micros(501));
                        counters.took(std::time::Duration::from_secs(61));
                    }
                });
            }
        });
        let text = metrics.render();
        let bucket = |le: &str| {
            let line = text.lines().find(|line| line.contains("_bucket") && line.contains(&format!("le=\"{le}\"")));
            line.and_then(|line| line.rsplit_once(' ')).unwrap().1.to_owned()
        };
        assert_eq!(["0.0005", "0.001", "60", "+Inf"].map(bucket), ["8000", "16000", "16000", "24000"]);
        assert!(
            text.contains(
                "grpc_server_in_flight{grpc_service=\"a.B\",grpc_method=\"C\",grpc_type=\"bidi_stream\"} 8000"
            )
        );
        let sum = text.lines().find(|line| line.starts_with("grpc_server_handling_seconds_sum")).unwrap();
        assert!(sum.ends_with(" 488008.008"), "{sum}");
    }

    #[test]
    fn labels_are_escaped() {
        let metrics = Metrics::new();
        metrics.method(&Method::other("/a\"\\\n.B/C"));
        assert!(metrics.render().contains(r#"grpc_service="a\"\\\n.B""#));
    }
}

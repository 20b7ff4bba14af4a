//! Publishes the calls of one method: when they start, end well, fail.
//!
//! What is said is what any browser that may subscribe may read: names, times, sizes and the status, not who called, and
//! not the text of an error, whose causes are the log's.
//!
//! Must never: wait, or cost anything when nothing is to be published.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use tonic::Code;

use super::{CallEvent, Centrifugo, Config, Pattern, config::CALL_PLACES};
use crate::{
    method::Method,
    record::{Call, code_name},
};

/// Where the calls of one method are published.
#[derive(Debug)]
pub(crate) struct CallEvents {
    centrifugo: Centrifugo,
    wanted: Vec<CallEvent>,
    channel: String,
    error_channel: String,
}

/// What a browser reads.
#[derive(Debug, Serialize)]
struct Moment<'c> {
    event_type: &'static str,
    request_id: String,
    method: &'c str,
    service: &'c str,
    method_name: &'c str,
    started_at: String,
    #[serde(flatten)]
    ended: Option<Ended>,
}

#[derive(Debug, Serialize)]
struct Ended {
    status: &'static str,
    duration_ms: f64,
    request_messages: u32,
    response_messages: u32,
}

impl CallEvents {
    /// The events of `method`; `None` when the configuration wants none.
    pub fn of(config: &Config, centrifugo: Option<&Centrifugo>, method: &Method) -> Option<Arc<Self>> {
        let centrifugo = centrifugo.filter(|_| !config.call_events.is_empty())?;
        let fill = |pattern: &str| {
            let pattern = Pattern::of(pattern, &CALL_PLACES).ok()?;
            Some(pattern.fill(&[&method.service, &method.name]))
        };
        Some(Arc::new(Self {
            centrifugo: centrifugo.clone(),
            wanted: config.call_events.clone(),
            channel: fill(&config.call_channel)?,
            error_channel: fill(&config.error_channel)?,
        }))
    }

    /// A call begins.
    pub fn began(&self, call: &Call) {
        if self.wanted.contains(&CallEvent::Start) {
            self.centrifugo.publish(self.channel.as_str(), &event("rpc_start", call, None));
        }
    }

    /// A call has ended.
    pub fn ended(&self, call: &Call) {
        let Some(outcome) = call.outcome() else { return };
        let (wanted, kind, channel) = match outcome.code {
            Code::Ok => (CallEvent::End, "rpc_end", &self.channel),
            _ => (CallEvent::Error, "rpc_error", &self.error_channel),
        };
        if self.wanted.contains(&wanted) {
            let ended = Ended {
                status: code_name(outcome.code),
                duration_ms: outcome.duration.as_secs_f64() * 1000.0,
                request_messages: call.request_size().1,
                response_messages: call.response_size().1,
            };
            self.centrifugo.publish(channel.as_str(), &event(kind, call, Some(ended)));
        }
    }
}

fn event<'c>(event_type: &'static str, call: &'c Call, ended: Option<Ended>) -> Moment<'c> {
    let method = call.method();
    let started = DateTime::from_timestamp_micros(call.started_at).unwrap_or_default();
    Moment {
        event_type,
        request_id: call.id().to_string(),
        method: &method.path,
        service: &method.service,
        method_name: &method.name,
        started_at: started.to_rfc3339_opts(SecondsFormat::Micros, true),
        ended,
    }
}

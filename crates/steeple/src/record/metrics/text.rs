//! What methods count, in the Prometheus text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use tonic::Code;

use super::counted::{BOUNDS, CODES, Counts, MethodMetrics};
use crate::record::row::code_name;

type Read = fn(&Counts<u64>) -> u64;

const COUNTERS: [(&str, &str, Read); 5] = [
    ("grpc_server_started_total", "Calls that began.", |counts| counts.started),
    ("grpc_server_msg_received_total", "Messages that came in.", |counts| counts.received),
    ("grpc_server_msg_sent_total", "Messages that went out.", |counts| counts.sent),
    ("grpc_server_bytes_received_total", "Bytes of messages that came in.", |counts| counts.bytes_received),
    ("grpc_server_bytes_sent_total", "Bytes of messages that went out.", |counts| counts.bytes_sent),
];

/// Every method that was ever asked for.
pub(super) fn of(methods: &[Arc<MethodMetrics>]) -> String {
    let sums: Vec<_> = methods.iter().map(|method| (Labels(method), method.sum(), method.in_flight())).collect();
    let mut text = String::new();
    write(&mut text, &sums).expect("a String takes everything");
    text
}

fn write(text: &mut String, sums: &[(Labels<'_>, Counts<u64>, u64)]) -> fmt::Result {
    if sums.is_empty() {
        return Ok(());
    }
    for (name, help, read) in COUNTERS {
        head(text, name, "counter", help)?;
        for (labels, counts, _) in sums {
            writeln!(text, "{name}{{{labels}}} {}", read(counts))?;
        }
    }
    let name = "grpc_server_handled_total";
    head(text, name, "counter", "Calls that ended, by code.")?;
    for (labels, counts, _) in sums {
        // Codes that never occurred are left out, or there would be sixteen zeros a method.
        for code in (0..CODES).filter(|code| counts.handled[*code] > 0) {
            let (value, code) = (counts.handled[code], code_name(Code::from_i32(code as i32)));
            writeln!(text, "{name}{{{labels},grpc_code=\"{code}\"}} {value}")?;
        }
    }
    let name = "grpc_server_in_flight";
    head(text, name, "gauge", "Calls running now.")?;
    for (labels, _, in_flight) in sums {
        writeln!(text, "{name}{{{labels}}} {in_flight}")?;
    }
    let name = "grpc_server_handling_seconds";
    head(text, name, "histogram", "Duration of calls, in seconds.")?;
    for (labels, counts, _) in sums {
        let mut total = 0;
        for (bound, bucket) in BOUNDS.iter().zip(&counts.buckets) {
            total += bucket;
            writeln!(text, "{name}_bucket{{{labels},le=\"{}\"}} {total}", *bound as f64 / 1e6)?;
        }
        total += counts.buckets[BOUNDS.len()];
        writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {total}")?;
        writeln!(text, "{name}_sum{{{labels}}} {}", counts.micros as f64 / 1e6)?;
        writeln!(text, "{name}_count{{{labels}}} {total}")?;
    }
    text.push('\n');
    Ok(())
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

struct Labels<'a>(&'a MethodMetrics);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MethodMetrics { service, method, kind, .. } = self.0;
        let (service, method) = (Escaped(service), Escaped(method));
        write!(f, "grpc_service=\"{service}\",grpc_method=\"{method}\",grpc_type=\"{kind}\"")
    }
}

/// The value of a label.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

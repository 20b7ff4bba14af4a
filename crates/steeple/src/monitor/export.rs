//! The request log as a file: CSV (RFC 4180) or a JSON object a line, newest first.
//!
//! Rows are read a part at a time, each when the reader has taken the one before, so that memory stays flat whatever the
//! length. Must never: let a spreadsheet take a cell for a formula.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::Response,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::{Monitor, endpoint::Asked, requests::question, taken};
use crate::{
    error::{Error, Result},
    record::{Parts, RequestLogRow},
};

/// Rows of one part. SQLite has a thread for each connection, and each keeps what its largest part took.
const PART: u64 = 250;

const COLUMNS: [&str; 22] = [
    "id",
    "request_id",
    "service_name",
    "method_name",
    "full_method",
    "request_size",
    "response_size",
    "request_messages",
    "response_messages",
    "status",
    "grpc_status_code",
    "error_message",
    "duration_ms",
    "duration_us",
    "user_id",
    "api_key_id",
    "is_authenticated",
    "client_ip",
    "user_agent",
    "peer",
    "created_at",
    "completed_at",
];

/// The shape of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Ndjson,
}

pub(super) async fn export(asked: Asked) -> Result<Response> {
    let Asked { monitor, query, .. } = asked;
    let place = monitor.exports.clone().try_acquire_owned();
    let place = place.map_err(|_| Error::resource_exhausted("there are too many exports at once, try again later"))?;
    let format = if query.choice("format") == Some("ndjson") { Format::Ndjson } else { Format::Csv };
    let left = query.whole("limit").map_or(u64::MAX, |limit| limit as u64);
    let log = question(&monitor, &query);
    // The first part is read before the answer begins, so that what cannot be read is told.
    let first = monitor.ask(move |db| async move { log.parts().next(&db, PART.min(left)).await }).await?;
    let (out, parts) = mpsc::channel(2);
    let name = match format {
        Format::Csv => "requests.csv",
        Format::Ndjson => "requests.ndjson",
    };
    tokio::spawn(write(monitor, format, (first, left), out, place));
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(parts)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        match format {
            Format::Csv => HeaderValue::from_static("text/csv; charset=utf-8"),
            Format::Ndjson => HeaderValue::from_static("application/x-ndjson"),
        },
    );
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    headers.extend(disposition.ok().map(|value| (header::CONTENT_DISPOSITION, value)));
    Ok(response)
}

type Part = Result<Bytes, Error>;

async fn write(
    monitor: Arc<Monitor>,
    format: Format,
    ((mut rows, mut rest), mut left): ((Vec<RequestLogRow>, Option<Parts>), u64),
    out: mpsc::Sender<Part>,
    place: OwnedSemaphorePermit,
) {
    if format == Format::Csv {
        let heading = Bytes::from(COLUMNS.join(",") + "\r\n");
        if !taken(&out, Ok(heading)).await {
            return;
        }
    }
    loop {
        left = left.saturating_sub(rows.len() as u64);
        let part = rows.iter().fold(Vec::new(), |mut part, row| {
            match format {
                Format::Csv => csv(&mut part, row),
                Format::Ndjson => ndjson(&mut part, row),
            }
            part
        });
        let gone = if part.is_empty() { out.is_closed() } else { !taken(&out, Ok(part.into())).await };
        if gone || left == 0 {
            break;
        }
        let Some(parts) = rest else { break };
        (rows, rest) = match monitor.ask_on(move |db| async move { parts.next(&db, PART.min(left)).await }).await {
            Ok(found) => found,
            // The answer has begun: it breaks off, and its reader sees that.
            Err(error) => {
                tracing::warn!(error = error.for_log(), "an export of the request log broke off");
                taken(&out, Err(error)).await;
                break;
            }
        };
    }
    drop(place);
}

fn ndjson(out: &mut Vec<u8>, row: &RequestLogRow) {
    // A vector takes any row.
    let _ = serde_json::to_writer(&mut *out, row);
    out.push(b'\n');
}

fn csv(out: &mut Vec<u8>, row: &RequestLogRow) {
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let time =
        |time: Option<crate::clock::Time>| time.map(|time| time.format("%FT%T%.6fZ").to_string()).unwrap_or_default();
    let cells: [&str; 22] = [
        &row.id.to_string(),
        &row.request_id,
        &row.service_name,
        &row.method_name,
        &row.full_method,
        &row.request_size.to_string(),
        &row.response_size.to_string(),
        &row.request_messages.to_string(),
        &row.response_messages.to_string(),
        &row.status,
        row.grpc_status_code.as_deref().unwrap_or_default(),
        row.error_message.as_deref().unwrap_or_default(),
        &number(row.duration_ms),
        &number(row.duration_us),
        &number(row.user_id),
        &number(row.api_key_id),
        if row.is_authenticated { "true" } else { "false" },
        row.client_ip.as_deref().unwrap_or_default(),
        row.user_agent.as_deref().unwrap_or_default(),
        row.peer.as_deref().unwrap_or_default(),
        &time(Some(row.created_at)),
        &time(row.completed_at),
    ];
    for (at, text) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        cell(out, text);
    }
    out.extend(b"\r\n");
}

/// A cell, in quotes where it needs them. Callers choose some of these texts, and a spreadsheet takes one that begins so
/// for a formula: an apostrophe in front keeps it a text.
fn cell(out: &mut Vec<u8>, text: &str) {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !text.contains([',', '"', '\n', '\r']) {
        out.extend(text.as_bytes());
        return;
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    out.extend(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        let of = |text: &str| {
            let mut out = Vec::new();
            cell(&mut out, text);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(of("plain"), "plain");
        assert_eq!(of("a,b"), "\"a,b\"");
        assert_eq!(of("say \"hi\"\n"), "\"say \"\"hi\"\"\n\"");
        assert_eq!(of("=HYPERLINK(\"http://x\")"), "\"'=HYPERLINK(\"\"http://x\"\")\"");
        assert_eq!(of("@sum"), "\"'@sum\"");
    }
}

//! New rows by `COPY … FROM STDIN (FORMAT binary)`: the server puts them into its pages by the dozen, which costs it two
//! thirds of an `INSERT` of the same rows.
//!
//! Takes rows, with or without ids that were taken from the sequence before; writes all of them or none. The format is that
//! of PostgreSQL's documentation of `COPY`, "Binary Format": a header, for each row the number of its fields, and for
//! each field its length and bytes, most significant first; -1 instead of a length is NULL, instead of a number of fields
//! the end.
//!
//! Must never: put a field where [`COLUMNS`] has another, or a text with NUL, which PostgreSQL refuses.

use std::sync::LazyLock;

use sqlx::PgConnection;

use crate::record::row::{COLUMNS, Row};

/// What a row takes, about: most of it is texts.
const ROW_BYTES: usize = 400;
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
const EPOCH: i64 = 946_684_800_000_000;

static COPY: LazyLock<String> = LazyLock::new(|| statement(&COLUMNS));
static COPY_NUMBERED: LazyLock<String> = LazyLock::new(|| statement(&[&COLUMNS[..], &["id"]].concat()));

fn statement(columns: &[&str]) -> String {
    format!("COPY steeple_request_log ({}) FROM STDIN (FORMAT binary)", columns.join(", "))
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    rows: &[Row<'_>],
    ids: Option<&[i64]>,
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut copy = connection.copy_in_raw(if ids.is_some() { &COPY_NUMBERED } else { &COPY }).await?;
    copy.send(encoded(rows, ids)).await?;
    copy.finish().await.map(drop)
}

fn encoded(rows: &[Row<'_>], ids: Option<&[i64]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.len() * ROW_BYTES);
    out.extend_from_slice(HEADER);
    for (at, row) in rows.iter().enumerate() {
        let id = ids.map(|ids| ids[at]);
        out.extend_from_slice(&((COLUMNS.len() + usize::from(id.is_some())) as i16).to_be_bytes());
        fields(&mut out, row);
        if let Some(id) = id {
            number(&mut out, id);
        }
    }
    out.extend_from_slice(&(-1_i16).to_be_bytes());
    out
}

/// In the order of [`COLUMNS`].
fn fields(out: &mut Vec<u8>, row: &Row<'_>) {
    text(out, row.request_id);
    text(out, row.service_name);
    text(out, row.method_name);
    number(out, row.method_key);
    text(out, row.full_method);
    number(out, row.request_size);
    number(out, row.response_size);
    number(out, row.request_messages);
    number(out, row.response_messages);
    text(out, row.status);
    or_null(out, row.grpc_status_code, text);
    or_null(out, row.error_message.as_deref(), text);
    or_null(out, row.duration_ms, number);
    or_null(out, row.duration_us, number);
    or_null(out, row.user_id, number);
    or_null(out, row.api_key_id, number);
    field(out, &[u8::from(row.is_authenticated)]);
    or_null(out, row.client_ip, text);
    or_null(out, row.user_agent.as_deref(), text);
    or_null(out, row.peer, text);
    time(out, row.created_at);
    or_null(out, row.completed_at, time);
}

fn or_null<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(out, value),
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
    }
}

fn text(out: &mut Vec<u8>, value: &str) {
    field(out, value.as_bytes());
}

fn number(out: &mut Vec<u8>, value: i64) {
    field(out, &value.to_be_bytes());
}

fn time(out: &mut Vec<u8>, micros: i64) {
    number(out, micros.saturating_sub(EPOCH));
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

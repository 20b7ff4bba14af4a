//! Values of rows into values of messages.

use prost_types::Timestamp;
use sea_orm::prelude::DateTimeUtc;

/// A moment, as messages have it.
pub fn timestamp(time: DateTimeUtc) -> Timestamp {
    Timestamp { seconds: time.timestamp(), nanos: time.timestamp_subsec_nanos() as i32 }
}

//! The cache in memory and in Redis does the same; what only one of them can do is below.

mod computing;
mod outages;
mod sharing;
mod values;

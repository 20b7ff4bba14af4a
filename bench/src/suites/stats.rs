//! to come
use crate::{Outcome, run::Bench, suites::Findings};

/// Runs the suite.
pub async fn run(_bench: &Bench) -> Outcome<Findings> {
    Err("to come".into())
}

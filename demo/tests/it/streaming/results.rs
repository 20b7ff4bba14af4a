//! What a test sent and received, and when, as JSON for people who want to see it.

use std::{fs, path::Path, time::Instant};

use serde_json::{Value, json};

/// The record of one test.
pub struct Results {
    name: &'static str,
    began: Instant,
    steps: Vec<Value>,
}

impl Results {
    pub fn of(name: &'static str) -> Self {
        Self { name, began: Instant::now(), steps: vec![] }
    }

    /// Notes that something was sent or received; `what` as its Debug says it.
    pub fn note(&mut self, direction: &str, what: &impl std::fmt::Debug) {
        let after_ms = self.began.elapsed().as_secs_f64() * 1000.0;
        self.steps.push(json!({ "after_ms": after_ms, "direction": direction, "what": format!("{what:?}") }));
    }

    /// Leaves the record where it is looked for.
    pub fn leave(self) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
        let folder = folder.join("streaming-results");
        fs::create_dir_all(&folder).expect("the target folder can be written");
        let took_ms = self.began.elapsed().as_secs_f64() * 1000.0;
        let record = json!({ "test": self.name, "took_ms": took_ms, "steps": self.steps });
        let text = serde_json::to_string_pretty(&record).expect("JSON");
        fs::write(folder.join(format!("{}.json", self.name)), text).expect("the results can be written");
    }
}

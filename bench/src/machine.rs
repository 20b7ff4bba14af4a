//! What the figures were measured on.

use std::{
    fmt::{self, Display, Formatter},
    fs, thread,
};

use serde::Serialize;

/// Facts about the machine and the build, as far as `/proc` tells them.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Cores this process may use.
    pub cores: usize,
    /// The processor's own name.
    pub processor: String,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// Release of the kernel.
    pub kernel: String,
    /// Load averages over 1, 5 and 15 minutes, when the run began: others on the machine.
    pub load: String,
    /// The compiler this program was built with.
    pub rustc: &'static str,
    /// `release` or `dev`.
    pub profile: &'static str,
}

impl Machine {
    /// This machine, now.
    pub fn here() -> Self {
        Self {
            cores: cores(),
            processor: field("/proc/cpuinfo", "model name").unwrap_or_default(),
            memory_gib: memory_gib().unwrap_or_default(),
            kernel: read("/proc/sys/kernel/osrelease"),
            load: read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" "),
            rustc: env!("BENCH_RUSTC"),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
        }
    }
}

impl Display for Machine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, memory_gib, kernel, load, rustc, profile } = self;
        write!(
            f,
            "{cores} cores ({processor}), {memory_gib:.0} GiB, Linux {kernel}, {rustc}, {profile} build, \
             load average at the start {load}; clients, servers and databases share the machine"
        )
    }
}

/// Cores this process may use: the number of worker threads on every side.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

fn memory_gib() -> Option<f64> {
    let kilobytes: f64 = field("/proc/meminfo", "MemTotal")?.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes / f64::from(1 << 20))
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim_start().trim_start_matches(':').trim().to_owned())
}

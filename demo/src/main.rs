//! The demo's own command line: `cargo run`, `cargo run -- migrate`, `cargo run -- methods`, …

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    demo::server().main()
}

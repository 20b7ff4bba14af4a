//! Compiles the echo and the relay twice, as a Steeple site and as stock tonic, and the demo's contract as stock tonic.

use std::{env, path::Path, process::Command};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    steeple_build::run();
    stock("echo", "proto", "echo.proto")?;
    stock("relay", "proto", "relay.proto")?;
    stock("crypto", "../demo/proto", "crypto.proto")?;
    let version = Command::new(env::var("RUSTC")?).arg("--version").output()?.stdout;
    println!("cargo::rustc-env=BENCH_RUSTC={}", String::from_utf8(version)?.trim());
    Ok(())
}

/// What tonic makes of a proto file by itself, in a folder of its own beside the site's.
fn stock(name: &str, include: &str, file: &str) -> Outcome {
    println!("cargo::rerun-if-changed={include}");
    let folder = Path::new(&env::var("OUT_DIR")?).join("stock").join(name);
    std::fs::create_dir_all(&folder)?;
    let descriptors = protox::compile([file], [include])?;
    tonic_prost_build::configure().build_client(false).out_dir(folder).compile_fds(descriptors)?;
    Ok(())
}

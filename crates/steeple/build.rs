//! Compiles Steeple's own protos, without protoc: messages and descriptors. Their services are written by hand.

use std::{env, error::Error, fs, path::Path};

/// What holds a password or a token must not print itself; `src/login/messages.rs` says what it prints instead.
const SECRETIVE: [&str; 5] = ["LoginRequest", "LoginResponse", "RefreshRequest", "RefreshResponse", "LogoutRequest"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").ok_or("Cargo sets OUT_DIR")?;
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).include_imports(true).open_file("steeple/auth/v1/auth.proto")?;
    fs::write(Path::new(&out).join("steeple.auth.v1.bin"), compiler.encode_file_descriptor_set())?;
    prost_build::Config::new()
        .skip_debug(SECRETIVE.map(|message| format!(".steeple.auth.v1.{message}")))
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

//! `run()` as Cargo sees it: its lines and its exit code.

use std::process::{Command, Output};

use crate::site::{Site, proto};

/// What the child process runs; nothing when the tests are run.
#[test]
#[ignore = "run by the other tests of this module, as a build script"]
fn as_a_build_script() {
    steeple_build::run();
}

fn script(site: &Site, locked: Option<&str>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["script::as_a_build_script", "--exact", "--ignored", "--nocapture"]);
    command.env("CARGO_MANIFEST_DIR", site.path("")).env("OUT_DIR", site.path("out")).env_remove("STEEPLE_LOCKED");
    if let Some(locked) = locked {
        command.env("STEEPLE_LOCKED", locked);
    }
    command.output().unwrap()
}

fn directives(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.find("cargo::").map(|at| line[at..].to_owned())).collect()
}

#[test]
fn what_is_there_is_watched_and_warnings_are_told() {
    let site = Site::new(&[("src/main.rs", "")]);
    let last = ["cargo::rerun-if-changed=build.rs", "cargo::rerun-if-env-changed=STEEPLE_LOCKED"];
    let output = script(&site, None);
    assert!(output.status.success());
    assert_eq!(directives(&output), [&["cargo::rerun-if-changed=src"], &last[..]].concat());
    site.put("proto/pings.proto", &proto("pings", "Pings"));
    site.put("src/apps/pings/models.rs", "");
    let told = "cargo::warning=proto/pings.proto:4:1: proto service pings.Pings has no implementation: write `impl pb::pings::Pings for …` in src/apps/<app>/grpc_services.rs";
    let watched = ["cargo::rerun-if-changed=src/apps", "cargo::rerun-if-changed=proto"];
    assert_eq!(directives(&script(&site, None)), [&watched, &last[..], &[told]].concat());
    assert!(site.path("out/pb.rs").is_file());
}

#[test]
fn problems_end_the_build_and_are_all_that_is_said() {
    let site = Site::new(&[("proto/a.proto", "message"), ("src/apps/pings/models.rs", "")]);
    let output = script(&site, None);
    assert_eq!(output.status.code(), Some(1));
    let said = directives(&output);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("cargo::error=proto/a.proto:1:8: "), "{said:?}");
}

#[test]
fn the_environment_locks() {
    let site = Site::new(&[("src/apps/pings/models.rs", "")]);
    assert_eq!(script(&site, Some("1")).status.code(), Some(1));
    assert!(!site.path("src/apps/mod.rs").exists());
    assert!(script(&site, Some("0")).status.success());
    assert!(script(&site, Some("1")).status.success());
}

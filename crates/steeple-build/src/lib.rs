//! The build dependency of a Steeple site.
//!
//! ```no_run
//! // build.rs
//! steeple_build::run();
//! ```
//!
//! # What it reads
//!
//! - **Protos**: every `proto/**/*.proto` of the site and every `.proto` inside an app. Imports are looked up from three
//!   kinds of roots: the site's `proto/` (`proto/shared/money.proto` is `shared/money.proto`), each app's `proto/`
//!   (`src/apps/coins/proto/coins.proto` is `coins.proto`), and `src/apps` for a proto elsewhere in an app
//!   (`src/apps/coins/coins.proto` is `coins/coins.proto`). Two files with one such name are an error.
//!   `google/protobuf/*.proto` come with it; no protoc is needed.
//! - **Apps**: each folder of `src/apps` is an app. Its services are the `impl pb::… for …` in the first of
//!   `grpc_services`, `grpc_handlers`, `services/grpc`, `handlers/grpc`, `api/grpc` that exists; its models the
//!   `DeriveEntityModel` structs of `models`; its migrations the modules `mNNNN_name` of `migrations`;
//!   `pub fn app(app: App) -> App` in `app.rs` may change it. `pub fn grpc_handlers(site: &mut Site)` in the service
//!   module replaces its automatic registration.
//!
//! # What it writes
//!
//! - to `OUT_DIR`: `descriptors.bin`, `pb.rs` (messages, clients, a trait per service), `site.rs` (`site()`);
//! - `src/apps/mod.rs`, which declares the modules of the apps. Commit it, like Cargo.lock. With `STEEPLE_LOCKED=1` (in
//!   CI) a file that does not fit is an error. An app with its own `mod.rs` declares its own modules.
//!
//! Files are written only when they change, so an edit recompiles what it must.
//!
//! Cargo runs the script again when `proto` or `src/apps` changes. A first `proto` folder is seen when the script runs
//! next, for instance after the first edit of an app.

mod apps;
mod comments;
mod files;
mod generate;
mod name;
mod problem;
mod protos;
mod service;
mod site;

use std::{
    env,
    path::{Path, PathBuf},
};

pub use problem::Problem;
use protos::Protos;

/// The one call of a `build.rs`. Problems end the build as Cargo errors, one line each, never as a panic.
pub fn run() {
    let path = |name| env::var_os(name).map(PathBuf::from);
    let (Some(root), Some(out)) = (path("CARGO_MANIFEST_DIR"), path("OUT_DIR")) else {
        tell(&["cargo::error=steeple_build::run() belongs into a build.rs, where Cargo sets OUT_DIR".to_owned()]);
        std::process::exit(1);
    };
    let locked = env::var("STEEPLE_LOCKED").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    match Build::new(&root, out).locked(locked).run() {
        Ok(report) => {
            let mut lines = watched(&root);
            lines.extend(report.warnings.iter().map(|warning| format!("cargo::warning={warning}")));
            tell(&lines);
        }
        Err(problems) => {
            // Cargo repeats the script's whole output below the errors, so there is nothing else in it.
            tell(&problems.iter().map(|problem| format!("cargo::error={problem}")).collect::<Vec<_>>());
            std::process::exit(1);
        }
    }
}

/// What Cargo must watch. A path that does not exist would run the script at every build.
fn watched(root: &Path) -> Vec<String> {
    let apps = if root.join("src/apps").is_dir() { "src/apps" } else { "src" };
    let mut lines = vec![format!("cargo::rerun-if-changed={apps}")];
    if root.join("proto").is_dir() {
        lines.push("cargo::rerun-if-changed=proto".to_owned());
    }
    lines.push("cargo::rerun-if-changed=build.rs".to_owned());
    lines.push("cargo::rerun-if-env-changed=STEEPLE_LOCKED".to_owned());
    lines
}

#[expect(clippy::print_stdout, reason = "Cargo reads a build script's standard output")]
fn tell(lines: &[String]) {
    for line in lines {
        println!("{line}");
    }
}

/// One run over a site, apart from Cargo: what [`run`] does, for tests and tools.
#[derive(Clone, Debug)]
pub struct Build {
    root: PathBuf,
    out: PathBuf,
    locked: bool,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What is probably wrong, though the site can be built.
    pub warnings: Vec<Problem>,
    /// The files that were written because their content changed.
    pub changed: Vec<PathBuf>,
}

impl Build {
    /// For the site whose `Cargo.toml` lies in `root`; outputs go to `out`.
    pub fn new(root: impl Into<PathBuf>, out: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), out: out.into(), locked: false }
    }

    /// Whether a `src/apps/mod.rs` that does not fit is an error instead of being written; by default it is written.
    pub fn locked(mut self, locked: bool) -> Self {
        self.locked = locked;
        self
    }

    /// Compiles the protos, reads the apps, writes what changed. With a problem nothing is written.
    pub fn run(&self) -> Result<Report, Vec<Problem>> {
        let protos = Protos::of_site(&self.root)?;
        let compiled = protos.compile()?;
        let (rust, declared) = generate::rust(&protos, &compiled).map_err(one)?;

        let mut problems = vec![];
        let mut report = Report::default();
        let found = apps::find(&self.root, &declared, &mut problems, &mut report.warnings);
        if !problems.is_empty() {
            return Err(problems);
        }
        let site = site::text(&protos, &found.apps).map_err(one)?;

        if let Some(modules) = &found.modules
            && apps::kept::keep(&self.root, modules, self.locked).map_err(one)?
        {
            report.changed.push(self.root.join("src/apps/mod.rs"));
        }
        let outputs: [(&str, &[u8]); 3] =
            [("descriptors.bin", &compiled.descriptors), ("pb.rs", rust.as_bytes()), ("site.rs", site.as_bytes())];
        for (name, bytes) in outputs {
            let path = self.out.join(name);
            if files::write(&path, bytes).map_err(one)? {
                report.changed.push(path);
            }
        }
        Ok(report)
    }
}

/// What the protos of one folder become, for a crate that keeps generated code in its tree.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The text of `pb.rs`.
    pub rust: String,
    /// The bytes of `descriptors.bin`.
    pub descriptors: Vec<u8>,
}

/// Compiles every `.proto` under `dir`, which is their include root, without any app.
pub fn protos(dir: impl AsRef<Path>) -> Result<Generated, Vec<Problem>> {
    let protos = Protos::of_folder(dir.as_ref())?;
    let compiled = protos.compile()?;
    let (rust, _) = generate::rust(&protos, &compiled).map_err(one)?;
    Ok(Generated { rust, descriptors: compiled.descriptors })
}

fn one(problem: Problem) -> Vec<Problem> {
    vec![problem]
}

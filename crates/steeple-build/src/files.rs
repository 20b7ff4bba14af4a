//! Reading folders and writing files so that nothing is rebuilt without need.
//!
//! Takes paths; gives sorted listings and says whether a write changed anything.
//! Must never: touch a file whose content is already right, or leave a half-written one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::Problem;

/// How far a kept source file is set back, so that Cargo does not take it for an edit made after this run.
const BACK: Duration = Duration::from_secs(5);

/// The entries of a folder by name, without hidden ones; nothing when it does not exist.
pub(crate) fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| !name(path).starts_with('.'))
        .collect();
    found.sort();
    found
}

/// Every file under `dir` with this extension, by path.
pub(crate) fn walk(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    for path in entries(dir) {
        if path.is_dir() {
            found.extend(walk(&path, extension));
        } else if path.extension().is_some_and(|have| have == extension) {
            found.push(path);
        }
    }
    found
}

/// The last part of a path.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The last part of a path without its extension.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// `path` as seen from `root`, with `/` between its parts.
pub(crate) fn relative(root: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    inner.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Writes an output file; an untouched one recompiles nothing. Says whether it changed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<bool, Problem> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let told = |error: io::Error| Problem::of(path.display().to_string(), format!("cannot be written: {error}"));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(told)?;
    }
    replace(path, bytes).map_err(told)?;
    Ok(true)
}

/// Writes a source file of the site, and dates it and its folder before this run, because Cargo watches both.
pub(crate) fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let before = fs::metadata(folder)?.modified()?;
    replace(path, bytes)?;
    let file = fs::File::options().write(true).open(path)?;
    let written = file.metadata()?.modified()?;
    let back = written.checked_sub(BACK).unwrap_or(written);
    file.set_modified(back)?;
    // A folder cannot be opened for this on every system; then Cargo runs the script once more, no harm.
    if let Ok(folder) = fs::File::open(folder) {
        let _ = folder.set_modified(before.min(back));
    }
    Ok(())
}

/// By temporary file and rename: the editor's check and `cargo build` run the script at the same time.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_file_name(format!(".{}.{}", name(path), std::process::id()));
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

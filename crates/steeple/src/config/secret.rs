//! Secrets by reference: `env:NAME` is that variable, `file:PATH` that file's content without its last line break.
//!
//! Must never: show what it found.

use std::{fs, path::Path};

use super::read::Variables;

/// The secret that `text` refers to, or `None` when it refers to nothing.
pub(super) fn follow(text: &str, directory: &Path, variables: &Variables) -> Option<Result<String, String>> {
    if let Some(name) = text.strip_prefix("env:") {
        return Some(match variables.get(name) {
            Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
            Some(_) => Err(format!("refers to the environment variable {name}, which is empty; set it")),
            None => Err(format!("refers to the environment variable {name}, which is not set; set it")),
        });
    }
    let path = directory.join(text.strip_prefix("file:")?);
    let shown = path.display();
    Some(match fs::read_to_string(&path) {
        Ok(secret) => match secret.trim_end_matches(['\r', '\n']) {
            "" => Err(format!("refers to the file {shown}, which is empty; write the secret into it")),
            secret => Ok(secret.to_owned()),
        },
        Err(error) => Err(format!("refers to the file {shown}, which cannot be read: {error}")),
    })
}

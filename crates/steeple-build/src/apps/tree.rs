//! The folders under `src/apps` as a module tree, and the text that declares it.
//!
//! The text is inline modules, so one file declares everything: no `#[path]`, no `mod.rs` per app, and `cargo fmt` sees
//! the apps. A folder with a `mod.rs`, or with a file of its name beside it, declares its own children.
//! Must never: write a file.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use crate::{
    Problem,
    files::{self, entries, relative, stem, walk},
    name::is_rust,
};

const HEADER: &str = "// Kept by steeple-build from the folders beside this file; commit it, do not edit it.\n";

/// A module that `src/apps/mod.rs` declares.
#[derive(Debug)]
pub(crate) struct Node {
    pub name: String,
    pub kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// `pub mod name;`, which declares its own children
    File(PathBuf),
    /// `pub mod name { … }`
    Folder(Vec<Node>),
}

impl Node {
    /// Files and folders called `tests` are compiled for tests only.
    pub fn is_test(&self) -> bool {
        self.name == "tests"
    }
}

/// A folder under `src/apps`, so an app.
pub(crate) struct Folder {
    pub label: String,
    pub path: PathBuf,
}

/// The apps. A folder without any Rust or proto file is none: version control would not carry it either.
pub(crate) fn apps(root: &Path, problems: &mut Vec<Problem>) -> Vec<Folder> {
    let mut found = vec![];
    for path in entries(&root.join("src/apps")).into_iter().filter(|path| path.is_dir()) {
        let label = files::name(&path);
        if walk(&path, "rs").is_empty() && walk(&path, "proto").is_empty() {
            continue;
        }
        if is_rust(&label) {
            found.push(Folder { label, path });
        } else {
            let message = "an app's folder must be a Rust name (letters, digits and `_`, no keyword): rename it";
            problems.push(Problem::of(relative(root, &path), message));
        }
    }
    found.retain(|folder| folder.label != "tests");
    found
}

/// The modules of one folder.
pub(crate) fn modules(root: &Path, dir: &Path, warnings: &mut Vec<Problem>) -> Vec<Node> {
    let mut nodes = vec![];
    for path in entries(dir) {
        let name = stem(&path);
        let file = path.extension().is_some_and(|extension| extension == "rs");
        let kind = if path.is_dir() {
            if dir.join(format!("{}.rs", files::name(&path))).is_file() {
                continue;
            }
            let own = path.join("mod.rs");
            if own.is_file() {
                Kind::File(own)
            } else if walk(&path, "rs").is_empty() && dir != root.join("src/apps") {
                continue;
            } else {
                Kind::Folder(vec![])
            }
        } else if file && name != "mod" {
            Kind::File(path.clone())
        } else {
            continue;
        };
        let name = if path.is_dir() { files::name(&path) } else { name };
        if !is_rust(&name) {
            let message = "is in no module: its name must be a Rust name (letters, digits and `_`, no keyword)";
            warnings.push(Problem::of(relative(root, &path), message));
            continue;
        }
        let kind = match kind {
            Kind::Folder(_) => Kind::Folder(modules(root, &path, warnings)),
            file @ Kind::File(_) => file,
        };
        nodes.push(Node { name, kind });
    }
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    nodes
}

/// The modules of `src/apps`: the apps, and files beside them.
pub(crate) fn all(root: &Path, apps: &[Folder], warnings: &mut Vec<Problem>) -> Vec<Node> {
    let mut nodes = modules(root, &root.join("src/apps"), warnings);
    nodes.retain(|node| match node.kind {
        Kind::Folder(_) => node.is_test() || apps.iter().any(|app| app.label == node.name),
        Kind::File(_) => true,
    });
    nodes
}

/// The text that declares `nodes`.
pub(crate) fn text(nodes: &[Node]) -> String {
    let mut text = HEADER.to_owned();
    declare(nodes, 0, &mut text);
    text
}

fn declare(nodes: &[Node], depth: usize, text: &mut String) {
    let pad = "    ".repeat(depth);
    for node in nodes {
        if node.is_test() {
            let _ = writeln!(text, "{pad}#[cfg(test)]");
        }
        let name = &node.name;
        match &node.kind {
            Kind::File(_) => {
                let _ = writeln!(text, "{pad}pub mod {name};");
            }
            Kind::Folder(inner) if inner.is_empty() => {
                let _ = writeln!(text, "{pad}pub mod {name} {{}}");
            }
            Kind::Folder(inner) => {
                let _ = writeln!(text, "{pad}pub mod {name} {{");
                declare(inner, depth + 1, text);
                let _ = writeln!(text, "{pad}}}");
            }
        }
    }
}

//! The folders under `src/apps` as a module tree, and the text of `src/apps/mod.rs` that declares it.
//!
//! The text is inline modules, so one file declares everything: no `#[path]`, no `mod.rs` per app, and `cargo fmt` sees
//! the apps. A folder with a `mod.rs`, or with a file of its name beside it, declares its own children.
//! Must never: rewrite a file that somebody wrote by hand.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Problem,
    files::{self, entries, relative, stem, walk},
    name::is_rust,
};

const HEADER: &str = "// Kept by steeple-build from the folders beside this file; commit it, do not edit it.\n";
/// What an older or newer header begins with too.
const KEPT: &str = "// Kept by steeple-build";

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

/// Brings `src/apps/mod.rs` up to date; says whether it was written.
pub(crate) fn keep(root: &Path, want: &str, locked: bool) -> Result<bool, Problem> {
    let path = root.join("src/apps/mod.rs");
    let told = |message: String| Problem::of("src/apps/mod.rs", message);
    let have = fs::read_to_string(&path).unwrap_or_default();
    if same(&have, want) {
        return Ok(false);
    }
    if !have.trim().is_empty() && !have.starts_with(KEPT) {
        return Err(told(
            "is written by hand, but steeple-build keeps it: move what it holds into a file beside it and delete it"
                .into(),
        ));
    }
    if locked {
        return Err(told(
            "does not fit the folders beside it, and STEEPLE_LOCKED is set: build once without it and commit the file"
                .into(),
        ));
    }
    files::keep(&path, want.as_bytes()).map_err(|error| told(format!("cannot be written: {error}")))?;
    Ok(true)
}

/// Whether both declare the same modules: `cargo fmt` may order them otherwise, version control may end lines otherwise.
fn same(have: &str, want: &str) -> bool {
    if have == want {
        return true;
    }
    let (Ok(have_items), Ok(want_items)) = (syn::parse_file(have), syn::parse_file(want)) else {
        return false;
    };
    have.starts_with(KEPT) && declared(&have_items.items) == declared(&want_items.items)
}

fn declared(items: &[syn::Item]) -> Vec<String> {
    let mut all: Vec<String> = items
        .iter()
        .map(|item| match item {
            syn::Item::Mod(module) => {
                let (attributes, visibility, name) = (&module.attrs, &module.vis, &module.ident);
                let inner = module.content.as_ref().map(|(_, items)| declared(items));
                format!("{} {name} {inner:?}", quote::quote!(#(#attributes)* #visibility))
            }
            other => quote::quote!(#other).to_string(),
        })
        .collect();
    all.sort();
    all
}

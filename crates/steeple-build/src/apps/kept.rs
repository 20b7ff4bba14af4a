//! `src/apps/mod.rs`, kept as Cargo keeps its lock file: written when it does not fit, an error when locked.
//!
//! Takes the text it should have; says whether it was written.
//! Must never: rewrite what somebody wrote by hand.

use std::{fs, path::Path};

use crate::{Problem, files};

/// What an older or newer header begins with too.
const KEPT: &str = "// Kept by steeple-build";

/// Brings `src/apps/mod.rs` up to date; says whether it was written.
pub(crate) fn keep(root: &Path, want: &str, locked: bool) -> Result<bool, Problem> {
    let path = root.join("src/apps/mod.rs");
    let told = |message: String| Problem::of("src/apps/mod.rs", message);
    let have = fs::read_to_string(&path).unwrap_or_default();
    if same(&have, want) {
        return Ok(false);
    }
    if !have.trim().is_empty() && !have.starts_with(KEPT) && !same_modules(&have, want) {
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
    have == want || (have.starts_with(KEPT) && same_modules(have, want))
}

fn same_modules(have: &str, want: &str) -> bool {
    let (Ok(have), Ok(want)) = (syn::parse_file(have), syn::parse_file(want)) else {
        return false;
    };
    declared(&have.items) == declared(&want.items)
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
